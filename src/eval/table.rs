//! A scorecard for people.

use std::fmt::Write as _;

use crate::domain::run::{Score, Scorecard, Suite};

/// One line a measure, with 95 % intervals, and the verdict.
pub fn of(card: &Scorecard) -> String {
    let mut text = suites(&card.suites);
    if card.passed {
        text.push_str("\nThe gate is passed.\n");
    } else {
        text.push_str("\nThe gate is not passed:\n");
        for reason in &card.reasons {
            let _ = writeln!(text, "  - {reason}");
        }
    }
    text
}

/// The measures alone.
pub fn suites(suites: &[Suite]) -> String {
    let mut rows = vec![["SUITE", "MEASURE", "ROWS", "TRIVIAL", "BASE", "ADAPTER"].map(str::to_owned)];
    for suite in suites {
        rows.push([
            suite.name.clone(),
            suite.measure.clone(),
            suite.rows.to_string(),
            show(suite.trivial),
            show(suite.base),
            show(suite.adapter),
        ]);
    }
    let widths: Vec<usize> =
        (0..6).map(|n| rows.iter().map(|row| row[n].chars().count()).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
    text
}

fn show(score: Option<Score>) -> String {
    score.map_or_else(|| "-".to_owned(), |s| format!("{:.3} [{:.3}, {:.3}]", s.value, s.low, s.high))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::run::Direction;

    #[test]
    fn a_table() {
        let score = |value| Some(Score { value, low: value - 0.05, high: value + 0.05 });
        let suite = Suite {
            name: "held_out".to_owned(),
            direction: Direction::Lower,
            measure: "loss per token, nats".to_owned(),
            rows: 20,
            trivial: None,
            base: score(1.88),
            adapter: score(1.578),
            details: serde_json::Value::Null,
        };
        let card = Scorecard { suites: vec![suite], passed: false, reasons: vec!["too high".to_owned()] };
        insta::assert_snapshot!(of(&card), @r"
        SUITE     MEASURE               ROWS  TRIVIAL  BASE                  ADAPTER
        held_out  loss per token, nats  20    -        1.880 [1.830, 1.930]  1.578 [1.528, 1.628]

        The gate is not passed:
          - too high
        ");
    }
}
