//! A file of items through a tool: constant memory, in order, and a killed run goes on where it was.
//!
//! Answers are appended to `OUTPUT.partial`, one line each; the finished file is renamed. `OUTPUT.partial.json` says which
//! input and which tool the partial file belongs to.

use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use fs_err::{File, OpenOptions};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The longest line of the input.
const LINE: u64 = 1024 * 1024;
/// Of the input, this much decides whether it is the same one.
const HEAD: u64 = 1024 * 1024;
/// Lines between two writes to the disk.
const SYNC: usize = 64;

#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("{}: exists already; move it away or name another --output", .0.display())]
    Exists(PathBuf),
    #[error("{}: was begun with another input or other options; delete it to start afresh", .0.display())]
    Other(PathBuf),
}

/// How far a batch is, in bytes of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub lines: usize,
    pub bytes: u64,
    pub of: u64,
}

/// A batch in the making.
pub struct Batch {
    input: BufReader<File>,
    output: File,
    partial: PathBuf,
    finished: PathBuf,
    progress: Progress,
    unsynced: usize,
}

/// What a partial file belongs to.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Origin {
    /// The tool and its options.
    tool: String,
    input_bytes: u64,
    input_head: String,
}

/// One line of the input: its number from 1, and its text or why it cannot be read.
pub(super) type Line = (usize, Result<String, String>);

impl Batch {
    /// Opens a batch, or goes on with the one that was begun. `tool` names the tool and its options.
    pub fn open(input: &Path, output: &Path, tool: &str) -> Result<Self, BatchError> {
        if output.exists() {
            return Err(BatchError::Exists(output.to_owned()));
        }
        let origin = Origin::of(input, tool)?;
        let partial = beside(output, "partial");
        let label = beside(output, "partial.json");
        let begun = partial.exists() && label.exists();
        if begun {
            let found: Option<Origin> = serde_json::from_slice(&fs_err::read(&label)?).ok();
            if found.as_ref() != Some(&origin) {
                return Err(BatchError::Other(partial));
            }
        } else {
            fs_err::write(&label, serde_json::to_vec(&origin).map_err(std::io::Error::other)?)?;
            File::create(&partial)?;
        }
        let mut file = OpenOptions::new().read(true).write(true).open(&partial)?;
        let done = keep_whole_lines(&mut file)?;
        let mut batch = Self {
            input: BufReader::new(File::open(input)?),
            output: file,
            partial,
            finished: output.to_owned(),
            progress: Progress { lines: 0, bytes: 0, of: origin.input_bytes },
            unsynced: 0,
        };
        while batch.progress.lines < done && batch.next_line()?.is_some() {}
        Ok(batch)
    }

    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// The next line of the input that is not empty; exactly one answer must be written for each.
    pub fn next_line(&mut self) -> Result<Option<Line>, BatchError> {
        loop {
            let mut line = Vec::new();
            let read = (&mut self.input).take(LINE + 1).read_until(b'\n', &mut line)?;
            if read == 0 {
                return Ok(None);
            }
            self.progress.bytes += read as u64;
            let too_long = read as u64 > LINE && !line.ends_with(b"\n");
            if too_long {
                self.skip_line()?;
            } else if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            self.progress.lines += 1;
            let text = match String::from_utf8(line) {
                _ if too_long => Err(format!("longer than {LINE} bytes")),
                Ok(text) => Ok(text.trim_start_matches('\u{feff}').trim().to_owned()),
                Err(_) => Err("not UTF-8".to_owned()),
            };
            return Ok(Some((self.progress.lines, text)));
        }
    }

    /// Reads over the rest of a line without keeping it.
    fn skip_line(&mut self) -> Result<(), BatchError> {
        loop {
            let buffer = self.input.fill_buf()?;
            let (used, ended) = match buffer.iter().position(|b| *b == b'\n') {
                Some(at) => (at + 1, true),
                None => (buffer.len(), buffer.is_empty()),
            };
            self.input.consume(used);
            self.progress.bytes += used as u64;
            if ended {
                return Ok(());
            }
        }
    }

    /// Appends the answer to the newest line.
    pub fn write(&mut self, answer: &impl Serialize) -> Result<(), BatchError> {
        let mut line = serde_json::to_vec(answer).map_err(std::io::Error::other)?;
        line.push(b'\n');
        // One write: a killed process leaves a whole line or a piece that is cut off at the next start.
        self.output.write_all(&line)?;
        self.unsynced += 1;
        if self.unsynced >= SYNC {
            self.output.sync_data()?;
            self.unsynced = 0;
        }
        Ok(())
    }

    /// Gives the output its name.
    pub fn finish(self) -> Result<Progress, BatchError> {
        self.output.sync_all()?;
        fs_err::rename(&self.partial, &self.finished)?;
        fs_err::remove_file(beside(&self.finished, "partial.json"))?;
        Ok(self.progress)
    }
}

