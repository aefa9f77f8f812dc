//! The suites of the tools, from a file or from a run.

use std::path::Path;

use anyhow::{Context, bail};

use super::subject::Rival;
use super::{Args, Bar, Subject, print};
use crate::config::Config;
use crate::domain::recipe::Recipe;
use crate::domain::run::{Labelled, Part, Row};
use crate::eval::{Ask, Attributes, Beside, Cast, Qa, Sentiment, Source, Suite, compare, labelled};
use crate::model::SharedModel;
use crate::prompt::ToolPrompts;
use crate::runs::Folder;
use crate::tools::{self, CALIBRATION, Calibration, LABELS, Tool, Toolbox, Workers};

/// The tool that a suite is about.
pub(super) fn named(suite: &str) -> Option<Tool> {
    match suite {
        "sentiment" => Some(Tool::Sentiment),
        "attributes" => Some(Tool::Extract),
        "qa" => Some(Tool::Qa),
        _ => None,
    }
}

/// Judges on a file, or on a part of a recipe's data: the base, and the adapter that is named or serves.
pub(super) async fn of_file(tool: Tool, args: &Args, config: &Config) -> anyhow::Result<()> {
    // Before the model is loaded: a wrong path should not take seconds to be said.
    let asked = asked(tool, args, config)?;
    let mut subject = match (&args.adapter, args.base) {
        (None, false) => Subject::serving(tool.name(), config)?,
        _ => Subject::find(args, config)?,
    };
    let calibration = subject.calibration.take();
    let (model, adapter) = subject.load(config).await?;
    let tools = toolbox(&model, config)?;
    if let Some(file) = &args.calibrate {
        let Asked::Reviews(rows) = &asked else { bail!("--calibrate: only for sentiment") };
        let workers = Workers::Only { adapter, calibration: None };
        return write_calibration(file, &tools.by(workers), rows).await;
    }
    let suite = suite(asked, args, Cast::new(tools, calibration))?;
    if suite.rows() == 0 {
        bail!("no row is labelled for {}", args.what);
    }
    let bar = Bar::new(args);
    let done = |who: &str, n: usize| bar.at(&args.what, who, n);
    let scores =
        compare(suite.as_ref(), model.as_ref(), Beside { adapter: adapter.as_deref(), current: None }, &done)
            .await?;
    bar.done();
    print(&scores, args)
}

/// What is judged on.
enum Asked {
    Reviews(Vec<Row>),
    Titles(Vec<Row>),
    Sources(Vec<Source>),
}

fn asked(tool: Tool, args: &Args, config: &Config) -> anyhow::Result<Asked> {
    // A folder given as `--data` before the command is to clap the same argument: a recipe goes first.
    let rows = || match (&args.of.recipe, &args.data) {
        (Some(_), _) => Ok(args.of.rows(config)?.rows),
        (None, Some(file)) => labelled::of_file(file),
        (None, None) => bail!("--data: name a file of labelled rows, or --recipe and its part"),
    };
    Ok(match tool {
        Tool::Sentiment => Asked::Reviews(rows()?),
        Tool::Extract => Asked::Titles(rows()?),
        Tool::Qa => {
            Asked::Sources(Source::read(args.data.as_deref().context("--data: name a file of sources")?)?)
        }
    })
}

fn suite(asked: Asked, args: &Args, cast: Cast) -> anyhow::Result<Box<dyn Suite>> {
    Ok(match asked {
        Asked::Reviews(rows) => Box::new(Sentiment::new(&rows, cast)?),
        Asked::Titles(rows) => {
            let ask = if args.own { Ask::Own } else { Ask::Category };
            Box::new(attributes(&rows, ask, cast))
        }
        Asked::Sources(sources) => Box::new(Qa::new(sources, cast)),
    })
}

async fn write_calibration(file: &Path, tools: &Toolbox, rows: &[Row]) -> anyhow::Result<()> {
    let fitted = calibrate(tools, rows).await?.context("no row is labelled with a sentiment")?;
    fs_err::write(file, serde_json::to_vec_pretty(&fitted)?)?;
    println!("{}: fitted to {} rows", file.display(), rows.len());
    Ok(())
}

fn attributes(rows: &[Row], ask: Ask, cast: Cast) -> Attributes {
    let list = |category: &str| cast.attributes_of(category);
    Attributes::new(rows, ask, &list, cast.clone())
}

/// Who is judged for a run.
pub(super) struct Tried<'a> {
    pub(super) model: &'a SharedModel,
    pub(super) adapter: Option<&'a str>,
    /// The version that serves now, by its name.
    pub(super) rival: Option<(&'a str, &'a Rival)>,
}

/// The suite of the tool that a run trained for, on its test part; `None` if it is a tool's that nothing scores. What the adapter's scores
/// mean is learnt from the dev part, and written beside its weights.
pub(super) async fn of_run(
    folder: &Folder,
    recipe: &Recipe,
    tried: &Tried<'_>,
    config: &Config,
) -> anyhow::Result<Option<Box<dyn Suite>>> {
    let tools = toolbox(tried.model, config)?;
    let cast = |calibration| {
        let cast = Cast::new(tools.clone(), calibration);
        match tried.rival {
            Some((name, rival)) => cast.beside(name, rival.calibration.clone()),
            None => cast,
        }
    };
    let test = labelled::of_run(folder.path(), Part::Test)?;
    Ok(match Tool::ALL.into_iter().find(|tool| tool.name() == recipe.name) {
        Some(Tool::Sentiment) => {
            let dev = labelled::of_run(folder.path(), Part::Dev)?;
            let workers = Workers::Only { adapter: tried.adapter.map(str::to_owned), calibration: None };
            let calibration = calibrate(&tools.by(workers), &dev).await?;
            if let Some(calibration) = &calibration {
                let path = folder.file("adapter").join(CALIBRATION);
                fs_err::write(path, serde_json::to_vec_pretty(calibration)?)?;
            }
            Some(Box::new(Sentiment::new(&test, cast(calibration))?))
        }
        Some(Tool::Extract) => Some(Box::new(attributes(&test, Ask::Category, cast(None)))),
        _ => None,
    })
}

/// `None` if there is nothing to learn it from.
async fn calibrate(tools: &Toolbox, rows: &[Row]) -> anyhow::Result<Option<Calibration>> {
    let mut samples = Vec::new();
    for row in rows {
        let Some(Labelled::Sentiment { text, label }) = &row.labelled else { continue };
        if let Some(truth) = LABELS.iter().position(|known| known == label) {
            samples.push((tools.raw_sentiment(text).await?, truth));
        }
    }
    Ok((!samples.is_empty()).then(|| Calibration::fit(&samples)))
}

/// The tools with nobody else to wait for.
fn toolbox(model: &SharedModel, config: &Config) -> anyhow::Result<Toolbox> {
    Ok(Toolbox::new(tools::Parts {
        model: model.clone(),
        workers: Workers::Only { adapter: None, calibration: None },
        prompts: ToolPrompts::load(&config.shop)?,
        settings: config.tools.clone(),
        busy: None,
    }))
}
