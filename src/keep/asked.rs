//! A backup asked for by `shopclerk data backup` while a server holds the store: a file asks, the server answers with another.

use std::path::{Path, PathBuf};
use std::time::Duration;

use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::backup::Contents;
use super::{Keep, KeepError};
use crate::staff::Entry;

/// How often the server looks.
const LOOK: Duration = Duration::from_secs(1);

#[derive(Debug, Serialize, Deserialize)]
struct Question {
    id: String,
    to: PathBuf,
}

/// What became of it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    Made(Contents),
    Failed(String),
}

fn question(folder: &Path) -> PathBuf {
    folder.join(".backup-asked")
}

fn answer(folder: &Path, id: &str) -> PathBuf {
    folder.join(format!(".backup-{id}"))
}

/// Asks the server whose staff folder this is for a backup to `to`, and waits as long as `patience` for it.
///
/// # Errors
/// Nobody answers, or it did not work.
pub async fn ask(folder: &Path, to: &Path, patience: Duration) -> Result<Contents, KeepError> {
    let id = uuid::Uuid::new_v4().simple().to_string();
    let asked = Question { id: id.clone(), to: to.to_owned() };
    put(&question(folder), &asked)?;
    let mine = answer(folder, &id);
    let waiting = async {
        loop {
            if let Ok(text) = fs::read(&mine)
                && let Ok(answer) = serde_json::from_slice::<Answer>(&text)
            {
                let _ = fs::remove_file(&mine);
                return answer;
            }
            tokio::time::sleep(LOOK / 10).await;
        }
    };
    match tokio::time::timeout(patience, waiting).await {
        Ok(Answer::Made(contents)) => Ok(contents),
        Ok(Answer::Failed(why)) => Err(KeepError::Asked(why)),
        Err(_) => {
            let _ = fs::remove_file(question(folder));
            Err(KeepError::Asked("the running server did not answer in time; its log says why".to_owned()))
        }
    }
}

/// Appears whole or not at all.
fn put(path: &Path, what: &impl Serialize) -> Result<(), KeepError> {
    let io = |fault: std::io::Error| KeepError::Io { place: path.to_owned(), fault: fault.to_string() };
    let text = serde_json::to_vec(what).map_err(|fault| io(fault.into()))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let file = tempfile::NamedTempFile::new_in(folder).map_err(io)?;
    fs::write(file.path(), text).map_err(io)?;
    file.persist(path).map(drop).map_err(|fault| io(fault.error))
}

impl Keep {
    /// Makes the backups that the command line asks for, as long as it is polled. `folder` is the staff's.
    pub async fn answer_backups(self, folder: PathBuf) {
        loop {
            tokio::time::sleep(LOOK).await;
            let Ok(text) = fs::read(question(&folder)) else { continue };
            let _ = fs::remove_file(question(&folder));
            let Ok(Question { id, to }) = serde_json::from_slice(&text) else { continue };
            let made = match self.backup(to).await {
                Ok(contents) => {
                    let words = format!("{} conversations", contents.conversations);
                    let noted =
                        self.0.parts.staff.audit.note(Entry::new("cli", "backup_made").detail(&words));
                    match noted {
                        Ok(()) => Answer::Made(contents),
                        Err(fault) => Answer::Failed(fault.to_string()),
                    }
                }
                Err(fault) => Answer::Failed(fault.to_string()),
            };
            if let Err(fault) = put(&answer(&folder, &id), &made) {
                tracing::error!(code = fault.code(), %fault, "what became of a backup could not be told");
            }
        }
    }
}
