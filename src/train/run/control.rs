//! The file `control`: how a server, or a person, tells a running trainer to pause, go on or give up.

use std::path::PathBuf;
use std::time::Duration;

use crate::domain::run::Control;
use crate::train::files;

/// Asked before every step.
pub trait Steering {
    fn word(&mut self) -> Control;
    /// Waits a little while the word is `pause`.
    fn wait(&mut self);
}

/// Reads the word from a file.
#[derive(Clone, Debug)]
pub struct ControlFile(pub PathBuf);

impl ControlFile {
    /// Takes back what was said to an earlier start: a run that was cancelled would end again before its first step.
    ///
    /// # Errors
    /// What the file system says.
    pub fn go_on(&self) -> std::io::Result<()> {
        files::write(&self.0, b"go\n")
    }
}

impl Steering for ControlFile {
    /// `go` if there is no file, or nothing in it that is a word.
    fn word(&mut self) -> Control {
        let text = fs_err::read_to_string(&self.0).unwrap_or_default();
        match text.trim().trim_matches('"') {
            "pause" => Control::Pause,
            "cancel" => Control::Cancel,
            _ => Control::Go,
        }
    }

    fn wait(&mut self) {
        std::thread::sleep(Duration::from_millis(200));
    }
}
