//! The folders adapters live in: `<data>/adapters/NAME/VERSION/`, and those that came with the program.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::check::{CONFIG, MANIFEST, WEIGHTS};
use super::extras::{self, EXTRAS, Judge};
use super::files::{self, Lock};
use super::state::{Force, Promotion, Served, State, objections};
use super::{AdapterError, AdapterId, Base, check};
use crate::domain::run::Manifest;
use crate::model::library::{hash_of, is_name};

/// Which version serves, in an adapter's own folder.
const STATE: &str = "current.json";
/// What a server has taken notice of, in the folder of all adapters.
const SERVER: &str = ".server.json";
const SERVER_LOCK: &str = ".server.lock";
/// Words about an adapter, for people.
const CARD: &str = "README.md";

/// Adapters on the disk. A version's folder appears whole, by a rename, and never changes but for notes in its manifest.
#[derive(Clone, Debug)]
pub struct Registry {
    own: PathBuf,
    shipped: Vec<PathBuf>,
    judge: Option<Judge>,
    /// The name of the adapter that answers chats.
    chat: Option<String>,
}

/// One line of `shopclerk adapter list`.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    pub id: AdapterId,
    pub role: Role,
    /// Of conversations; only for a candidate.
    pub share: Option<f64>,
    /// It came with the program.
    pub shipped: bool,
    pub base: String,
    /// Milliseconds since the Unix epoch.
    pub created_at: u64,
    /// Whether its gate said yes; `None` if it was never asked.
    pub passed: Option<bool>,
    /// Shoppers whose words it learnt from have since been erased.
    pub tainted: bool,
    /// Why it cannot be used, as far as its manifest tells.
    pub fault: Option<String>,
}

/// What a version does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Current,
    Candidate,
    Idle,
}

impl Registry {
    /// `own` is `<data>/adapters`, made when it is needed; `shipped` are folders of the same layout that are only read.
    pub fn new(own: PathBuf, shipped: Vec<PathBuf>) -> Self {
        Self { own, shipped, judge: None, chat: None }
    }

    /// Has the file that a tool keeps beside its adapter judged by whoever knows what it means.
    pub fn judging(self, judge: Judge) -> Self {
        Self { judge: Some(judge), ..self }
    }

    /// Has only the adapter `chat`, which answers conversations, be on trial with a share of them.
    pub fn answering(self, chat: &str) -> Self {
        Self { chat: Some(chat.to_owned()), ..self }
    }

    /// Where the hash of the base model is remembered.
    pub fn cache(&self) -> PathBuf {
        self.own.join(".fingerprints.json")
    }

