//! The space of a search: which recipes there are to try, and which is tried next.
//!
//! Everything follows from the recipe's seed and the trials that are finished, so that a killed search goes on with the same
//! recipes it would have tried.

use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use tpe::density_estimation::{BuildDensityEstimator, DefaultEstimatorBuilder, DensityEstimator};

use crate::domain::recipe::{Range, Recipe, SearchMethod};
use crate::domain::run::Trial;
use crate::train::data::batch::Random;
use crate::train::data::hash64;

/// Values of the searched fields.
pub type Values = BTreeMap<String, Value>;

/// Trials of TPE if the recipe does not say how many, and how many of them are drawn before it has an opinion.
const TPE_TRIALS: usize = 10;
const BLIND: usize = 4;
/// The share of the trials that count as good, and how many places are compared (Bergstra et al. 2011 use 15 to 25 % and tens).
const GOOD: f64 = 0.25;
const CANDIDATES: usize = 64;

/// A checked search.
pub struct Space<'a> {
    recipe: &'a Recipe,
    pub trials: usize,
}

impl<'a> Space<'a> {
    /// Checks that every field can be searched and every value makes a recipe.
    ///
    /// # Errors
    /// The field and the fix.
    pub fn new(recipe: &'a Recipe) -> anyhow::Result<Self> {
        let search = &recipe.search;
        let mut grid = 1usize;
        for (key, range) in &search.space {
            ensure!(
                key.starts_with("train.") || key.starts_with("lora."),
                "search.space: {key:?}: only fields of `train` and `lora` can be searched"
            );
            for value in
                ends(range, is_whole(recipe, key)).with_context(|| format!("search.space.{key:?}"))?
            {
                put(recipe, &BTreeMap::from([(key.clone(), value)]))?;
            }
            match range {
                Range::Choice(values) => grid = grid.saturating_mul(values.len()),
                Range::Between { .. } => ensure!(
                    search.method != SearchMethod::Grid,
                    "search.space.{key:?}: a grid needs a list of values; method = \"tpe\" takes min and max"
                ),
            }
        }
        let all = if search.method == SearchMethod::Grid { grid } else { TPE_TRIALS };
        let trials = match (search.trials, search.method) {
            (0, _) => all,
            (asked, SearchMethod::Grid) => asked.min(grid),
            (asked, _) => asked,
        };
        Ok(Self { recipe, trials })
    }

    /// The values of trial `number`, given the trials before it.
    ///
    /// # Errors
    /// A range that cannot be searched.
    pub fn values(&self, number: usize, finished: &[Trial]) -> anyhow::Result<Values> {
        let mut values = Values::new();
        let mut rest = number;
        for (key, range) in &self.recipe.search.space {
            let value = match (self.recipe.search.method, range) {
                (SearchMethod::Grid, Range::Choice(choices)) => {
                    let value = choices[rest % choices.len()].clone();
                    rest /= choices.len();
                    value
                }
                _ => self.ask(key, range, (number, finished))?,
            };
            values.insert(key.clone(), value);
        }
        Ok(values)
    }

    /// One field by TPE: fields are independent, as in the tree-structured Parzen estimator.
    fn ask(&self, key: &str, range: &Range, trials: (usize, &[Trial])) -> anyhow::Result<Value> {
        let (number, finished) = trials;
        let seed = self.recipe.train.seed.to_le_bytes();
        let mut random = Random(hash64(&[b"search", &seed, &(number as u64).to_le_bytes(), key.as_bytes()]));
        let mut seen: Vec<(f64, f64)> = finished
            .iter()
            .filter_map(|trial| {
                // What was lost is worse than anything.
                let loss = trial.dev_loss.or(trial.fault.as_ref().map(|_| f64::INFINITY))?;
                Some((loss, place(range, trial.values.get(key)?)?))
            })
            .collect();
        seen.sort_by(|a, b| a.0.total_cmp(&b.0));
        let wide = width(range);
        let blind = random.unit() * wide;
        if seen.len() < BLIND {
            return value(range, blind, is_whole(self.recipe, key));
        }
        let (good, bad) = seen.split_at((seen.len() as f64 * GOOD).ceil() as usize);
        let estimate = |part: &[(f64, f64)]| -> anyhow::Result<_> {
            let kind: DefaultEstimatorBuilder = match range {
                Range::Choice(_) => tpe::histogram_estimator(),
                Range::Between { .. } => tpe::parzen_estimator(),
            };
            let places: Vec<f64> = part.iter().map(|(_, place)| *place).collect();
            kind.build_density_estimator(places.into_iter(), tpe::range(0.0, wide)?)
                .map_err(|fault| anyhow::anyhow!("search.space.{key:?}: {fault:?}"))
        };
        let (likes, dislikes) = (estimate(good)?, estimate(bad)?);
        // Half of the candidates near the good ones, half anywhere.
        let candidates = (0..CANDIDATES).map(|n| match n % 2 {
            0 => random.unit() * wide,
            _ => {
                let (_, centre) = good[random.below(good.len())];
                let spread = wide / (1.0 + good.len() as f64);
                (centre + (random.unit() + random.unit() - 1.0) * spread).clamp(0.0, wide * (1.0 - 1e-9))
            }
        });
        let best = candidates
            .map(|at| (likes.log_pdf(at) - dislikes.log_pdf(at), at))
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map_or(blind, |(_, at)| at);
        value(range, best, is_whole(self.recipe, key))
    }

