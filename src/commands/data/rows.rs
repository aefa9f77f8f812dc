//! `shopclerk data rows`: training data from the shop's own chats.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::open_existing;
use crate::chat::{self, Guard};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::recipe::{Recipe, StoreRecipe};
use crate::domain::run::Row;
use crate::model::{Model, Scripted, library};
use crate::prompt::{Budget, Playbook};
use crate::runs::rows::{self, Prepared, Serving};
use crate::staff::{Accounts, words_in};
use crate::store::Store;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The recipe; its table [data.store] says which conversations and which answers
    #[arg(long, value_name = "RECIPE.toml")]
    recipe: PathBuf,
    /// Where the rows go, one JSON object a line
    #[arg(long, value_name = "ROWS.jsonl")]
    output: PathBuf,
    /// Also write what was left out and why
    #[arg(long, value_name = "REPORT.json")]
    report: Option<PathBuf>,
}

pub(super) async fn run(args: Args, config: &Config, json: bool) -> anyhow::Result<()> {
    let text = fs_err::read_to_string(&args.recipe)?;
    let recipe = Recipe::from_toml_for(&text, config.model.to_train())
        .with_context(|| args.recipe.display().to_string())?;
    let Some(from) = &recipe.data.store else {
        bail!(
            "{}: data.store is missing, so the recipe wants no conversations; add a table [data.store]",
            args.recipe.display()
        );
    };
    let store = open_existing(config)?;
    let prepared = of_store(&store, from, &recipe, config);
    store.close().await;
    let prepared = prepared?;
    write_rows(&args.output, &prepared.rows)?;
    if let Some(report) = &args.report {
        fs_err::write(report, serde_json::to_vec_pretty(&prepared.report)?)?;
    }
    if json {
        println!("{}", serde_json::to_string_pretty(&prepared.report)?);
    } else {
        eprint!("{}", prepared.report);
    }
    if prepared.rows.is_empty() {
        eprintln!("no rows: staff have to answer, correct replies, or shoppers to rate some up");
    }
    Ok(())
}

/// The rows that `from` chooses in a store, as the recipe's base would be shown them by this server.
pub(in crate::commands) fn of_store(
    store: &Store,
    from: &StoreRecipe,
    recipe: &Recipe,
    config: &Config,
) -> anyhow::Result<Prepared> {
    let base = Base::of(&recipe.base, config)?;
    let strip = |text: &str| base.guard.strip(text);
    // What is learnt reads as what is served: with the owner's words, as they are now.
    let playbook = Playbook::load(&config.shop, &strip)?.worded(&words_in(&config.staff_dir())?, &strip)?;
    let count = |text: &str| base.count(text);
    let serving = Serving {
        playbook: &playbook,
        budget: budget(&config.chat, base.context, base.small),
        count: &count,
        row_tokens: recipe.data.max_tokens,
    };
    Ok(rows::prepare(store, from, &with_staff(config)?, &serving)?)
}

/// How rows are made in a shop whose people have these accounts.
pub(in crate::commands) fn with_staff(config: &Config) -> anyhow::Result<rows::Settings> {
    Ok(config.rows.with_staff(Accounts::open(&config.staff_dir(), Clock::System)?.displays()))
}

/// What a prompt may take when serving; see `chat::turn`.
fn budget(chat: &chat::Settings, context: usize, small: bool) -> Budget {
    let room = context.saturating_sub(chat.max_reply_tokens);
    let exchanges = chat.remember.unwrap_or(if small { 0 } else { usize::MAX });
    Budget { tokens: chat.prompt_tokens.min(room), exchanges }
}

/// The rows appear whole or not at all.
pub(in crate::commands) fn write_rows(to: &Path, rows: &[Row]) -> anyhow::Result<()> {
    let folder = to.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(|| folder.display().to_string())?;
    for row in rows {
        serde_json::to_writer(&mut file, row)?;
        file.write_all(b"\n")?;
    }
    file.as_file().sync_all()?;
    file.persist(to).with_context(|| to.display().to_string())?;
    Ok(())
}

/// What rows need to know of the model they are for; it is not loaded.
struct Base {
    guard: Guard,
    /// `None` for the scripted model, whose tokens are words.
    tokenizer: Option<tokenizers::Tokenizer>,
    context: usize,
    small: bool,
}

impl Base {
    fn of(name: &str, config: &Config) -> anyhow::Result<Self> {
        if name == "scripted" {
            let facts = Scripted::default().facts().clone();
            let guard = Guard::new(&facts.control_tokens);
            return Ok(Self { guard, tokenizer: None, context: facts.context, small: facts.small });
        }
        let folder = library::resolve(&config.models_dir(), name)?.path;
        let file = folder.join("tokenizer.json");
        let tokenizer = tokenizers::Tokenizer::from_file(&file)
            .map_err(|fault| anyhow::anyhow!("{}: {fault}; import the model again", file.display()))?;
        let added = tokenizer.get_added_tokens_decoder().into_values();
        let control: Vec<String> = added.filter(|token| token.special).map(|token| token.content).collect();
        let context = config.model.context_in(&folder);
        Ok(Self {
            guard: Guard::new(&control),
            tokenizer: Some(tokenizer),
            context,
            small: is_small(&folder)?,
        })
    }

    fn count(&self, text: &str) -> usize {
        match &self.tokenizer {
            Some(tokenizer) => tokenizer.encode(text, false).map_or(text.len(), |encoding| encoding.len()),
            None => text.split_whitespace().count(),
        }
    }
}

/// A model with smaller files than this is not reminded of earlier turns; the engine draws the line at the same place.
const SMALL: u64 = 1_000_000_000;

fn is_small(folder: &Path) -> anyhow::Result<bool> {
    let mut bytes = 0;
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "safetensors") {
            bytes += fs_err::metadata(&path)?.len();
        }
    }
    Ok(bytes < SMALL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::staff::Role;

    #[test]
    fn the_staff_are_known_by_the_names_they_are_shown_under() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut config = Config { data: dir.path().to_owned(), ..Config::default() };
        config.rows.names = vec!["Kim".to_owned()];
        fs_err::create_dir_all(config.staff_dir()).expect("a folder");
        let accounts = Accounts::open(&config.staff_dir(), Clock::System).expect("accounts");
        accounts.invite("pl", "Petra Lindqvist", Role::Agent).expect("invited");
        assert_eq!(with_staff(&config).expect("settings").names, ["Kim", "Petra Lindqvist"]);
    }
}
