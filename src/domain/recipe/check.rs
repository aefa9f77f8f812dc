//! Reading a recipe, and what is wrong with one.

use super::{Objective, Recipe, SearchMethod, TARGETS, TOOLS};

/// Everything wrong with a recipe.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the recipe has {} fault(s):\n{}", .0.len(), .0.iter().map(|f| format!("  - {f}")).collect::<Vec<_>>().join("\n"))]
pub struct RecipeError(pub Vec<String>);

impl Recipe {
    /// Reads and checks a recipe.
    ///
    /// # Errors
    /// All faults at once, each with its key and the fix.
    pub fn from_toml(text: &str) -> Result<Self, RecipeError> {
        let recipe: Self = toml::from_str(text).map_err(|fault| RecipeError(vec![fault.to_string()]))?;
        recipe.check()?;
        Ok(recipe)
    }

    /// As [`Recipe::from_toml`]; a recipe that names no `base` is for the model `served`.
    ///
    /// # Errors
    /// As there.
    pub fn from_toml_for(text: &str, served: &str) -> Result<Self, RecipeError> {
        let mut recipe = Self::from_toml(text)?;
        if !toml::from_str::<toml::Table>(text).is_ok_and(|fields| fields.contains_key("base")) {
            served.clone_into(&mut recipe.base);
        }
        Ok(recipe)
    }

    /// The whole recipe, defaults written out.
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(self).expect("a recipe is plain data. This is a bug.")
    }

    /// What multiplies B(A(x)): alpha / rank, or alpha / sqrt(rank) with `rslora`.
    pub fn scale(&self) -> f64 {
        let rank = self.lora.rank as f64;
        self.lora.alpha / if self.lora.rslora { rank.sqrt() } else { rank }
    }

    /// Refuses rows that the judge could not read: `context` is how much the base is served with.
    ///
    /// # Errors
    /// The field and the fix.
    pub fn fits(&self, context: usize) -> Result<(), RecipeError> {
        let asked = self.data.max_tokens;
        if asked <= context {
            return Ok(());
        }
        Err(RecipeError(vec![format!(
            "data.max_tokens: {asked}: {} is served, and so judged, with at most {context} tokens; use {context} or less, or \
             raise model.context if the model knows more",
            self.base
        )]))
    }

    pub fn check(&self) -> Result<(), RecipeError> {
        let mut faults = Vec::new();
        let mut need = |ok: bool, fault: String| {
            if !ok {
                faults.push(fault);
            }
        };
        need(
            is_name(&self.name),
            format!("name: {:?}: use lower-case letters, digits and dashes, at most 40", self.name),
        );
        let misnamed = misnamed(self);
        need(misnamed.is_none(), misnamed.unwrap_or_default());
        need(!self.base.is_empty(), "base: name a model, e.g. smollm2-135m-instruct".to_owned());
        let data = &self.data;
        for (key, share) in [("data.dev", data.dev), ("data.test", data.test)] {
            need((0.0..0.9).contains(&share), format!("{key}: {share}: use a share from 0 to below 0.9"));
        }
        need(data.dev + data.test < 0.95, "data.dev and data.test leave nothing to train on".to_owned());
        need(data.max_tokens >= 16, format!("data.max_tokens: {}: use 16 or more", data.max_tokens));
        need(
            !(data.redact && self.objective == Objective::Task),
            "data.redact: a tool's rows say where in a text something is, so their texts must stay"
                .to_owned(),
        );
        let lora = &self.lora;
        need((1..=512).contains(&lora.rank), format!("lora.rank: {}: use 1 to 512", lora.rank));
        need(
            lora.alpha > 0.0 && lora.alpha.is_finite(),
            format!("lora.alpha: {}: use a positive number", lora.alpha),
        );
        need((0.0..1.0).contains(&lora.dropout), format!("lora.dropout: {}: use 0 to below 1", lora.dropout));
        need(
            lora.plus >= 1.0 && lora.plus.is_finite(),
            format!("lora.plus: {}: use 1 or more (16 is common)", lora.plus),
        );
        need(!lora.targets.is_empty(), format!("lora.targets: name at least one of {}", TARGETS.join(", ")));
        for target in &lora.targets {
            need(
                TARGETS.contains(&target.as_str()),
                format!("lora.targets: {target:?}: use any of {}", TARGETS.join(", ")),
            );
        }
        for target in TARGETS {
            let times = lora.targets.iter().filter(|named| *named == target).count();
            need(times < 2, format!("lora.targets: {target:?} is named {times} times; name it once"));
        }
        let train = &self.train;
        need(
            train.epochs > 0.0 && train.epochs <= 1000.0,
            format!("train.epochs: {}: use above 0, at most 1000", train.epochs),
        );
        need((1..=4096).contains(&train.batch), format!("train.batch: {}: use 1 to 4096", train.batch));
        need(
            train.lr > 0.0 && train.lr <= 1.0,
            format!("train.lr: {}: use above 0, at most 1 (2e-4 is common)", train.lr),
        );
        need((0.0..1.0).contains(&train.warmup), format!("train.warmup: {}: use 0 to below 1", train.warmup));
        for (key, beta) in [("train.beta1", train.beta1), ("train.beta2", train.beta2)] {
            need((0.0..1.0).contains(&beta), format!("{key}: {beta}: use 0 to below 1"));
        }
        need(
            train.eps > 0.0 && train.eps.is_finite(),
            format!("train.eps: {}: use a small positive number", train.eps),
        );
        for (key, value) in [
            ("train.clip", train.clip),
            ("train.weight_decay", train.weight_decay),
            ("train.minutes", train.minutes),
            ("search.minutes", self.search.minutes),
            ("gate.tool_loss", self.gate.tool_loss),
            ("gate.current_loss", self.gate.current_loss),
        ] {
            need(value >= 0.0 && value.is_finite(), format!("{key}: {value}: use 0 or more"));
        }
        need(
            self.gate.loss_gain.is_finite(),
            format!("gate.loss_gain: {}: use a number, such as 0 or 0.05", self.gate.loss_gain),
        );
        need(train.keep >= 1, "train.keep: 0 would throw the result away; use 1 or more".to_owned());
        need(
            self.search.method == SearchMethod::None || !self.search.space.is_empty(),
            "search.space: name at least one field to search, e.g. \"train.lr\"".to_owned(),
        );
        if faults.is_empty() { Ok(()) } else { Err(RecipeError(faults)) }
    }
}

