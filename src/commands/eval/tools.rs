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

/// How much rare labels count when a calibration is fitted; see [`Calibration::fit`]. Half-way: a neutral text is one in forty, and
/// would never be called so by plain likelihood.
const BALANCE: f64 = 0.5;

/// The tool that a suite is about.
pub(super) fn named(suite: &str) -> Option<Tool> {
    match suite {
        "sentiment" => Some(Tool::Sentiment),
        "attributes" => Some(Tool::Extract),
        "qa" => Some(Tool::Qa),
        _ => None,
    }
}

/// Judges on a file: the base, and the adapter that is named or serves.
pub(super) async fn of_file(tool: Tool, args: &Args, config: &Config) -> anyhow::Result<()> {
    let file = args.data.as_deref().context("--data: name a file of labelled rows")?;
    let mut subject = match (&args.adapter, args.base) {
        (None, false) => Subject::serving(tool.name(), config)?,
        _ => Subject::find(args, config)?,
    };
    let calibration = subject.calibration.take();
    let (model, adapter) = subject.load(config).await?;
    let cast = Cast::new(toolbox(&model, config)?, calibration);
    let suite = suite(tool, file, args, cast)?;
    if suite.rows() == 0 {
        bail!("{}: no row is labelled for {}", file.display(), args.what);
    }
    let bar = Bar::new(args);
    let done = |who: &str, n: usize| bar.at(&args.what, who, n);
    let scores =
        compare(suite.as_ref(), model.as_ref(), Beside { adapter: adapter.as_deref(), current: None }, &done)
            .await?;
    bar.done();
    print(&scores, args)
}

fn suite(tool: Tool, file: &Path, args: &Args, cast: Cast) -> anyhow::Result<Box<dyn Suite>> {
    Ok(match tool {
        Tool::Sentiment => Box::new(Sentiment::new(&labelled::of_file(file)?, cast)?),
        Tool::Extract => {
            let ask = if args.own { Ask::Own } else { Ask::Category };
            Box::new(attributes(&labelled::of_file(file)?, ask, cast))
        }
        Tool::Qa => Box::new(Qa::new(Source::read(file)?, cast)),
    })
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
    Ok((!samples.is_empty()).then(|| Calibration::fit(&samples, BALANCE)))
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
