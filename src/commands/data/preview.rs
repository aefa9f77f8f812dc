//! `shopclerk data preview`: what a trainer would learn from some rows, before it does.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::path::{Path, PathBuf};

use anstyle::{AnsiColor, Style};
use anyhow::{Context, bail};

use super::super::clean::Cleaner;
use super::super::training::put_chats;
use super::super::wording::ToolWording;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::recipe::{Objective, Recipe};
use crate::domain::run::{Row, RowBody};
use crate::model::library;
use crate::train::data::corpus::Corpus;
use crate::train::data::encode::Encoder;
use crate::train::data::prepare::{self, Clean, Place};
use crate::train::data::report::DataReport;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  shopclerk data preview recipe.toml\n  shopclerk data preview rows.jsonl --row 3\n\n\
                        What is learnt is green on a terminal and in [brackets] elsewhere."
)]
pub(super) struct Args {
    /// A recipe (TOML), the folder of a run, or a file of rows
    #[arg(value_name = "RECIPE.toml|RUN_DIR|ROWS.jsonl")]
    what: PathBuf,
    /// Which row to show, from 1
    #[arg(long, default_value_t = 1, value_name = "N")]
    row: usize,
    /// The model whose template and tokenizer are used, for a file of rows
    #[arg(long, value_name = "NAME|DIR")]
    base: Option<String>,
}

pub(super) fn run(args: &Args, config: &Config, json: bool) -> anyhow::Result<()> {
    let (recipe, beside) = recipe(args, config.model.to_train())?;
    let scratch = tempfile::tempdir()?;
    if args.what.is_dir() {
        // A run's own rows are the ones that count; what is made of them here is thrown away.
        for name in [prepare::ROWS, prepare::SOURCE] {
            if args.what.join(name).is_file() {
                fs_err::copy(args.what.join(name), scratch.path().join(name))?;
            }
        }
    }
    // A run has its rows already.
    if !args.what.is_dir()
        && let Some(chats) = put_chats(&recipe, config, scratch.path())?
    {
        eprint!("{chats}");
    }
    let wording = ToolWording::load(&config.shop)?;
    let now = Clock::System.now();
    let clean = Cleaner::of(&recipe, config)?;
    let clean = clean.as_ref().map(|clean| clean as &dyn Clean);
    let place = Place { folder: scratch.path(), beside: &beside, now, wording: Some(&wording), clean };
    let source = prepare::prepare(&recipe, place)?;
    let base = library::resolve(&config.models_dir(), &recipe.base)?;
    if is_recipe(&args.what) {
        recipe.fits(config.model.context_in(&base.path))?;
    }
    let encoder = Encoder::load(&base.path, source.now)?;
    let rows = scratch.path().join(prepare::ROWS);
    let corpus = Corpus::build(&rows, scratch.path(), &encoder, (&recipe.data, recipe.objective))?;
    let report = DataReport { source, parts: corpus.reports.clone() };
    if json {
        println!("{}", serde_json::to_string_pretty(&report)?);
        return Ok(());
    }
    let row = nth(&rows, args.row)?;
    show(&row, &encoder, recipe.data.max_tokens)?;
    println!();
    for line in report.histogram().iter().chain(&report.lines()) {
        println!("{line}");
    }
    Ok(())
}

/// The recipe, and the folder its files are relative to. A file of rows makes a recipe of its own.
fn recipe(args: &Args, served: &str) -> anyhow::Result<(Recipe, PathBuf)> {
    let what = &args.what;
    let file = if what.is_dir() { what.join("recipe.toml") } else { what.clone() };
    if !file.is_file() {
        bail!("{}: no such file", file.display());
    }
    let beside = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned();
    let mut recipe = if is_recipe(&file) {
        Recipe::from_toml_for(&fs_err::read_to_string(&file)?, served)
            .with_context(|| file.display().to_string())?
    } else {
        let mut recipe = Recipe { base: served.to_owned(), ..Recipe::default() };
        recipe.data.files = vec![PathBuf::from(file.file_name().unwrap_or_default())];
        recipe.objective = objective(&file)?;
        recipe
    };
    if let Some(base) = &args.base {
        recipe.base.clone_from(base);
    }
    Ok((recipe, beside))
}

/// A recipe, or the folder of a run; else a file of rows.
fn is_recipe(what: &Path) -> bool {
    what.is_dir() || what.extension().is_some_and(|e| e == "toml")
}

/// Plain text is learnt as text, everything else as dialogues.
fn objective(file: &Path) -> anyhow::Result<Objective> {
    use crate::domain::recipe::Format;
    use crate::train::data::read::format_of;
    Ok(match format_of(file)? {
        Format::Text => Objective::Text,
        Format::Sentiment | Format::Attributes => Objective::Task,
        _ => Objective::Chat,
    })
}

fn nth(rows: &Path, number: usize) -> anyhow::Result<Row> {
    let (mut found, mut all) = (None, 0);
    prepare::for_each_row(rows, |row| {
        all += 1;
        if all == number {
            found = Some(row);
        }
        Ok(())
    })?;
    found.with_context(|| format!("--row {number}: there are {all} rows"))
}

/// Prints every example of a row, up to where it would be cut.
fn show(row: &Row, encoder: &Encoder, max_tokens: usize) -> anyhow::Result<()> {
    let turns = match &row.body {
        RowBody::Messages(messages) => format!("{} messages", messages.len()),
        RowBody::Text(_) => "plain text".to_owned(),
    };
    println!("row {} (group {}, {turns})", row.id, row.group);
    let terminal = std::io::stdout().is_terminal();
    let learnt = Style::new().fg_color(Some(AnsiColor::Green.into())).bold();
    let context = Style::new().dimmed();
    for mut example in encoder.encode(row).map_err(anyhow::Error::msg)? {
        let whole = example.ids.len();
        example.ids.truncate(max_tokens);
        example.targets.truncate(max_tokens);
        println!("{} tokens, {} of them learnt", example.ids.len(), example.trained());
        let mut text = String::new();
        for (piece, is_learnt) in encoder.pieces(&example).map_err(anyhow::Error::msg)? {
            let piece = safe(&piece);
            let style = if is_learnt { learnt } else { context };
            match (terminal, is_learnt) {
                (true, _) => write!(text, "{style}{piece}{style:#}")?,
                (false, true) => write!(text, "[{piece}]")?,
                (false, false) => text.push_str(&piece),
            }
        }
        writeln!(anstream::stdout(), "{text}")?;
        if whole > max_tokens {
            println!("... cut here: {whole} tokens in all, data.max_tokens is {max_tokens}");
        }
    }
    Ok(())
}

/// Text that cannot command a terminal: control characters but line ends and tabs are shown as their pictures.
fn safe(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\t' => c,
            c if c.is_control() => char::from_u32(0x2400 + (c as u32 & 0x1f)).unwrap_or('?'),
            c => c,
        })
        .collect()
}
