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
        if let Command::Eval(args) = &mut self.command
            && args.data.is_some()
        {
            let after = || std::env::args_os().skip_while(|arg| arg != "eval");
            self.flags.data = folder_before(std::env::args_os(), "eval");
            if folder_before(after().skip(1), "").is_none() {
                args.data = None;
            }
        }
        self
    }
}

/// The flags that a command shown to somebody needs to be about the same folder, shop and model.
fn same_flags(config: &Config) -> String {
    let default = Config::default();
    let mut flags = String::new();
    let mut add = |flag: &str, value: String, usual: bool| {
        if !usual {
            flags.push_str(&format!(" --{flag} {value}"));
        }
    };
    add("data", config.data.display().to_string(), config.data == default.data);
    add("shop", config.shop.folder.display().to_string(), config.shop.folder == default.shop.folder);
    add("model", config.model.name.clone(), config.model.name == default.model.name);
    flags
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Cli {
        Cli::try_parse_from(line.split(' ')).unwrap_or_else(|fault| panic!("{line}: {fault}"))
    }

    #[test]
    fn the_shop_and_the_model_are_flags_of_every_command() {
        for line in [
            "shopclerk serve --shop my-shop --model big",
            "shopclerk --shop my-shop --model big serve",
            "shopclerk data --shop my-shop rows --model big --recipe r.toml --output rows.jsonl",
            "shopclerk data export --shop my-shop --model big out.ndjson",
            "shopclerk adapter promote shop@1 --shop my-shop --model big",
            "shopclerk tool extract --shop my-shop --model big",
        ] {
            let flags = parsed(line).flags;
            assert_eq!((flags.shop, flags.model), (Some("my-shop".into()), Some("big".to_owned())), "{line}");
        }
        // An argument of that name is another thing.
        let flags = parsed("shopclerk model check small --model big").flags;
        assert_eq!(flags.model.as_deref(), Some("big"));
    }

    #[cfg(feature = "train")]
    #[test]
    fn training_and_judging_take_them_too_and_what_is_shown_repeats_them() {
        for line in [
            "shopclerk train --shop my-shop --model big recipe.toml",
            "shopclerk eval data/runs/1 --shop my-shop --model big",
            "shopclerk data preview recipe.toml --shop my-shop --model big",
        ] {
            let flags = parsed(line).flags;
            assert_eq!((flags.shop, flags.model), (Some("my-shop".into()), Some("big".to_owned())), "{line}");
        }
        let mut config = Config::default();
        assert_eq!(same_flags(&config), "");
        (config.shop.folder, config.model.name) = ("my-shop".into(), "big".to_owned());
        assert_eq!(same_flags(&config), " --shop my-shop --model big");
    }

    #[cfg(feature = "train")]
    #[test]
    fn the_folder_and_the_rows_of_an_eval_are_told_apart() {
        let folder = |line: &str| folder_before(line.split(' ').map(Into::into), "eval");
        assert_eq!(folder("shopclerk --data shop eval sentiment --data rows.jsonl"), Some("shop".into()));
        assert_eq!(folder("shopclerk --data=shop eval sentiment"), Some("shop".into()));
        assert_eq!(folder("shopclerk eval sentiment --data rows.jsonl"), None);
        let Command::Eval(args) = parsed("shopclerk --data shop eval sentiment --data rows.jsonl").command
        else {
            panic!()
        };
        assert_eq!(args.data, Some("rows.jsonl".into()));
    }
}
