//! A scorecard for people.

use std::fmt::Write as _;

use crate::domain::run::{Score, Scorecard, Suite};

/// The column of the version that serves now, if one did.
const CURRENT: usize = 5;

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
    let mut rows = vec![
        ["SUITE", "MEASURE", "ROWS", "TRIVIAL", "BASE", "CURRENT", "ADAPTER"].map(str::to_owned).to_vec(),
    ];
    for suite in suites {
        rows.push(vec![
            suite.name.clone(),
            suite.measure.clone(),
            suite.rows.to_string(),
            show(suite.trivial),
            show(suite.base),
            show(suite.current),
            show(suite.adapter),
        ]);
    }
    if suites.iter().all(|suite| suite.current.is_none()) {
        rows.iter_mut().for_each(|row| drop(row.remove(CURRENT)));
    }
    let widths: Vec<usize> = (0..rows[0].len())
        .map(|n| rows.iter().map(|row| row[n].chars().count()).max().unwrap_or(0))
        .collect();
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
            current: None,
            adapter: score(1.578),
            details: serde_json::Value::Null,
        };
        let served = Suite { current: score(1.6), ..suite.clone() };
        let reasons = vec!["too high".to_owned()];
        let card = Scorecard { suites: vec![suite], passed: false, reasons, current: None };
        insta::assert_snapshot!(of(&card), @r"
        SUITE     MEASURE               ROWS  TRIVIAL  BASE                  ADAPTER
        held_out  loss per token, nats  20    -        1.880 [1.830, 1.930]  1.578 [1.528, 1.628]

        The gate is not passed:
          - too high
        ");
        insta::assert_snapshot!(suites(&[served]), @r"
        SUITE     MEASURE               ROWS  TRIVIAL  BASE                  CURRENT               ADAPTER
        held_out  loss per token, nats  20    -        1.880 [1.830, 1.930]  1.600 [1.550, 1.650]  1.578 [1.528, 1.628]
        ");
    }
}