/// What is wrong with a name for what the recipe trains: under its name an adapter is promoted, and does the work of that name.
fn misnamed(recipe: &Recipe) -> Option<String> {
    let name = &recipe.name;
    match (recipe.objective == Objective::Task, TOOLS.contains(&name.as_str())) {
        (true, false) => Some(format!(
            "name: {name:?}: what objective = \"task\" trains does the work of the tool it is named after; use one of {}",
            TOOLS.join(", ")
        )),
        (false, true) => Some(format!(
            "name: {name:?} is a tool's, and this recipe does not train it; use another name, or objective = \"task\" and \
             labelled rows"
        )),
        _ => None,
    }
}

/// A name that is safe as a folder: lower-case letters, digits and dashes, 1 to 40, no dash at the ends.
pub fn is_name(name: &str) -> bool {
    (1..=40).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault_of(text: &str) -> String {
        Recipe::from_toml(text).expect_err(text).to_string()
    }

    #[test]
    fn a_recipe_without_a_base_is_for_the_model_that_serves() {
        let base = |text: &str| Recipe::from_toml_for(text, "big-model").expect("a recipe").base;
        assert_eq!(base("name = \"shop\""), "big-model");
        assert_eq!(base("base = \"other\""), "other");
        assert_eq!(
            base("base = \"smollm2-135m-instruct\""),
            "smollm2-135m-instruct",
            "named, though it is the default"
        );
        assert_eq!(base("[lora]\nbase = \"q8_0\""), "big-model");
        assert!(Recipe::from_toml_for("base = \"\"", "big-model").is_err());
    }

    #[test]
    fn a_name_says_what_a_run_is_for() {
        let task = fault_of("objective = \"task\"");
        assert!(task.contains("name: \"shop\"") && task.contains("extract, sentiment, qa"), "{task}");
        for objective in ["chat", "text"] {
            let fault = fault_of(&format!("name = \"sentiment\"\nobjective = \"{objective}\""));
            assert!(fault.contains("name: \"sentiment\" is a tool's"), "{fault}");
        }
        for tool in TOOLS {
            Recipe::from_toml(&format!("name = \"{tool}\"\nobjective = \"task\""))
                .expect("a tool's own name");
        }
    }

    #[test]
    fn what_would_fail_after_training_is_refused_before() {
        let fault = fault_of("[lora]\ntargets = [\"q_proj\", \"v_proj\", \"q_proj\"]");
        assert!(fault.contains("lora.targets: \"q_proj\" is named 2 times"), "{fault}");
        // Nothing is less than no number: such a gate would let everything in.
        for (field, text) in [
            ("gate.loss_gain", "[gate]\nloss_gain = nan"),
            ("gate.loss_gain", "[gate]\nloss_gain = -inf"),
            ("gate.tool_loss", "[gate]\ntool_loss = nan"),
            ("gate.current_loss", "[gate]\ncurrent_loss = inf"),
            ("data.dev", "[data]\ndev = nan"),
            ("lora.alpha", "[lora]\nalpha = inf"),
            ("lora.dropout", "[lora]\ndropout = nan"),
            ("lora.plus", "[lora]\nplus = nan"),
            ("train.lr", "[train]\nlr = nan"),
            ("train.eps", "[train]\neps = inf"),
            ("train.beta2", "[train]\nbeta2 = nan"),
            ("search.minutes", "[search]\nminutes = nan"),
        ] {
            assert!(fault_of(text).contains(field), "{text}");
        }
        Recipe::from_toml("[gate]\nloss_gain = -0.5").expect("a gate may be wide");
    }
}