impl Origin {
    fn of(input: &Path, tool: &str) -> Result<Self, BatchError> {
        let file = File::open(input)?;
        let input_bytes = file.metadata()?.len();
        let mut head = Vec::new();
        file.take(HEAD).read_to_end(&mut head)?;
        Ok(Self { tool: tool.to_owned(), input_bytes, input_head: hex::encode(Sha256::digest(&head)) })
    }
}

/// Cuts off a last line that was not written to its end; returns how many are left.
fn keep_whole_lines(file: &mut File) -> Result<usize, BatchError> {
    let (mut lines, mut whole) = (0, 0);
    let mut reader = BufReader::new(&mut *file);
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            break;
        }
        let used = buffer.iter().position(|b| *b == b'\n').map_or(buffer.len(), |at| at + 1);
        let ended = buffer[used - 1] == b'\n';
        reader.consume(used);
        whole += used as u64;
        if ended {
            lines += 1;
        } else if reader.fill_buf()?.is_empty() {
            whole -= tail_length(&mut reader, whole)?;
            break;
        }
    }
    drop(reader);
    file.file().set_len(whole)?;
    file.seek(SeekFrom::Start(whole))?;
    Ok(lines)
}

/// Bytes after the last line break before `end`.
fn tail_length(reader: &mut BufReader<&mut File>, end: u64) -> Result<u64, BatchError> {
    let mut at = end;
    let mut byte = [0];
    while at > 0 {
        reader.seek(SeekFrom::Start(at - 1))?;
        reader.read_exact(&mut byte)?;
        if byte[0] == b'\n' {
            break;
        }
        at -= 1;
    }
    Ok(end - at)
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(ending);
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Answer {
        line: usize,
    }

    /// Answers `most` lines and is then dropped, as a killed process would be.
    fn some(input: &Path, output: &Path, most: usize) -> bool {
        let mut batch = Batch::open(input, output, "test").expect("opens");
        for _ in 0..most {
            let Some((line, _)) = batch.next_line().expect("reads") else {
                batch.finish().expect("finishes");
                return true;
            };
            batch.write(&Answer { line }).expect("writes");
        }
        false
    }

    #[test]
    fn a_batch_goes_on_where_it_was_killed() {
        let dir = tempfile::tempdir().expect("a folder");
        let (input, output) = (dir.path().join("in.jsonl"), dir.path().join("out.jsonl"));
        let lines: String = (0..100).map(|n| format!("{{\"text\":\"t{n}\"}}\n\n")).collect();
        fs_err::write(&input, lines).expect("writes");
        let mut rounds = 0;
        while !some(&input, &output, 7) {
            rounds += 1;
            // Half a line, as a kill in the middle of a write leaves it.
            let mut partial =
                OpenOptions::new().append(true).open(beside(&output, "partial")).expect("opens");
            partial.write_all(b"{\"line\":").expect("writes");
        }
        let expected: String = (1..=100).map(|line| format!("{{\"line\":{line}}}\n")).collect();
        assert_eq!(fs_err::read_to_string(&output).expect("reads"), expected);
        assert_eq!(rounds, 14);
        assert!(!beside(&output, "partial.json").exists());
    }

    #[test]
    fn a_changed_input_is_not_mixed_in() {
        let dir = tempfile::tempdir().expect("a folder");
        let (input, output) = (dir.path().join("in.jsonl"), dir.path().join("out.jsonl"));
        fs_err::write(&input, "{}\n{}\n").expect("writes");
        assert!(!some(&input, &output, 1));
        fs_err::write(&input, "{}\n{\"text\":1}\n").expect("writes");
        assert!(matches!(Batch::open(&input, &output, "test"), Err(BatchError::Other(_))));
        assert!(matches!(Batch::open(&input, &input, "test"), Err(BatchError::Exists(_))));
    }

    #[test]
    fn bad_lines_are_counted_not_fatal() {
        let dir = tempfile::tempdir().expect("a folder");
        let (input, output) = (dir.path().join("in.jsonl"), dir.path().join("out.jsonl"));
        let mut bytes = vec![b'x'; LINE as usize + 10];
        bytes.extend(b"\n\xff\xfe\nlast");
        fs_err::write(&input, bytes).expect("writes");
        let mut batch = Batch::open(&input, &output, "test").expect("opens");
        let mut seen = Vec::new();
        while let Some((_, text)) = batch.next_line().expect("reads") {
            seen.push(text);
        }
        assert_eq!(
            seen,
            [Err("longer than 1048576 bytes".to_owned()), Err("not UTF-8".to_owned()), Ok("last".to_owned())]
        );
    }
}
