//! What has still to be delivered: a log of lines, replayed at the start, written anew when most of it is old.
//!
//! A line names an event by conversation and number; what it says is read from the store when it is sent, so that nothing of a
//! shopper lies here. New deliveries and the mark of the newest event seen are synced together; that one was delivered need not
//! be: at worst it is delivered again, under the same id.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::{HooksError, Kind};
use crate::clock::Millis;
use crate::domain::{ConvId, Seq};

/// Deliveries that were given up and are still shown, for each endpoint.
const DEAD: usize = 100;
/// Lines beyond those in force before the file is written anew.
const SLACK: usize = 2_000;

/// One delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Delivery {
    /// `CONVERSATION.SEQ.KIND.ENDPOINT` by which a receiver tells a repeat.
    pub(super) id: String,
    pub(super) hook: String,
    pub(super) kind: Kind,
    pub(super) conv: ConvId,
    pub(super) seq: Seq,
    /// Of the event.
    pub(super) at: Millis,
    #[serde(default)]
    pub(super) tries: u32,
    /// Not before.
    #[serde(default)]
    pub(super) due: Millis,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) error: String,
    /// Given up.
    #[serde(default)]
    pub(super) dead: bool,
}

/// A delivery that was given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Dead {
    pub id: String,
    pub event: Kind,
    #[schema(value_type = String, format = "uuid")]
    pub conversation: ConvId,
    pub at: Millis,
    pub tries: u32,
    pub error: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    /// A delivery, new or as it is now.
    Put(Delivery),
    Done(String),
    /// Of the newest event that was seen, and the deliveries of that moment, for they may be done already.
    Mark(Millis, Vec<String>),
}

pub(super) struct Queue {
    path: PathBuf,
    file: fs::File,
    lines: usize,
    /// Deliveries that may wait for one endpoint: one that is down must not use up the others' room.
    limit: usize,
    all: BTreeMap<String, Delivery>,
    /// How many wait for each endpoint.
    waiting: HashMap<String, usize>,
    /// Those that wait, by when they are due.
    due: BTreeSet<(Millis, String)>,
    /// At an endpoint just now.
    out: HashSet<String>,
    mark: Option<Millis>,
    /// Ids of the moment of the mark.
    seen: HashSet<String>,
    dropped: u64,
}

