//! Whether a run fits into the memory that is free.

use std::path::Path;

use serde_json::Value;

use super::error::RunsError;
use crate::domain::recipe::{BaseWeights, LoraRecipe, Range, Recipe, SearchMethod, TARGETS};
use crate::model::settings::Quantise;

const MIB: u64 = 1024 * 1024;
/// What a trainer takes before it has a model: code, tokenizer, threads.
const GROUND: u64 = 96 * MIB;
/// What a judge holds at once: the base, the version that serves, and the adapter merged into a copy of its own.
const JUDGED: u64 = 3;

/// What a child is expected to take, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Need {
    /// The frozen weights.
    pub(super) weights: u64,
    /// The adapter with its gradients and moments, and what one row keeps for the way back.
    pub(super) work: u64,
}

/// The sizes in a model's `config.json` that decide.
#[derive(Clone, Copy, Debug)]
struct Shape {
    layers: u64,
    hidden: u64,
    inner: u64,
    queries: u64,
    keys: u64,
    vocabulary: u64,
    tied: bool,
}

/// An estimate from above, of the largest recipe that a search may try: parameters by their kind, and activations of one row of `data.max_tokens` (rows of a batch
/// are done one after the other).
///
/// Returns `None` if `config.json` does not say enough.
pub(super) fn need(base: &Path, recipe: &Recipe) -> Option<Need> {
    let shape = Shape::read(base)?;
    let recipe = &largest(recipe);
    // Bytes of a frozen weight, times 32: a block of 32 8-bit weights is 34 bytes, of 4-bit ones 18.
    let frozen = match recipe.lora.base {
        BaseWeights::Full => 128,
        BaseWeights::Q8_0 => 34,
        BaseWeights::Q4_0 => 18,
    };
    let linear = shape.layers * shape.linear();
    let weights = linear * frozen / 32 + shape.tables() * 4;
    // Weight, gradient, two moments, and the sum of the gradients of a step: five numbers of four bytes.
    let adapter = shape.layers * shape.adapter(recipe) * 20;
    // Short rows go through together, up to 512 tokens.
    let tokens = recipe.data.max_tokens.max(512) as u64;
    let kept = shape.kept(tokens);
    let layers = if recipe.train.recompute {
        kept + shape.layers * tokens * shape.hidden
    } else {
        shape.layers * kept
    };
    // Logits of a chunk of targets, their probabilities and their gradient.
    let logits = 3 * tokens.min(128) * shape.vocabulary;
    Some(Need { weights, work: GROUND + adapter + 4 * (layers + logits) })
}

/// Refuses a run that would not fit.
pub(super) fn check(base: &Path, recipe: &Recipe, reserve_mib: u64) -> Result<(), RunsError> {
    let (Some(need), Some(free)) = (need(base, recipe), free()) else { return Ok(()) };
    fits(need, (free, reserve_mib), &largest(recipe))
}

/// What a judge holds: everything it compares as it would serve, one of them in float32 while it is read and merged, and the logits
/// of the longest row. What it keeps of finished answers is not in it.
pub(super) fn judging(base: &Path, recipe: &Recipe, quantise: Quantise) -> Option<Need> {
    let shape = Shape::read(base)?;
    let served = match quantise {
        Quantise::None => 128,
        Quantise::Auto | Quantise::Q8_0 => 34,
        Quantise::Q4_0 => 18,
    };
    let linear = shape.layers * shape.linear();
    let weights = JUDGED * (linear * served / 32 + shape.tables() * 4) + linear * (128 - served) / 32;
    // Once as the engine gives them, once put together.
    let logits = 2 * recipe.data.max_tokens as u64 * shape.vocabulary;
    Some(Need { weights, work: GROUND + 4 * logits })
}

/// Refuses to judge what would not fit; `limits` are how what serves is quantised, and the reserve.
pub(super) fn check_judging(
    base: &Path,
    recipe: &Recipe,
    (quantise, reserve_mib): (Quantise, u64),
) -> Result<(), RunsError> {
    let (Some(need), Some(free)) = (judging(base, recipe, quantise), free()) else { return Ok(()) };
    let missing = (need.weights + need.work + reserve_mib * MIB).saturating_sub(free);
    if missing == 0 {
        return Ok(());
    }
    Err(RunsError::Judging {
        need_mib: (need.weights + need.work).div_ceil(MIB),
        free_mib: free / MIB,
        missing_mib: missing.div_ceil(MIB),
        reserve_mib,
    })
}

/// What takes less memory, as far as the recipe does not do it yet.
fn advice(recipe: &Recipe) -> String {
    let mut fixes = Vec::new();
    if recipe.lora.base == BaseWeights::Full {
        fixes.push("set lora.base = \"q8_0\"");
    }
    if !recipe.train.recompute {
        fixes.push("set train.recompute = true");
    }
    fixes.push("lower data.max_tokens");
    if recipe.lora.rank > LoraRecipe::default().rank {
        fixes.push("lower lora.rank");
    }
    fixes.join(", or ")
}