    /// The recipe with these values in it, and without a search.
    ///
    /// # Errors
    /// A field or a value that does not exist.
    pub fn recipe(&self, values: &Values) -> anyhow::Result<Recipe> {
        put(self.recipe, values)
    }
}

/// Whether a field takes whole numbers.
fn is_whole(recipe: &Recipe, key: &str) -> bool {
    let recipe = serde_json::to_value(recipe).unwrap_or_default();
    recipe.pointer(&pointer(key)).is_some_and(Value::is_u64)
}

fn pointer(key: &str) -> String {
    format!("/{}", key.replace('.', "/"))
}

fn put(recipe: &Recipe, values: &Values) -> anyhow::Result<Recipe> {
    let mut json = serde_json::to_value(recipe)?;
    for (key, value) in values {
        let Some(field) = json.pointer_mut(&pointer(key)) else {
            bail!("search.space: there is no field {key:?}");
        };
        *field = value.clone();
    }
    let mut recipe: Recipe =
        serde_json::from_value(json).with_context(|| format!("search.space: {values:?}"))?;
    recipe.search = crate::domain::recipe::SearchRecipe::default();
    recipe.check().with_context(|| format!("search.space: {values:?}"))?;
    Ok(recipe)
}

/// The values to check of a range: what a recipe allows has two ends, so what is between two that are allowed is allowed too.
fn ends(range: &Range, whole: bool) -> anyhow::Result<Vec<Value>> {
    match range {
        Range::Choice(values) => {
            ensure!(!values.is_empty(), "an empty list");
            Ok(values.clone())
        }
        Range::Between { min, max, log } => {
            ensure!(min < max && min.is_finite() && max.is_finite(), "min must be below max");
            ensure!(!*log || *min > 0.0, "a logarithmic range begins above 0");
            Ok(vec![number(*min, whole), number(*max, whole)])
        }
    }
}

/// The size of a range on the scale that is searched.
fn width(range: &Range) -> f64 {
    match range {
        Range::Choice(values) => values.len() as f64,
        Range::Between { min, max, log } => {
            if *log {
                (max / min).ln()
            } else {
                max - min
            }
        }
    }
}

/// Where a value is on that scale.
fn place(range: &Range, value: &Value) -> Option<f64> {
    let at = match range {
        Range::Choice(values) => values.iter().position(|v| v == value)? as f64 + 0.5,
        Range::Between { min, log: true, .. } => (value.as_f64()? / min).ln(),
        Range::Between { min, .. } => value.as_f64()? - min,
    };
    Some(at.clamp(0.0, width(range) * (1.0 - 1e-9)))
}

fn value(range: &Range, at: f64, whole: bool) -> anyhow::Result<Value> {
    let (drawn, min, max) = match range {
        Range::Choice(values) => {
            return values.get(at as usize).or(values.last()).cloned().context("an empty list");
        }
        Range::Between { min, max, log: true } => (min * at.exp(), min, max),
        Range::Between { min, max, .. } => (min + at, min, max),
    };
    // Rounding may go beyond the end that was checked.
    Ok(number(drawn.clamp(*min, *max), whole))
}

fn number(number: f64, whole: bool) -> Value {
    if whole { (number.round() as u64).into() } else { number.into() }
}
