//! How training shows: a bar with the time left on a terminal, plain lines in a pipe. On standard error, so that standard
//! output is the result.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};

use crate::domain::run::StepLog;
use crate::train::run::Show;

pub(super) struct Progress {
    bar: Option<ProgressBar>,
    /// Also written there, for a run that no server looks after.
    log: Option<PathBuf>,
}

impl Progress {
    pub(super) fn new(log: Option<PathBuf>) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(0);
            if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}") {
                bar.set_style(style);
            }
            bar
        });
        Self { bar, log }
    }

    pub(super) fn done(&self) {
        if let Some(bar) = &self.bar {
            bar.finish();
        }
    }

    fn line(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            None => eprintln!("{line}"),
        }
        self.keep(line);
    }

    fn keep(&self, line: &str) {
        let Some(path) = &self.log else { return };
        let file = fs_err::OpenOptions::new().create(true).append(true).open(path);
        // A log that cannot be written must not end the training.
        if let Ok(mut file) = file {
            let _ = writeln!(file, "{line}");
        }
    }
}

impl Show for Progress {
    fn logged(&mut self, log: &StepLog) {
        let line = describe(log);
        match &self.bar {
            Some(bar) => {
                bar.set_length(log.of as u64);
                bar.set_position(log.step as u64);
                bar.set_message(line.clone());
                if log.dev_loss.is_some() {
                    bar.println(format!("step {} of {}  {line}", log.step, log.of));
                }
                self.keep(&format!("step {} of {}  {line}", log.step, log.of));
            }
            None => self.line(&format!("step {} of {}  {line}", log.step, log.of)),
        }
    }

    fn say(&mut self, line: &str) {
        self.line(line);
    }
}

fn describe(log: &StepLog) -> String {
    let mut parts = Vec::new();
    parts.extend(log.loss.map(|loss| format!("loss {loss:.4}")));
    parts.extend(log.dev_loss.map(|loss| format!("dev {loss:.4}")));
    parts.push(format!("{:.0} tokens/s", log.tokens_per_second));
    parts.push(format!("{:.0} MiB", log.memory_mib));
    parts.extend(log.eta.map(|eta| format!("{} left", time(eta))));
    parts.join("  ")
}

fn time(seconds: f64) -> String {
    let s = seconds.round() as u64;
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{}:{:02} min", s / 60, s % 60),
        _ => format!("{}:{:02} h", s / 3600, s % 3600 / 60),
    }
}
