//! `shopclerk data split`: the rows of one part of a recipe's data, as the trainer parts them.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::json;

use super::super::wording::ToolWording;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::recipe::Recipe;
use crate::domain::run::Part;
use crate::eval::part::{self, Held};
use crate::model::library;

/// A recipe and one part of its data.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(in crate::commands) struct Of {
    /// The recipe (TOML) that says which files, and how they are parted
    #[arg(long, value_name = "RECIPE.toml")]
    pub(in crate::commands) recipe: Option<PathBuf>,
    /// Which part
    #[arg(long, value_enum, default_value_t = Name::Test, requires = "recipe")]
    part: Name,
    /// Folders in which the recipe's files are, if they are not beside it
    #[arg(long, value_name = "DIR", num_args = 1.., requires = "recipe")]
    files: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Name {
    Train,
    /// For choosing
    Dev,
    /// For the verdict
    Test,
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  shopclerk data split --recipe adapters/sentiment.toml --files downloads --part test --output test.jsonl"
)]
pub(super) struct Args {
    #[command(flatten)]
    of: Of,
    /// Where the rows go
    #[arg(long, value_name = "FILE.jsonl")]
    output: PathBuf,
}

impl Of {
    /// The rows; the model that the recipe names has to be there, for its tokenizer.
    pub(in crate::commands) fn rows(&self, config: &Config) -> anyhow::Result<Held> {
        let file = self.recipe.as_deref().context("--recipe: name a recipe")?;
        let recipe = Recipe::from_toml_for(&fs_err::read_to_string(file)?, config.model.to_train())
            .with_context(|| file.display().to_string())?;
        let base = library::resolve(&config.models_dir(), &recipe.base).context("recipe.toml: base")?;
        let source = part::Source {
            beside: file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")),
            folders: &self.files,
            base: &base.path,
            wording: &ToolWording::load(&config.shop)?,
            now: Clock::System.now(),
        };
        let part = match self.part {
            Name::Train => Part::Train,
            Name::Dev => Part::Dev,
            Name::Test => Part::Test,
        };
        part::of_recipe(&recipe, source, part)
    }
}

pub(super) fn run(args: &Args, config: &Config, json: bool) -> anyhow::Result<()> {
    let Held { rows, rows_sha256 } = args.of.rows(config)?;
    let mut to = std::io::BufWriter::new(fs_err::File::create(&args.output)?);
    part::write(&rows, &mut to)?;
    to.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
    if json {
        println!("{}", json!({ "rows": rows.len(), "rows_sha256": rows_sha256, "output": args.output }));
    } else {
        println!(
            "{} rows in {}; SHA-256 of the rows of all parts: {rows_sha256}",
            rows.len(),
            args.output.display()
        );
    }
    Ok(())
}