/// The recipe that takes the most of all that its search may try.
fn largest(recipe: &Recipe) -> Recipe {
    let mut largest = recipe.clone();
    if recipe.search.method == SearchMethod::None {
        return largest;
    }
    for (key, range) in &recipe.search.space {
        let values = match range {
            Range::Choice(values) => values.as_slice(),
            Range::Between { max, .. } => {
                if key == "lora.rank" {
                    largest.lora.rank = largest.lora.rank.max(max.ceil() as usize);
                }
                continue;
            }
        };
        let any = |wanted: Value| values.contains(&wanted);
        match key.as_str() {
            "lora.rank" => {
                let most = values.iter().filter_map(Value::as_u64).max().unwrap_or(0) as usize;
                largest.lora.rank = largest.lora.rank.max(most);
            }
            "lora.targets" => largest.lora.targets = TARGETS.map(str::to_owned).to_vec(),
            "lora.base" if any("full".into()) => largest.lora.base = BaseWeights::Full,
            "lora.base" if any("q8_0".into()) && largest.lora.base == BaseWeights::Q4_0 => {
                largest.lora.base = BaseWeights::Q8_0;
            }
            "train.recompute" if any(false.into()) => largest.train.recompute = false,
            _ => {}
        }
    }
    largest
}

fn fits(need: Need, (free, reserve_mib): (u64, u64), recipe: &Recipe) -> Result<(), RunsError> {
    let whole = need.weights + need.work;
    if whole + reserve_mib * MIB <= free {
        return Ok(());
    }
    Err(RunsError::Memory {
        need_mib: whole.div_ceil(MIB),
        free_mib: free / MIB,
        weights_mib: need.weights.div_ceil(MIB),
        work_mib: need.work.div_ceil(MIB),
        reserve_mib,
        fix: advice(recipe),
    })
}

impl Shape {
    fn read(base: &Path) -> Option<Self> {
        let text = fs_err::read_to_string(base.join("config.json")).ok()?;
        let config: serde_json::Value = serde_json::from_str(&text).ok()?;
        let number = |key: &str| config.get(key).and_then(serde_json::Value::as_u64);
        let (hidden, heads) = (number("hidden_size")?, number("num_attention_heads")?.max(1));
        let width = number("head_dim").unwrap_or(hidden / heads);
        Some(Self {
            layers: number("num_hidden_layers")?,
            hidden,
            inner: number("intermediate_size")?,
            queries: heads * width,
            keys: number("num_key_value_heads").unwrap_or(heads) * width,
            vocabulary: number("vocab_size")?,
            tied: config.get("tie_word_embeddings").and_then(serde_json::Value::as_bool).unwrap_or(false),
        })
    }

    /// Weights of the seven linear layers of one block.
    fn linear(&self) -> u64 {
        self.sizes().iter().map(|(_, rows, columns)| rows * columns).sum()
    }

    /// Weights of the tables of tokens at both ends.
    fn tables(&self) -> u64 {
        self.vocabulary * self.hidden * if self.tied { 1 } else { 2 }
    }

    /// Weights of the adapter of one block.
    fn adapter(&self, recipe: &Recipe) -> u64 {
        let rank = recipe.lora.rank as u64;
        let chosen = |name: &str| recipe.lora.targets.iter().any(|target| target == name);
        self.sizes()
            .iter()
            .filter(|(name, ..)| chosen(name))
            .map(|(_, rows, columns)| rank * (rows + columns))
            .sum()
    }

    fn sizes(&self) -> [(&'static str, u64, u64); 7] {
        let (h, q, k, i) = (self.hidden, self.queries, self.keys, self.inner);
        [
            ("q_proj", h, q),
            ("k_proj", h, k),
            ("v_proj", h, k),
            ("o_proj", q, h),
            ("gate_proj", h, i),
            ("up_proj", h, i),
            ("down_proj", i, h),
        ]
    }

    /// Numbers that one block keeps for the way back, for a row of `tokens`; the trainer's attention keeps no matrix. Measured:
    /// the default recipe on SmolLM2-135M took 1,323 MiB at its peak, and this says 1,359.
    fn kept(&self, tokens: u64) -> u64 {
        tokens * (6 * self.hidden + 2 * (self.queries + 2 * self.keys) + 3 * self.inner)
    }
}

/// Bytes that can be had without swapping: of the machine, or of the control group if that is less.
fn free() -> Option<u64> {
    let machine = fs_err::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
    });
    match (machine, group()) {
        (Some(machine), Some(group)) => Some(machine.min(group)),
        (machine, group) => machine.or(group),
    }
}

