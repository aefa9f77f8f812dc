//! A file of items through a tool: constant memory, in order, and a killed run goes on where it was.
//!
//! Answers are appended to `OUTPUT.partial`, one line each; the finished file is renamed. `OUTPUT.partial.json` says what the
//! partial file was begun with ([`Origin`]): it is only gone on with by the same, and by one process at a time, which holds its lock.

mod origin;

use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Take, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use fs_err::{File, OpenOptions};
use rustix::fs::FlockOperation;
use serde::Serialize;

pub use origin::Doer;
use origin::Origin;

/// The longest line of the input.
const LINE: u64 = 1024 * 1024;
/// Lines between two writes to the disk.
const SYNC: usize = 64;
/// Endings of what stands beside the output until it is finished.
const PARTIAL: &str = "partial";
const LABEL: &str = "partial.json";

#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("{}: exists already; move it away or name another --output", .0.display())]
    Exists(PathBuf),
    #[error("{}: was begun {why}; delete it to start afresh", .partial.display())]
    Other { partial: PathBuf, why: String },
    #[error("{}: is no file but a pipe, a folder or a device, and the input is read more than once; write it to a file first", .0.display())]
    NoFile(PathBuf),
    #[error("{}: became shorter while it was read; delete {} and start afresh", .input.display(), .partial.display())]
    Changed { input: PathBuf, partial: PathBuf },
    #[error("{}: is being made by another process; wait for it, stop it, or name another --output", .0.display())]
    Busy(PathBuf),
}

/// How far a batch is, in bytes of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Those that are not empty.
    pub lines: usize,
    pub bytes: u64,
    pub of: u64,
}

/// A batch in the making.
pub struct Batch {
    /// As long as it was when it was opened: what somebody adds meanwhile is not of this batch.
    input: BufReader<Take<File>>,
    /// How many lines of it were read, empty ones too.
    line: usize,
    /// Locked as long as it is open.
    output: File,
    finished: PathBuf,
    progress: Progress,
    unsynced: usize,
}

/// What opening a batch leads to.
pub enum Opened {
    Begun(Batch),
    /// It was finished before, but for the tidying up after it.
    Finished,
}

/// One line of the input: its number in the file, from 1, and its text or why it cannot be read.
pub(super) type Line = (usize, Result<String, String>);

impl Batch {
    /// Whether [`Batch::open`] would find its files, without reading them.
    ///
    /// # Errors
    /// An input that is not there or no file, an output that is and was not just finished.
    pub fn check(input: &Path, output: &Path) -> Result<(), BatchError> {
        // Opening a pipe may wait for ever, or take away what somebody writes into it.
        if !fs_err::metadata(input)?.is_file() {
            return Err(BatchError::NoFile(input.to_owned()));
        }
        File::open(input)?;
        match output.exists() && !beside(output, LABEL).exists() {
            true => Err(BatchError::Exists(output.to_owned())),
            false => Ok(()),
        }
    }

    /// Opens a batch, or goes on with the one that was begun, if it was with the same input, tool, options and model.
    pub fn open(input: &Path, output: &Path, doer: Doer) -> Result<Opened, BatchError> {
        Self::check(input, output)?;
        let origin = Origin::of(input, doer)?;
        if output.exists() {
            if Origin::read(&beside(output, LABEL)).as_ref() != Some(&origin) {
                return Err(BatchError::Exists(output.to_owned()));
            }
            tidy(output)?;
            return Ok(Opened::Finished);
        }
        let mut file = locked(output)?;
        expect(&file, output, &origin)?;
        let done = keep_whole_lines(&mut file)?;
        let mut batch = Self {
            input: BufReader::new(File::open(input)?.take(origin.input_bytes)),
            line: 0,
            output: file,
            finished: output.to_owned(),
            progress: Progress { lines: 0, bytes: 0, of: origin.input_bytes },
            unsynced: 0,
        };
        while batch.progress.lines < done && batch.next_line()?.is_some() {}
        Ok(Opened::Begun(batch))
    }