    /// The names of all adapters.
    pub fn names(&self) -> Result<Vec<String>, AdapterError> {
        let mut names = Vec::new();
        for place in self.places() {
            names.extend(
                entries(place)?.into_iter().filter(|name| is_name(name) && place.join(name).is_dir()),
            );
        }
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// The versions of `name`, lowest first.
    pub fn versions(&self, name: &str) -> Result<Vec<u32>, AdapterError> {
        let mut versions = Vec::new();
        for place in self.places() {
            versions.extend(versions_in(&place.join(name))?);
        }
        versions.sort_unstable();
        versions.dedup();
        Ok(versions)
    }

    /// The folder of `id`.
    ///
    /// # Errors
    /// [`AdapterError::Missing`].
    pub fn folder(&self, id: &AdapterId) -> Result<PathBuf, AdapterError> {
        self.places()
            .map(|place| place.join(id.name()).join(id.version().to_string()))
            .find(|path| path.is_dir())
            .ok_or_else(|| self.missing(&id.to_string()))
    }

    pub fn manifest(&self, id: &AdapterId) -> Result<Manifest, AdapterError> {
        check::manifest(&self.folder(id)?, id)
    }

    /// Everything about `id` is read and looked at; see [`check::check`].
    pub fn check(&self, id: &AdapterId, base: Option<&Base>) -> Result<check::Bundle, AdapterError> {
        check::check(&self.folder(id)?, id, base, self.judge)
    }

    /// All versions of all adapters. One whose manifest cannot be read is listed with its fault.
    pub fn list(&self) -> Result<Vec<Listed>, AdapterError> {
        let mut found = Vec::new();
        for name in self.names()? {
            let state = self.state(&name)?;
            for version in self.versions(&name)? {
                found.push(self.describe(&AdapterId::new(&name, version)?, &state));
            }
        }
        Ok(found)
    }

    fn describe(&self, id: &AdapterId, state: &State) -> Listed {
        let candidate = state.candidate.as_ref().filter(|c| c.served.version == Some(id.version()));
        let role = match candidate {
            Some(_) => Role::Candidate,
            None if state.current.version == Some(id.version()) => Role::Current,
            None => Role::Idle,
        };
        let manifest = self.manifest(id);
        let fault = manifest.as_ref().err().map(ToString::to_string);
        let manifest = manifest.ok();
        Listed {
            id: id.clone(),
            role,
            share: candidate.map(|c| c.share),
            shipped: self.is_shipped(id),
            base: manifest.as_ref().map(|m| m.base.clone()).unwrap_or_default(),
            created_at: manifest.as_ref().map_or(0, |m| m.created_at),
            tainted: manifest.as_ref().is_some_and(|m| m.tainted),
            passed: manifest.and_then(|m| m.scorecard).map(|card| card.passed),
            fault,
        }
    }

    /// What serves under `name`. An adapter that came with the program serves until somebody decides otherwise.
    pub fn state(&self, name: &str) -> Result<State, AdapterError> {
        if !is_name(name) {
            return Err(AdapterError::Name(name.to_owned()));
        }
        if let Some(state) = files::read_json(&self.own.join(name).join(STATE))? {
            return Ok(state);
        }
        let mut newest = None;
        for place in &self.shipped {
            newest = newest.max(versions_in(&place.join(name))?.into_iter().max());
        }
        let current = Served { version: newest, by: "shipped".to_owned(), ..Served::default() };
        Ok(State { current: if newest.is_some() { current } else { Served::default() }, ..State::default() })
    }

    /// Copies the PEFT folder `dir` to the next version of `manifest.name`. The manifest's version is given here, its hash of
    /// the weights compared, or set if it is empty. What a run made is published once: a second time gives the version there
    /// is, with the newer scorecard.
    pub fn publish(&self, dir: &Path, mut manifest: Manifest) -> Result<AdapterId, AdapterError> {
        AdapterId::new(&manifest.name, 1)?;
        check::config(dir)?;
        let source = dir.join(WEIGHTS);
        let hash =
            hash_of(&source, &mut |_| {}).map_err(|f| AdapterError::damaged(&source, f.to_string()))?;
        if !manifest.weights_hash.is_empty() && manifest.weights_hash != hash {
            let problem = "is not what the manifest's `weights_hash` says (wrong SHA-256)";
            return Err(AdapterError::damaged(&source, problem));
        }
        manifest.weights_hash = hash;
        let home = self.own.join(&manifest.name);
        fs_err::create_dir_all(&home)?;
        let _lock = self.lock(&manifest.name)?;
        if let Some((id, there)) = self.published(&manifest)? {
            let judged = Manifest { scorecard: manifest.scorecard, ..there };
            files::write_json(&self.folder(&id)?.join(MANIFEST), &judged)?;
            return Ok(id);
        }
        let mut state = self.state(&manifest.name)?;
        let highest = self.versions(&manifest.name)?.into_iter().max().unwrap_or(0);
        manifest.version = highest.max(state.highest) + 1;
        let id = AdapterId::new(&manifest.name, manifest.version)?;
        let part = tempfile::Builder::new().prefix(".part-").tempdir_in(&home)?;
        let content = part.path().join("content");
        fs_err::create_dir(&content)?;
        for file in [CONFIG, WEIGHTS] {
            copy(&dir.join(file), &content.join(file))?;
        }
        for file in EXTRAS.into_iter().filter(|file| dir.join(file).is_file()) {
            copy(&dir.join(file), &content.join(file))?;
        }
        if dir.join(CARD).is_file() {
            copy(&dir.join(CARD), &content.join(CARD))?;
        } else {
            fs_err::write(content.join(CARD), card(&id, &manifest))?;
        }
        manifest.files = extras::hashes(&content)?;
        files::write_json(&content.join(MANIFEST), &manifest)?;
        // The number is taken first: a crash here leaves a gap, not a number given twice.
        state.highest = manifest.version;
        files::write_json(&home.join(STATE), &state)?;
        fs_err::rename(&content, home.join(manifest.version.to_string()))?;
        files::sync_dir(&home)?;
        Ok(id)
    }

    /// The version that was made of the same weights by the same run; versions that cannot be read are none.
    fn published(&self, manifest: &Manifest) -> Result<Option<(AdapterId, Manifest)>, AdapterError> {
        if manifest.run.is_none() {
            return Ok(None);
        }
        for version in versions_in(&self.own.join(&manifest.name))? {
            let id = AdapterId::new(&manifest.name, version)?;
            let Ok(found) = self.manifest(&id) else { continue };
            if (&found.run, &found.weights_hash) == (&manifest.run, &manifest.weights_hash) {
                return Ok(Some((id, found)));
            }
        }
        Ok(None)
    }

    /// Has a version serve: all conversations, or a share on trial. It is checked whole first.
    ///
    /// # Errors
    /// [`AdapterError::Trial`] for a tool; anything [`check::check`] finds; [`AdapterError::Gate`] unless forced.
    pub fn promote(&self, wish: &Promotion, base: Option<&Base>) -> Result<State, AdapterError> {
        if let Some(chat) = &self.chat {
            wish.check_trial(chat)?;
        }
        let bundle = self.check(&wish.id, base)?;
        let reasons = objections(&bundle.manifest);
        let forced = !reasons.is_empty();
        if forced && wish.force == Force::No {
            return Err(AdapterError::Gate { id: wish.id.clone(), reasons });
        }
        let state = self.change(wish.id.name(), |state| state.promote(wish, forced))?;
        if forced && !self.is_shipped(&wish.id) {
            self.amend(&wish.id, |manifest| manifest.forced_by = Some(wish.by.clone()))?;
        }
        Ok(state)
    }

    /// Takes a candidate off trial; without one, brings back what served before.
    pub fn roll_back(&self, name: &str, by: &str, at: u64) -> Result<State, AdapterError> {
        if self.versions(name)?.is_empty() {
            return Err(self.missing(name));
        }
        self.change(name, |state| state.roll_back(name, by, at))
    }

    /// `version` could not be loaded under `revision`: takes it back, unless somebody has decided anew since.
    pub(super) fn revert(&self, id: &AdapterId, revision: u64, fault: &str) -> Result<State, AdapterError> {
        self.change(id.name(), |state| {
            if state.revision == revision {
                state.revert(id.version(), fault.to_owned());
            }
            Ok(())
        })
    }

    /// Removes a version that serves nobody.
    pub fn remove(&self, id: &AdapterId) -> Result<(), AdapterError> {
        let folder = self.folder(id)?;
        if self.is_shipped(id) {
            return Err(AdapterError::Shipped(id.clone()));
        }
        self.change(id.name(), |state| {
            if state.serves(id.version()) {
                return Err(AdapterError::InUse(id.clone()));
            }
            state.forget(id.version());
            state.highest = state.highest.max(id.version());
            Ok(())
        })?;
        Ok(fs_err::remove_dir_all(folder)?)
    }

    /// Notes that shoppers whose words went into `id` have been erased since.
    pub fn taint(&self, id: &AdapterId) -> Result<(), AdapterError> {
        self.amend(id, |manifest| manifest.tainted = true)
    }

    fn amend(&self, id: &AdapterId, change: impl FnOnce(&mut Manifest)) -> Result<(), AdapterError> {
        let _lock = self.lock(id.name())?;
        let folder = self.folder(id)?;
        let mut manifest = check::manifest(&folder, id)?;
        change(&mut manifest);
        Ok(files::write_json(&folder.join(MANIFEST), &manifest)?)
    }

    fn change(
        &self,
        name: &str,
        change: impl FnOnce(&mut State) -> Result<(), AdapterError>,
    ) -> Result<State, AdapterError> {
        fs_err::create_dir_all(self.own.join(name))?;
        let _lock = self.lock(name)?;
        let mut state = self.state(name)?;
        change(&mut state)?;
        files::write_json(&self.own.join(name).join(STATE), &state)?;
        Ok(state)
    }

    fn lock(&self, name: &str) -> Result<Lock, AdapterError> {
        Ok(Lock::wait(&self.own.join(name).join(".lock"))?)
    }

    /// The right to be the one server on these adapters; `None` if another process is.
    pub(super) fn serve(&self) -> Result<Option<Lock>, AdapterError> {
        fs_err::create_dir_all(&self.own)?;
        Ok(Lock::try_take(&self.own.join(SERVER_LOCK))?)
    }

    /// Which revision of `name` the running server has taken notice of; `None` if no server runs.
    pub fn noticed(&self, name: &str) -> Result<Option<u64>, AdapterError> {
        if !self.own.join(SERVER_LOCK).exists() || Lock::try_take(&self.own.join(SERVER_LOCK))?.is_some() {
            return Ok(None);
        }
        let noticed: Option<std::collections::BTreeMap<String, u64>> =
            files::read_json(&self.own.join(SERVER))?;
        Ok(Some(noticed.and_then(|map| map.get(name).copied()).unwrap_or(0)))
    }

    pub(super) fn tell_noticed(&self, map: &std::collections::BTreeMap<String, u64>) -> std::io::Result<()> {
        fs_err::create_dir_all(&self.own)?;
        files::write_json(&self.own.join(SERVER), map)
    }

    fn is_shipped(&self, id: &AdapterId) -> bool {
        !self.own.join(id.name()).join(id.version().to_string()).is_dir()
    }

    fn places(&self) -> impl Iterator<Item = &PathBuf> {
        std::iter::once(&self.own).chain(&self.shipped)
    }

    fn missing(&self, id: &str) -> AdapterError {
        AdapterError::Missing { id: id.to_owned(), places: self.places().cloned().collect() }
    }
}

/// Names in a folder; none if it is not there.
fn entries(dir: &Path) -> Result<Vec<String>, AdapterError> {
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    Ok(fs_err::read_dir(dir)?.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect())
}

fn versions_in(dir: &Path) -> Result<Vec<u32>, AdapterError> {
    let numbers = entries(dir)?.into_iter().filter_map(|name| {
        let version: u32 = name.parse().ok()?;
        // `07` and `+7` are no names that we give.
        (version > 0 && version.to_string() == name).then_some(version)
    });
    Ok(numbers.collect())
}

fn copy(from: &Path, to: &Path) -> Result<(), AdapterError> {
    fs_err::copy(from, to)?;
    Ok(fs_err::File::open(to)?.sync_all()?)
}

fn card(id: &AdapterId, manifest: &Manifest) -> String {
    format!(
        "# {id}\n\nA LoRA adapter (PEFT) for `{}`, SHA-256 of its weights `{}`.\n\
         Where it comes from and how it was judged is in `{MANIFEST}`.\n",
        manifest.base, manifest.base_fingerprint
    )
}