/// Bytes left in this process's control group, if it has a limit; the file cache counts as free.
fn group() -> Option<u64> {
    let number = |name: &str| {
        fs_err::read_to_string(format!("/sys/fs/cgroup/{name}")).ok()?.trim().parse::<u64>().ok()
    };
    let (limit, used) = (number("memory.max")?, number("memory.current")?);
    let stat = fs_err::read_to_string("/sys/fs/cgroup/memory.stat").ok()?;
    let cache =
        stat.lines().find_map(|l| l.strip_prefix("inactive_file ")?.trim().parse::<u64>().ok()).unwrap_or(0);
    Some(limit.saturating_sub(used.saturating_sub(cache)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sizes of SmolLM2-135M: 134.5 million weights, 538 MB as float32.
    const CONFIG: &str = r#"{"hidden_size":576,"intermediate_size":1536,"num_attention_heads":9,"num_key_value_heads":3,
        "num_hidden_layers":30,"vocab_size":49152,"tie_word_embeddings":true}"#;

    #[test]
    fn weights_are_counted_by_kind() {
        let dir = tempfile::tempdir().unwrap();
        fs_err::write(dir.path().join("config.json"), CONFIG).unwrap();
        let mut recipe = Recipe::default();
        let full = need(dir.path(), &recipe).unwrap();
        // Without the norms, which are 61 x 576 numbers.
        assert_eq!(full.weights, 4 * (134_515_008 - 61 * 576));
        assert_eq!((full.weights + full.work) / MIB, 1359);
        recipe.lora.base = BaseWeights::Q8_0;
        let small = need(dir.path(), &recipe).unwrap();
        assert!(small.weights < full.weights / 2 && small.work == full.work);
        recipe.train.recompute = true;
        assert!(need(dir.path(), &recipe).unwrap().work < full.work);
    }

    #[test]
    fn a_search_needs_what_its_largest_trial_needs() {
        let dir = tempfile::tempdir().unwrap();
        fs_err::write(dir.path().join("config.json"), CONFIG).unwrap();
        let work = |recipe: &Recipe| need(dir.path(), recipe).unwrap();
        let mut large = Recipe::default();
        large.lora.rank = 128;
        let mut searched = Recipe::default();
        let mut space = |key: &str, range| searched.search.space.insert(key.to_owned(), range);
        space("lora.rank", Range::Choice(vec![8.into(), 128.into()]));
        assert_eq!(work(&searched), work(&Recipe::default()), "nothing is searched");
        searched.search.method = SearchMethod::Tpe;
        assert_eq!(work(&searched), work(&large));
        let between = Range::Between { min: 4.0, max: 128.0, log: true };
        searched.search.space.insert("lora.rank".to_owned(), between);
        assert_eq!(work(&searched), work(&large));
        (searched.lora.base, searched.train.recompute) = (BaseWeights::Q8_0, true);
        for (key, value) in [("lora.base", Value::from("full")), ("train.recompute", false.into())] {
            searched.search.space.insert(key.to_owned(), Range::Choice(vec![value]));
        }
        assert_eq!(work(&searched), work(&large));
    }

    #[test]
    fn a_judge_holds_three_models_and_the_logits_of_a_row() {
        let dir = tempfile::tempdir().unwrap();
        fs_err::write(dir.path().join("config.json"), CONFIG).unwrap();
        let mut recipe = Recipe::default();
        let mib = |recipe: &Recipe, quantise| {
            let need = judging(dir.path(), recipe, quantise).unwrap();
            ((need.weights / MIB), (need.work / MIB))
        };
        let (weights, work) = mib(&recipe, Quantise::Auto);
        assert_eq!((weights, work), (944, 288));
        assert!(mib(&recipe, Quantise::Q4_0).0 < weights && mib(&recipe, Quantise::None).0 > weights);
        recipe.data.max_tokens *= 2;
        assert!(mib(&recipe, Quantise::Auto).1 > work);
        let reserve = 1 << 40;
        let fault = check_judging(dir.path(), &recipe, (Quantise::Auto, reserve)).unwrap_err();
        assert_eq!(fault.code(), "run_memory");
        assert!(fault.to_string().contains("MiB too few"), "{fault}");
        assert!(check_judging(&dir.path().join("none"), &recipe, (Quantise::Auto, reserve)).is_ok());
    }

    #[test]
    fn a_refusal_says_the_numbers() {
        let need = Need { weights: 500 * MIB, work: 700 * MIB };
        let mut recipe = Recipe::default();
        assert!(fits(need, (1456 * MIB, 256), &recipe).is_ok());
        let fault = fits(need, (1455 * MIB, 256), &recipe).unwrap_err();
        insta::assert_snapshot!(fault, @r#"the run needs about 1200 MiB and 1455 MiB are free (500 for the base, 700 for the work, 256 in reserve); set lora.base = "q8_0", or set train.recompute = true, or lower data.max_tokens"#);
        (recipe.lora.base, recipe.train.recompute, recipe.lora.rank) = (BaseWeights::Q4_0, true, 64);
        assert_eq!(advice(&recipe), "lower data.max_tokens, or lower lora.rank");
    }
}
