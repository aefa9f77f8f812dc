//! `shopclerk bench chat`: the real model, alone and through the socket, in the same run.
//!
//! The engine alone is loaded in this process; the server is a child process with the same model. They never work at the same
//! time. Each figure through the socket has the engine's own as its reference.

mod alone;
mod served;

use std::time::Instant;

use anyhow::Context;

use super::Figure;
use super::child::{Child, Model};
use crate::config::Config;
use crate::model::library;

/// Times each thing is measured; medians are shown.
const ROUNDS: usize = 7;
/// Tokens of a long answer.
const LONG: usize = 128;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only the engine, without a server: half a minute, for choosing `model.quantise` and `model.threads`
    #[arg(long)]
    engine_only: bool,
}

pub(super) async fn measure(args: &Args, config: Config) -> anyhow::Result<Vec<Figure>> {
    let folder = library::resolve(&config.models_dir(), &config.model.name)
        .context("the figures are those of the real model")?;
    if args.engine_only {
        return Ok(engine_alone(&alone::measure(&folder, &config).await?).into());
    }
    let started = Instant::now();
    let server = Child::start(&Model::Folder(folder.path.clone(), LONG)).await?;
    let ready = started.elapsed().as_secs_f64();
    let resident = server.memory()?.resident as f64 / 1024.0;
    let read = read_all(&folder.path)?;
    let mut figures = vec![
        figure("start to ready, model on disk", ready, "s", Some(read), "< 6", ready < 6.0),
        figure("resident memory when ready", resident, "MiB", None, "< 1200", resident < 1200.0),
    ];
    let alone = alone::measure(&folder, &config).await?;
    let served =
        served::measure(&server, alone.model.facts().parallel, &|text| alone.model.count_tokens(text))
            .await?;
    drop(server);
    let as_shipped = Child::start(&Model::Shipped(folder.path.clone())).await?;
    let (second, tenth) = served::shipped(&as_shipped).await?;
    let crowd = format!("8 shoppers at once, all together (answers of {} tokens)", served.story);
    figures.extend(engine_alone(&alone));
    figures.extend([
        ratio("first token, through the socket", served.first, "s", alone.first, "<= 1.1x", |r| r <= 1.1),
        ratio(
            "decoding, one shopper through the socket",
            served.rate,
            "tokens/s",
            alone.rate,
            ">= 0.95x",
            |r| r >= 0.95,
        ),
        figure(
            "decoding, one shopper through the socket",
            served.rate,
            "tokens/s",
            Some(55.0),
            ">= 55",
            served.rate >= 55.0,
        ),
        ratio(&crowd, served.crowd, "tokens/s", alone.rate, ">= 50", |_| served.crowd >= 50.0),
        figure(
            "8 shoppers at once, waited without a place",
            served.untold as f64,
            "shoppers",
            None,
            "0",
            served.untold == 0,
        ),
        ratio("first token of turn 10 against turn 2, as shipped", tenth, "s", second, "<= 1.5x", |r| {
            r <= 1.5
        }),
        ratio(
            "first token of turn 10 against turn 2, all turns of 128 tokens remembered",
            served.tenth,
            "s",
            served.second,
            "<= 1.5x",
            |r| r <= 1.5,
        ),
    ]);
    Ok(figures)
}

fn engine_alone(alone: &alone::Alone) -> [Figure; 2] {
    let name = format!(
        "first token, engine alone ({} new tokens, {} shared)",
        alone.new_tokens, alone.shared_tokens
    );
    [
        figure(&name, alone.first, "s", None, "<= 0.35", alone.first <= 0.35),
        figure("decoding, engine alone", alone.rate, "tokens/s", None, ">= 55", alone.rate >= 55.0),
    ]
}

/// Seconds to read the model's files: a start can hardly be faster.
fn read_all(folder: &std::path::Path) -> anyhow::Result<f64> {
    let started = Instant::now();
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        if path.is_file() {
            std::hint::black_box(fs_err::read(path)?.len());
        }
    }
    Ok(started.elapsed().as_secs_f64())
}

fn figure(
    name: &str,
    value: f64,
    unit: &'static str,
    reference: Option<f64>,
    target: &'static str,
    met: bool,
) -> Figure {
    Figure::new(name, value, unit, reference, target, met)
}

fn ratio(
    name: &str,
    value: f64,
    unit: &'static str,
    reference: f64,
    target: &'static str,
    met: impl Fn(f64) -> bool,
) -> Figure {
    figure(name, value, unit, Some(reference), target, met(value / reference))
}

pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Small talk of about forty tokens that none of the shop's facts is about; each one begins differently.
pub(super) fn small_talk(n: usize) -> String {
    format!(
        "{} says hello and good morning, and so do I; yesterday we sat by the river, talked about the weather, counted \
         seven white clouds and laughed a lot together",
        name(n)
    )
}

fn name(n: usize) -> &'static str {
    const NAMES: [&str; 12] = [
        "Anna", "Bela", "Carla", "Dimitri", "Elena", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Keiko",
        "Lars",
    ];
    NAMES[n % NAMES.len()]
}
