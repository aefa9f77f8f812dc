//! Models from the Hugging Face Hub: the files of one commit, each compared with the size and hash the Hub names.
//!
//! `HF_ENDPOINT` names another Hub, `HF_TOKEN` opens closed models. A download that was cut off goes on where it stopped:
//! its parts are kept in `.downloads` under the models' folder until the model is whole.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hf_hub::api::tokio::{Api, ApiBuilder, ApiError, ApiRepo};
use hf_hub::{Cache, Repo, RepoType};
use serde::Deserialize;

use super::fetch::{FetchError, Order, Progress, Step};
use super::install::Staging;
use super::manifest::{FileEntry, Manifest, Source};
use super::{LibraryError, check};

/// A model on the Hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    owner: String,
    pub(super) name: String,
    /// A branch, tag or commit.
    revision: String,
}

/// Small files that are taken if they are there.
const SMALL_FILES: &[&str] = &[
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "model.safetensors.index.json",
];
/// Endings of files that run code when loaded.
const PICKLES: &[&str] = &[".bin", ".pt", ".pth", ".pkl", ".ckpt"];

/// How long to wait before a download that was cut off goes on; after the last it fails.
const PAUSES: [Duration; 2] = [Duration::from_millis(300), Duration::from_secs(1)];

/// What the Hub says about a model.
#[derive(Debug, Deserialize)]
struct Info {
    /// The commit the revision stands for.
    sha: String,
    #[serde(default)]
    siblings: Vec<Sibling>,
    #[serde(default)]
    tags: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct Sibling {
    rfilename: String,
    #[serde(default)]
    size: Option<u64>,
    #[serde(default)]
    lfs: Option<Lfs>,
}

#[derive(Clone, Debug, Deserialize)]
struct Lfs {
    #[serde(default)]
    sha256: Option<String>,
}

impl Place {
    /// Reads `OWNER/NAME[@REVISION]`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (id, revision) = text.split_once('@').unwrap_or((text, "main"));
        let (owner, name) = id.split_once('/')?;
        let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/');
        let revision_fits = !revision.is_empty() && revision.len() <= 100 && revision.chars().all(fine);
        (super::is_name(owner) && super::is_name(name) && revision_fits && !revision.contains(".."))
            .then(|| Self { owner: owner.to_owned(), name: name.to_owned(), revision: revision.to_owned() })
    }