    /// Calls `each` with every answer that is written by now, in order.
    pub fn answers(&self, each: &mut dyn FnMut(&str)) -> Result<(), BatchError> {
        for line in BufReader::new(File::open(beside(&self.finished, PARTIAL))?).lines() {
            each(&line?);
        }
        Ok(())
    }

    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// The next line of the input that is not empty, with its number in the file; exactly one answer must be written for each.
    pub fn next_line(&mut self) -> Result<Option<Line>, BatchError> {
        loop {
            let mut line = Vec::new();
            let read = (&mut self.input).take(LINE + 1).read_until(b'\n', &mut line)?;
            if read == 0 {
                return Ok(None);
            }
            self.progress.bytes += read as u64;
            self.line += 1;
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
            return Ok(Some((self.line, text)));
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

    /// Appends the answer to the newest line: one line.
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

    fn is_whole(&self) -> Result<(), BatchError> {
        if self.progress.bytes == self.progress.of {
            return Ok(());
        }
        let (input, partial) =
            (self.input.get_ref().get_ref().path().to_owned(), beside(&self.finished, PARTIAL));
        Err(BatchError::Changed { input, partial })
    }

    /// Gives the output its name.
    ///
    /// # Errors
    /// An input that was cut meanwhile.
    pub fn finish(self) -> Result<Progress, BatchError> {
        self.is_whole()?;
        self.output.sync_all()?;
        fs_err::rename(beside(&self.finished, PARTIAL), &self.finished)?;
        tidy(&self.finished)?;
        Ok(self.progress)
    }

    /// Has `make` write something else of the answers, which are in the file it is given: the output, whole or not at all. Made
    /// again after a kill, it has to become the same.
    pub fn finish_as<E: From<BatchError>>(
        self,
        make: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<Progress, E> {
        self.is_whole()?;
        self.output.sync_all().map_err(BatchError::from)?;
        make(&beside(&self.finished, PARTIAL))?;
        tidy(&self.finished)?;
        Ok(self.progress)
    }
}

/// The partial file, made if it is not there, for this process alone.
fn locked(output: &Path) -> Result<File, BatchError> {
    let partial = beside(output, PARTIAL);
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&partial)?;
    match rustix::fs::flock(file.file(), FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => return Err(BatchError::Busy(output.to_owned())),
        Err(fault) => return Err(std::io::Error::from(fault).into()),
    }
    // Whoever had it may have finished in between: then this file has another name now, or none.
    let own = file.metadata()?;
    let same = |now: std::fs::Metadata| (now.dev(), now.ino()) == (own.dev(), own.ino());
    if !fs_err::metadata(&partial).is_ok_and(same) {
        return Err(BatchError::Busy(output.to_owned()));
    }
    if output.exists() {
        fs_err::remove_file(&partial)?;
        return Err(BatchError::Exists(output.to_owned()));
    }
    Ok(file)
}

/// Refuses a partial file that was begun with something else; one without an answer is begun now. The lock is held.
fn expect(file: &File, output: &Path, origin: &Origin) -> Result<(), BatchError> {
    let (partial, label) = (beside(output, PARTIAL), beside(output, LABEL));
    if file.metadata()?.len() == 0 || !label.exists() {
        fs_err::write(&label, serde_json::to_vec(origin).map_err(std::io::Error::other)?)?;
        return Ok(file.file().set_len(0)?);
    }
    let why = match Origin::read(&label) {
        Some(known) => origin.differs_from(&known),
        None => Some("by another version of this program".to_owned()),
    };
    match why {
        Some(why) => Err(BatchError::Other { partial, why }),
        None => Ok(()),
    }
}

/// Removes what stands beside a finished output. The label goes last: without it nobody would know that the output is finished.
fn tidy(output: &Path) -> Result<(), BatchError> {
    let folder = output.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()?;
    for ending in [PARTIAL, LABEL] {
        match fs_err::remove_file(beside(output, ending)) {
            Err(fault) if fault.kind() != std::io::ErrorKind::NotFound => return Err(fault.into()),
            _ => {}
        }
    }
    Ok(())
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
mod tests;
