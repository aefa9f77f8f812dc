//! May an adapter be promoted?

use crate::domain::recipe::GateRecipe;
use crate::domain::run::{Direction, Score, Scorecard, Suite};

/// Suites of the tools: none of them may get worse.
const TOOLS: [&str; 3] = ["sentiment", "attributes", "qa"];

/// The verdict: the held-out loss is lower than the base's by the wanted share of it, no tool falls by more than allowed, and
/// neither is worse than what serves now by more than allowed.
pub fn gate(recipe: &GateRecipe, suites: Vec<Suite>) -> Scorecard {
    let mut reasons = Vec::new();
    match suites.iter().find(|suite| suite.name == "held_out") {
        Some(suite) => reasons.extend(held_out(recipe, suite).or_else(|| current(recipe, suite))),
        None => reasons.push(
            "held_out: nothing was held out, so nothing speaks for the adapter; set data.test, or train on more conversations"
                .to_owned(),
        ),
    }
    let mut seen = Vec::new();
    for suite in suites.iter().filter(|suite| TOOLS.contains(&suite.name.as_str())) {
        // The first measure of a suite is the one that counts.
        if !seen.contains(&&suite.name) {
            seen.push(&suite.name);
            reasons.extend(tool(recipe, suite, ("the base's", suite.base)));
            reasons.extend(tool(recipe, suite, ("that of what serves now,", suite.current)));
        }
    }
    Scorecard { passed: reasons.is_empty(), reasons, suites, current: None }
}

fn held_out(recipe: &GateRecipe, suite: &Suite) -> Option<String> {
    let (Some(base), Some(adapter)) = (suite.base, suite.adapter) else {
        return Some("held_out: it was not measured for both base and adapter".to_owned());
    };
    let (base, adapter) = (base.value, adapter.value);
    if !base.is_finite() || !adapter.is_finite() {
        return Some(format!("held_out: a loss is not a number (base {base}, adapter {adapter})"));
    }
    let limit = base * (1.0 - recipe.loss_gain);
    (adapter >= limit).then(|| {
        format!("held_out: the loss is {adapter:.4}; it must be below {limit:.4} (base {base:.4}, gate.loss_gain {})", recipe.loss_gain)
    })
}

/// The adapter would take the place of a version that serves.
fn current(recipe: &GateRecipe, suite: &Suite) -> Option<String> {
    let (current, adapter) = (suite.current?.value, suite.adapter?.value);
    let limit = current * (1.0 + recipe.current_loss);
    // Not `adapter > limit`: what serves may have a loss that is no number, and is no measure then.
    (limit.is_finite() && adapter > limit).then(|| {
        format!(
            "held_out: the loss is {adapter:.4}, and that of what serves now {current:.4}; it may be above it up to {limit:.4} \
             (gate.current_loss {})",
            recipe.current_loss
        )
    })
}

fn tool(recipe: &GateRecipe, suite: &Suite, (whose, before): (&str, Option<Score>)) -> Option<String> {
    let (base, adapter) = (before?.value, suite.adapter?.value);
    let fall = match suite.direction {
        Direction::Higher => base - adapter,
        Direction::Lower => adapter - base,
    };
    // A fall of exactly what is allowed is allowed, whatever rounding makes of it.
    let kept = fall <= recipe.tool_loss + 1e-9;
    (!kept).then(|| {
        format!(
            "{}: {} is {adapter:.4}, {whose} {base:.4}; it may be worse by at most {} (gate.tool_loss)",
            suite.name, suite.measure, recipe.tool_loss
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suite(name: &str, direction: Direction, base: f64, adapter: f64) -> Suite {
        let score = |value| Some(Score { value, low: value, high: value });
        Suite {
            name: name.to_owned(),
            direction,
            measure: "measure".to_owned(),
            rows: 10,
            trivial: None,
            base: score(base),
            current: None,
            adapter: score(adapter),
            details: serde_json::Value::Null,
        }
    }

    fn reasons(loss_gain: f64, suites: Vec<Suite>) -> String {
        let card = gate(&GateRecipe { loss_gain, ..GateRecipe::default() }, suites);
        assert_eq!(card.passed, card.reasons.is_empty());
        card.reasons.join("\n")
    }

    #[test]
    fn the_gate_says_why_not() {
        let loss = |adapter| suite("held_out", Direction::Lower, 2.0, adapter);
        assert_eq!(reasons(0.0, vec![loss(1.99)]), "");
        assert_eq!(reasons(0.05, vec![loss(1.89)]), "");
        insta::assert_snapshot!(reasons(0.0, vec![loss(2.0)]), @"held_out: the loss is 2.0000; it must be below 2.0000 (base 2.0000, gate.loss_gain 0)");
        insta::assert_snapshot!(reasons(0.05, vec![loss(1.95)]), @"held_out: the loss is 1.9500; it must be below 1.9000 (base 2.0000, gate.loss_gain 0.05)");
        insta::assert_snapshot!(reasons(0.0, vec![loss(f64::NAN)]), @"held_out: a loss is not a number (base 2, adapter NaN)");
        insta::assert_snapshot!(reasons(0.0, Vec::new()), @"held_out: nothing was held out, so nothing speaks for the adapter; set data.test, or train on more conversations");
        let tool = |adapter| vec![loss(1.5), suite("sentiment", Direction::Higher, 0.8, adapter)];
        assert_eq!(reasons(0.0, tool(0.79)), "");
        insta::assert_snapshot!(reasons(0.0, tool(0.78)), @"sentiment: measure is 0.7800, the base's 0.8000; it may be worse by at most 0.01 (gate.tool_loss)");
        // Better than the base is not enough where something better serves already.
        let beside = |mut suite: Suite, current| {
            suite.current = Some(Score { value: current, low: current, high: current });
            suite
        };
        assert_eq!(reasons(0.0, vec![beside(loss(1.5), 1.49)]), "");
        insta::assert_snapshot!(reasons(0.0, vec![beside(loss(1.5), 1.4)]), @"held_out: the loss is 1.5000, and that of what serves now 1.4000; it may be above it up to 1.4140 (gate.current_loss 0.01)");
        assert_eq!(reasons(0.0, vec![beside(loss(1.5), f64::NAN)]), "");
        let tool = beside(suite("sentiment", Direction::Higher, 0.6, 0.7), 0.75);
        insta::assert_snapshot!(reasons(0.0, vec![loss(1.5), tool]), @"sentiment: measure is 0.7000, that of what serves now, 0.7500; it may be worse by at most 0.01 (gate.tool_loss)");
        // Replies are few and noisy: they inform, they do not decide.
        assert_eq!(reasons(0.0, vec![loss(1.5), suite("reference_facts", Direction::Higher, 0.5, 0.1)]), "");
    }
}