    fn id(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    pub(super) fn is_origin(&self, origin: &str) -> bool {
        let Some((id, commit)) = origin.strip_prefix("hf:").and_then(|place| place.split_once('@')) else {
            return false;
        };
        let names_commit = self.revision.len() == 40 && self.revision.chars().all(|c| c.is_ascii_hexdigit());
        id == self.id() && (!names_commit || commit == self.revision)
    }

    /// Fills `staging` with the model's files.
    ///
    /// The downloader starts all parts of a file at once and counts only the unbroken ones from the start. A runtime of
    /// one thread takes them in order, so that little is fetched twice, and ends them all when one fails.
    pub(super) async fn fetch(&self, order: &Order, staging: Staging) -> Result<Staging, FetchError> {
        let (place, order) = (self.clone(), order.clone());
        tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(place.download(&order, staging))
        })
        .await
        .map_err(io::Error::other)?
    }

    async fn download(&self, order: &Order, staging: Staging) -> Result<Staging, FetchError> {
        let parts = order.models.join(".downloads").join(&order.name);
        let api = api(&parts).map_err(|e| self.explain(&e))?;
        let info = self.info(&api).await?;
        let files = self.choose(&info)?;
        let all = files.iter().filter_map(|file| file.size).sum::<u64>();
        staging.expect_space(all.saturating_add(64 << 20))?;

        let repo = api.repo(Repo::with_revision(self.id(), RepoType::Model, info.sha.clone()));
        let mut entries = BTreeMap::new();
        let mut before = 0;
        for file in &files {
            let meter = Meter { before, done: Arc::default(), all, progress: order.progress.clone() };
            let path = self.get(&repo, file, meter).await?;
            let entry = self.take(file, &path, &staging.content().join(&file.rfilename))?;
            before += entry.bytes;
            entries.insert(file.rfilename.clone(), entry);
        }
        self.finish(order, &staging, info, entries).map_err(|fault| match fault {
            // The folder in the making is nobody's business, and fetching it again would not mend it.
            LibraryError::Damaged { file, problem, .. } => {
                self.failed(format!("{} {problem}", file.file_name().unwrap_or_default().to_string_lossy()))
            }
            other => other.into(),
        })?;
        fs_err::remove_dir_all(&parts)?;
        Ok(staging)
    }

    async fn info(&self, api: &Api) -> Result<Info, FetchError> {
        let repo = api.repo(Repo::with_revision(self.id(), RepoType::Model, self.revision.clone()));
        let request = repo.info_request().query(&[("blobs", "true")]);
        let answer = async { request.send().await?.error_for_status()?.bytes().await }.await;
        let body = answer.map_err(|e| self.explain(&ApiError::RequestError(e)))?;
        serde_json::from_slice(&body)
            .map_err(|e| self.failed(format!("the Hub's answer makes no sense: {e}")))
    }

    /// The files to take: known small ones and safetensors, never pickles.
    fn choose(&self, info: &Info) -> Result<Vec<Sibling>, FetchError> {
        let wanted = |name: &str| {
            SMALL_FILES.contains(&name) || (name.ends_with(".safetensors") && super::is_name(name))
        };
        let files: Vec<Sibling> =
            info.siblings.iter().filter(|file| wanted(&file.rfilename)).cloned().collect();
        if !files.iter().any(|file| file.rfilename.ends_with(".safetensors")) {
            let pickled =
                info.siblings.iter().any(|file| PICKLES.iter().any(|end| file.rfilename.ends_with(end)));
            if pickled {
                return Err(FetchError::Pickles(self.id()));
            }
            return Err(
                self.failed("has no *.safetensors; for a GGUF file use `shopclerk model import`".into())
            );
        }
        for needed in ["config.json", "tokenizer.json", "tokenizer_config.json"] {
            if !files.iter().any(|file| file.rfilename == needed) {
                return Err(self.failed(format!("has no {needed}; it is not a complete chat model")));
            }
        }
        Ok(files)
    }

    async fn get(&self, repo: &ApiRepo, file: &Sibling, meter: Meter) -> Result<PathBuf, FetchError> {
        for pause in PAUSES {
            match repo.download_with_progress(&file.rfilename, meter.clone()).await {
                Ok(path) => return Ok(fs_err::canonicalize(path)?),
                // The line was cut; a refusal by the Hub would be the same the next time.
                Err(ApiError::RequestError(fault)) if fault.status().is_none() => {
                    tokio::time::sleep(pause).await
                }
                Err(fault) => return Err(self.explain(&fault)),
            }
        }
        let path = repo.download_with_progress(&file.rfilename, meter).await.map_err(|e| self.explain(&e))?;
        Ok(fs_err::canonicalize(path)?)
    }

    /// Moves a finished download to `to` if it is what the Hub promised.
    fn take(&self, file: &Sibling, from: &Path, to: &Path) -> Result<FileEntry, FetchError> {
        let bytes = fs_err::metadata(from)?.len();
        let sha256 = check::hash_of(from, &mut |_| ())?;
        let promised = file.lfs.as_ref().and_then(|lfs| lfs.sha256.as_deref());
        if promised.is_some_and(|promised| promised != sha256) || file.size.is_some_and(|size| size != bytes)
        {
            // What is wrong must not be resumed.
            fs_err::remove_file(from)?;
            return Err(FetchError::Hash {
                file: format!("{}/{}", self.id(), file.rfilename),
                expected: promised.unwrap_or("of another length").to_owned(),
                found: sha256,
            });
        }
        fs_err::rename(from, to)?;
        fs_err::File::open(to)?.sync_all()?;
        Ok(FileEntry { bytes, sha256 })
    }

    fn finish(
        &self,
        order: &Order,
        staging: &Staging,
        info: Info,
        files: BTreeMap<String, FileEntry>,
    ) -> Result<(), LibraryError> {
        let content = staging.content();
        let weights = check::weigh(&content)?;
        let licence = info.tags.iter().find_map(|tag| tag.strip_prefix("license:")).map(str::to_owned);
        let manifest = Manifest {
            version: Manifest::VERSION,
            name: order.name.clone(),
            // The commit, not the branch: what was fetched can be named exactly.
            source: Source { origin: format!("hf:{}@{}", self.id(), info.sha), sha256: None },
            architecture: None,
            parameters: weights.parameters,
            dtype: weights.dtype.unwrap_or_else(|| "mixed".to_owned()),
            licence,
            created: order.created,
            files,
        };
        manifest.write(&content)?;
        check::quick(&content)
    }

    fn failed(&self, problem: String) -> FetchError {
        FetchError::Hub { model: self.id(), problem }
    }

    fn explain(&self, fault: &ApiError) -> FetchError {
        if let ApiError::RequestError(request) = fault {
            match request.status().map(|status| status.as_u16()) {
                Some(401 | 403 | 404) => {
                    return FetchError::NotOnHub(format!("{}@{}", self.id(), self.revision));
                }
                Some(status) => {
                    return self.failed(format!("the Hub answered with status {status}; try again later"));
                }
                None => return FetchError::NoNetwork("the Hub"),
            }
        }
        self.failed(fault.to_string())
    }
}

fn api(parts: &Path) -> Result<Api, ApiError> {
    let mut builder = ApiBuilder::from_cache(Cache::new(parts.to_owned()))
        .with_token(std::env::var("HF_TOKEN").ok().filter(|token| !token.is_empty()));
    if let Ok(endpoint) = std::env::var("HF_ENDPOINT") {
        builder = builder.with_endpoint(endpoint.trim_end_matches('/').to_owned());
    }
    builder.build()
}

/// Adds the bytes of one file to those before it.
#[derive(Clone)]
struct Meter {
    before: u64,
    /// Shared by the parts of the file that are on their way.
    done: Arc<AtomicU64>,
    all: u64,
    progress: Progress,
}

impl hf_hub::api::tokio::Progress for Meter {
    async fn init(&mut self, _size: usize, _file: &str) {
        self.done.store(0, Ordering::Relaxed);
    }

    async fn update(&mut self, bytes: usize) {
        let done = self.done.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64;
        self.progress.tell(Step::Downloading, self.before + done, self.all);
    }

    async fn finish(&mut self) {}
}
