//! `shopclerk staff`: accounts from the command line, for the first colleague and for whoever is locked out. A running server
//! notices within a second.

use anyhow::Context;
use clap::{Subcommand, ValueEnum};

use crate::clock::Clock;
use crate::config::Config;
use crate::staff::{Accounts, Audit, Entry, NewLink, Role};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  shopclerk staff add anna --role admin\n  shopclerk staff reset anna   # prints a link to choose a new password\n  shopclerk staff list --json"
)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Add somebody; prints the link with which they choose a password
    #[command(after_help = "Example:\n  shopclerk staff add anna --display Anna --role admin")]
    Add {
        /// Login name: 2 to 32 of a-z, 0-9, dot, dash, underscore
        name: String,
        /// The name colleagues see; the login name if left out
        #[arg(long)]
        display: Option<String>,
        #[arg(long, value_enum, default_value = "agent")]
        role: RoleName,
    },
    /// Show everybody
    #[command(after_help = "Example:\n  shopclerk staff list --json")]
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Take somebody's password and second factor; prints a link to choose a new password
    #[command(after_help = "Example:\n  shopclerk staff reset anna")]
    Reset {
        /// Login name
        name: String,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RoleName {
    Agent,
    Admin,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Agent => Self::Agent,
            RoleName::Admin => Self::Admin,
        }
    }
}

#[expect(clippy::unused_async, reason = "all commands are called alike")]
pub(super) async fn run(args: Args, config: Config) -> anyhow::Result<()> {
    let folder = config.staff_dir();
    let accounts = Accounts::open(&folder, Clock::System)?;
    let audit = Audit::open(&folder, Clock::System);
    match args.what {
        What::Add { name, display, role } => {
            let link = accounts.invite(&name, display.as_deref().unwrap_or(&name), role.into())?;
            audit.note(Entry::new("cli", "agent_invited").on(&name))?;
            println!("{}", invite_url(&config, &link));
        }
        What::List { json } => list(&accounts, json)?,
        What::Reset { name } => {
            let link = accounts.reset(&name)?;
            audit.note(Entry::new("cli", "agent_reset").on(&name))?;
            println!("{}", invite_url(&config, &link));
        }
    }
    Ok(())
}

fn list(accounts: &Accounts, json: bool) -> anyhow::Result<()> {
    let profiles = accounts.profiles();
    if json {
        println!("{}", serde_json::to_string_pretty(&profiles).context("profiles become JSON")?);
        return Ok(());
    }
    for profile in &profiles {
        let role = match profile.role {
            Role::Agent => "agent",
            Role::Admin => "admin",
        };
        let state = if profile.active { "active" } else { "invited" };
        let second = if profile.totp { "second factor" } else { "" };
        println!("{:<32} {role:<6} {state:<8} {second}", profile.name);
    }
    if profiles.is_empty() {
        println!("nobody yet; `shopclerk staff add NAME --role admin` adds the first one");
    }
    Ok(())
}

/// Where the holder of `link` chooses a password.
fn invite_url(config: &Config, link: &NewLink) -> String {
    format!("{}/dashboard/#invite={}", base_url(config, &config.web.listen), link.token)
}

/// Where the dashboard is: the public address if there is one, else `listening`.
pub(super) fn base_url(config: &Config, listening: &str) -> String {
    match config.web.public_url.as_str() {
        "" => format!("http://{listening}"),
        url => url.trim_end_matches('/').to_owned(),
    }
}
