//! Wiring only: the command line, one file a command.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is the command line")]

mod adapter;
mod bench;
mod data;
#[cfg(feature = "train")]
mod eval;
mod model;
mod serve;
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

/// Parses the command line, runs one command, and says how it went: 0 well, 1 failed, 2 wrong usage.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
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
