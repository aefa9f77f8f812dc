//! Wiring only: the command line, one file a command.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is the command line")]

mod adapter;
mod bench;
#[cfg(feature = "train")]
mod clean;
mod data;
#[cfg(feature = "train")]
mod eval;
mod model;
mod serve;
mod shelf;
mod staff;
mod tool;
#[cfg(feature = "train")]
mod train;
#[cfg(feature = "train")]
mod training;
#[cfg(feature = "train")]
mod wording;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{Config, Flags};
use crate::telemetry;

/// Customer-service chat for online shops, with its own language model in the process.
#[derive(Debug, Parser)]
#[command(version, about, after_help = "Example:\n  shopclerk model pull && shopclerk serve")]
struct Cli {
    #[command(flatten)]
    flags: Flags,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the chat
    Serve(serve::Args),
    /// Fetch, import, list and check models
    Model(model::Args),
    /// List adapters, choose which one serves, and roll back
    Adapter(adapter::Args),
    /// Verify, export and import conversations
    Data(data::Args),
    /// Run a file of texts through a tool
    Tool(tool::Args),
    /// Add, list and reset accounts of the staff
    Staff(staff::Args),
    /// Train an adapter for the model from a recipe, or go on with a run
    #[cfg(feature = "train")]
    Train(train::Args),
    /// Judge an adapter beside the base, on rows that nobody trained on
    #[cfg(feature = "train")]
    Eval(eval::Args),
    /// Measure this machine against a reference
    Bench(bench::Args),
}

#[cfg(feature = "train")]
impl Cli {
    /// `eval` has a `--data` of its own. To clap the two are one argument, and the later one wins.
    fn with_both_data(mut self) -> Self {
        if let Command::Eval(args) = &self.command
            && args.data.is_some()
        {
            self.flags.data = folder_before(std::env::args_os(), "eval");
        }
        self
    }
}

/// The flag that a command shown to somebody needs to be about the same folder.
#[cfg(feature = "train")]
fn data_flag(config: &Config) -> String {
    let data = &config.data;
    if *data == Config::default().data { String::new() } else { format!(" --data {}", data.display()) }
}

/// The folder given as `--data` before the word `command`, which has a `--data` of its own.
#[cfg(feature = "train")]
fn folder_before(
    args: impl Iterator<Item = std::ffi::OsString>,
    command: &str,
) -> Option<std::path::PathBuf> {
    let mut before = args.take_while(|arg| arg != command);
    let mut found = None;
    while let Some(arg) = before.next() {
        if arg == "--data" {
            found = before.next();
        } else if let Some(value) = arg.to_str().and_then(|arg| arg.strip_prefix("--data=")) {
            found = Some(value.into());
        }
    }
    found.map(Into::into)
}

/// Parses the command line, runs one command, and says how it went: 0 well, 1 failed, 2 wrong usage.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    #[cfg(feature = "train")]
    let cli = cli.with_both_data();
    let config = match Config::load(&cli.flags) {
        Ok(config) => config,
        Err(fault) => {
            eprintln!("shopclerk: {fault}");
            return ExitCode::from(2);
        }
    };
    telemetry::init(config.log);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(fault) => {
            eprintln!("shopclerk: cannot start: {fault}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(async {
        match cli.command {
            Command::Serve(args) => serve::run(args, config).await,
            Command::Model(args) => model::run(args, config).await,
            Command::Adapter(args) => adapter::run(args, config).await,
            Command::Data(args) => data::run(args, config).await,
            Command::Tool(args) => tool::run(args, config).await,
            Command::Staff(args) => staff::run(args, config).await,
            #[cfg(feature = "train")]
            Command::Train(args) => train::run(args, config).await,
            #[cfg(feature = "train")]
            Command::Eval(args) => eval::run(args, config).await,
            Command::Bench(args) => bench::run(args, config).await,
        }
    });
    // Whatever still runs in the background must not keep a finished command alive.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("shopclerk: {fault:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(all(test, feature = "train"))]
mod tests {
    use super::*;

    #[test]
    fn the_folder_and_the_rows_of_an_eval_are_told_apart() {
        let folder = |line: &str| folder_before(line.split(' ').map(Into::into), "eval");
        assert_eq!(folder("shopclerk --data shop eval sentiment --data rows.jsonl"), Some("shop".into()));
        assert_eq!(folder("shopclerk --data=shop eval sentiment"), Some("shop".into()));
        assert_eq!(folder("shopclerk eval sentiment --data rows.jsonl"), None);
        let line = ["shopclerk", "--data", "shop", "eval", "sentiment", "--data", "rows.jsonl"];
        let Command::Eval(args) = Cli::try_parse_from(line).expect("parses").command else { panic!() };
        assert_eq!(args.data, Some("rows.jsonl".into()));
    }
}
