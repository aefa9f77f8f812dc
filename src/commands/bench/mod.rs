//! `shopclerk bench`: figures of this machine, each beside a reference measured in the same run.

mod chat;
mod child;
mod client;
mod inbox;
mod sockets;
mod store;
mod swap;
mod tools;
#[cfg(feature = "train")]
mod train;

use serde::Serialize;

use crate::config::Config;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  shopclerk bench store --json")]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
    /// Print a JSON list instead of a table
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// First token, decoding speed, many shoppers, with the real model
    #[command(after_help = "Example:\n  shopclerk --data data bench chat --json")]
    Chat(chat::Args),
    /// Messages on an agent's screen, search, list and numbers over 10,000 conversations
    #[command(after_help = "Example:\n  shopclerk bench inbox --json")]
    Inbox,
    /// Idle sockets and what they cost
    #[command(after_help = "Example:\n  shopclerk bench sockets --json")]
    Sockets,
    /// Acknowledged messages per second
    #[command(after_help = "Example:\n  shopclerk bench store --json")]
    Store,
    /// One epoch of LoRA, beside PEFT on PyTorch
    #[cfg(feature = "train")]
    Train(train::Args),
    /// Reviews and titles a second, and what a batch costs the shoppers, with the real model
    Tools(tools::Args),
    /// Promoting an adapter and rolling it back while somebody chats, with the real model
    #[command(after_help = "Example:\n  shopclerk bench swap --json")]
    Swap,
}

/// One measured figure.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Figure {
    pub(super) figure: String,
    pub(super) value: f64,
    pub(super) unit: &'static str,
    /// The same thing measured another way in the same run.
    pub(super) reference: Option<f64>,
    /// `value / reference`.
    pub(super) ratio: Option<f64>,
    /// The target in words, e.g. `<= 0.35`.
    pub(super) target: &'static str,
    pub(super) met: bool,
}

impl Figure {
    /// The ratio follows from the reference.
    fn new(
        name: &str,
        value: f64,
        unit: &'static str,
        reference: Option<f64>,
        target: &'static str,
        met: bool,
    ) -> Self {
        let ratio = reference.map(|reference| value / reference);
        Self { figure: name.to_owned(), value, unit, reference, ratio, target, met }
    }
}

pub(super) async fn run(args: Args, config: Config) -> anyhow::Result<()> {
    let figures = match args.what {
        What::Chat(args) => chat::measure(&args, config).await?,
        What::Inbox => inbox::measure(config).await?,
        What::Sockets => sockets::measure(config).await?,
        What::Store => store::measure(config).await?,
        #[cfg(feature = "train")]
        What::Train(args) => train::measure(&args, &config)?,
        What::Tools(args) => tools::measure(&args, config).await?,
        What::Swap => swap::measure(config).await?,
    };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&figures)?);
        return Ok(());
    }
    println!(
        "{:<58} {:>12} {:<10} {:>12} {:>7} {:>12}  met",
        "figure", "value", "unit", "reference", "ratio", "target"
    );
    for f in &figures {
        let number = |n: Option<f64>| n.map_or_else(|| "-".to_owned(), |n| format!("{n:.3}"));
        let (reference, ratio) = (number(f.reference), number(f.ratio));
        let met = if f.met { "yes" } else { "NO" };
        println!(
            "{:<58} {:>12.3} {:<10} {reference:>12} {ratio:>7} {:>12}  {met}",
            f.figure, f.value, f.unit, f.target
        );
    }
    Ok(())
}