impl Queue {
    pub(super) fn open(path: &Path, limit: usize) -> Result<Self, HooksError> {
        let io = |fault: std::io::Error| HooksError::io(path, &fault);
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(io)?;
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(fault) => return Err(io(fault)),
        };
        let mut queue = Self {
            path: path.to_owned(),
            file: append(path).map_err(io)?,
            lines: 0,
            limit,
            all: BTreeMap::new(),
            waiting: HashMap::new(),
            due: BTreeSet::new(),
            out: HashSet::new(),
            mark: None,
            seen: HashSet::new(),
            dropped: 0,
        };
        // The last line may have been cut; it was never relied on.
        for line in text.lines().filter_map(|line| serde_json::from_str(line).ok()) {
            queue.replay(line);
        }
        queue.rewrite()?;
        Ok(queue)
    }

    fn replay(&mut self, line: Line) {
        match line {
            Line::Put(delivery) => self.keep(delivery),
            Line::Done(id) => self.drop_one(&id),
            Line::Mark(at, ids) => self.marked(at, ids),
        }
    }

    /// The moment of the newest event that was seen.
    pub(super) fn mark(&self) -> Option<Millis> {
        self.mark
    }

    pub(super) fn waiting(&self, hook: &str) -> usize {
        self.waiting.get(hook).copied().unwrap_or(0)
    }

    /// The newest first.
    pub(super) fn dead(&self, hook: &str) -> Vec<Dead> {
        let mut dead: Vec<&Delivery> = self.all.values().filter(|one| one.hook == hook && one.dead).collect();
        dead.sort_by_key(|one| std::cmp::Reverse(one.at));
        let shown = |one: &&Delivery| Dead {
            id: one.id.clone(),
            event: one.kind,
            conversation: one.conv,
            at: one.at,
            tries: one.tries,
            error: one.error.clone(),
        };
        dead.iter().map(shown).collect()
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Takes in deliveries of events up to `mark`; those that were seen before change nothing. On the disk when this returns.
    pub(super) fn add(&mut self, deliveries: Vec<Delivery>, mark: Millis) -> Result<(), HooksError> {
        let mut lines = Vec::new();
        let mut ids = Vec::new();
        for delivery in deliveries {
            if self.all.contains_key(&delivery.id) || self.seen.contains(&delivery.id) {
                continue;
            }
            if delivery.at == mark {
                ids.push(delivery.id.clone());
            }
            if self.waiting(&delivery.hook) >= self.limit {
                self.dropped += 1;
                continue;
            }
            self.keep(delivery.clone());
            lines.push(Line::Put(delivery));
        }
        let mark = self.mark.map_or(mark, |known| known.max(mark));
        self.marked(mark, ids.clone());
        lines.push(Line::Mark(mark, ids));
        self.write(&lines)?;
        let sync = self.file.sync_data();
        sync.map_err(|fault| HooksError::io(&self.path, &fault))
    }

    /// The next delivery whose time has come, unless its endpoint has one already; or when to look again.
    pub(super) fn take(&mut self, now: Millis) -> Result<Delivery, Option<Millis>> {
        let busy: HashSet<&str> =
            self.out.iter().filter_map(|id| self.all.get(id)).map(|one| one.hook.as_str()).collect();
        let free = |id: &String| self.all.get(id).is_some_and(|one| !busy.contains(one.hook.as_str()));
        let next = self.due.iter().find(|(_, id)| free(id)).cloned();
        match next {
            Some((due, id)) if due <= now => {
                self.due.remove(&(due, id.clone()));
                self.out.insert(id.clone());
                Ok(self.all[&id].clone())
            }
            Some((due, _)) => Err(Some(due)),
            None => Err(None),
        }
    }

    /// It was delivered, or there is nothing to deliver any more.
    pub(super) fn done(&mut self, id: &str) -> Result<(), HooksError> {
        self.drop_one(id);
        self.write(&[Line::Done(id.to_owned())])
    }

    /// It failed: tried again at `due`, or given up if that is none.
    pub(super) fn failed(&mut self, id: &str, error: &str, due: Option<Millis>) -> Result<(), HooksError> {
        let Some(one) = self.all.get(id) else { return Ok(()) };
        let mut one = Delivery { tries: one.tries + 1, error: error.to_owned(), ..one.clone() };
        match due {
            Some(due) => one.due = due,
            None => one.dead = true,
        }
        self.drop_one(id);
        self.keep(one.clone());
        let mut lines = vec![Line::Put(one.clone())];
        // The oldest of too many dead ones go.
        for old in self.dead(&one.hook).into_iter().skip(DEAD) {
            self.drop_one(&old.id);
            lines.push(Line::Done(old.id));
        }
        self.write(&lines)
    }

    /// Puts it back untouched: its endpoint is not asked just now.
    pub(super) fn later(&mut self, id: &str, due: Millis) {
        self.out.remove(id);
        if let Some(one) = self.all.get_mut(id) {
            one.due = due;
            self.due.insert((due, id.to_owned()));
        }
    }

    /// Tries what was given up once more; returns how many.
    pub(super) fn revive(&mut self, hook: &str, now: Millis) -> Result<usize, HooksError> {
        let dead: Vec<Delivery> =
            self.all.values().filter(|one| one.hook == hook && one.dead).cloned().collect();
        let count = dead.len();
        let revived: Vec<Delivery> =
            dead.into_iter().map(|one| Delivery { dead: false, tries: 0, due: now, ..one }).collect();
        revived.iter().for_each(|one| self.keep(one.clone()));
        self.write(&revived.into_iter().map(Line::Put).collect::<Vec<_>>())?;
        Ok(count)
    }

    /// Everything for an endpoint that is no more.
    pub(super) fn forget(&mut self, hook: &str) -> Result<(), HooksError> {
        let ids: Vec<String> =
            self.all.values().filter(|one| one.hook == hook).map(|one| one.id.clone()).collect();
        ids.iter().for_each(|id| self.drop_one(id));
        self.write(&ids.into_iter().map(Line::Done).collect::<Vec<_>>())
    }

    fn keep(&mut self, delivery: Delivery) {
        self.drop_one(&delivery.id);
        if !delivery.dead {
            self.due.insert((delivery.due, delivery.id.clone()));
            *self.waiting.entry(delivery.hook.clone()).or_default() += 1;
        }
        self.all.insert(delivery.id.clone(), delivery);
    }

    fn drop_one(&mut self, id: &str) {
        self.out.remove(id);
        let Some(gone) = self.all.remove(id) else { return };
        self.due.remove(&(gone.due, gone.id));
        if !gone.dead
            && let Some(count) = self.waiting.get_mut(&gone.hook)
        {
            *count -= 1;
            if *count == 0 {
                self.waiting.remove(&gone.hook);
            }
        }
    }

    fn marked(&mut self, at: Millis, ids: Vec<String>) {
        if self.mark != Some(at) {
            self.seen.clear();
        }
        self.mark = Some(at);
        self.seen.extend(ids);
    }

    fn write(&mut self, lines: &[Line]) -> Result<(), HooksError> {
        let mut text = Vec::new();
        for line in lines {
            serde_json::to_writer(&mut text, line).expect("lines become JSON. This is a bug.");
            text.push(b'\n');
        }
        self.lines += lines.len();
        self.file.write_all(&text).map_err(|fault| HooksError::io(&self.path, &fault))?;
        if self.lines > self.all.len() + SLACK { self.rewrite() } else { Ok(()) }
    }

    /// The file holds what is in force, and nothing else.
    fn rewrite(&mut self) -> Result<(), HooksError> {
        let mut lines: Vec<Line> = self.all.values().cloned().map(Line::Put).collect();
        if let Some(at) = self.mark {
            lines.push(Line::Mark(at, self.seen.iter().cloned().collect()));
        }
        let mut text = Vec::new();
        for line in &lines {
            serde_json::to_writer(&mut text, line).expect("lines become JSON. This is a bug.");
            text.push(b'\n');
        }
        let replace = || {
            let folder = self.path.parent().unwrap_or(Path::new("."));
            let mut beside = tempfile::NamedTempFile::new_in(folder)?;
            beside.write_all(&text)?;
            beside.as_file().sync_all()?;
            beside.persist(&self.path).map_err(|fault| fault.error)?;
            fs::File::open(folder)?.sync_all()?;
            append(&self.path)
        };
        self.file = replace().map_err(|fault| HooksError::io(&self.path, &fault))?;
        self.lines = lines.len();
        Ok(())
    }
}

fn append(path: &Path) -> std::io::Result<fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true).mode(0o600);
    fs::OpenOptions::from_options(options).open(path)
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
