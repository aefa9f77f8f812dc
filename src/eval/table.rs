//! A scorecard for people.

use std::fmt::Write as _;

use crate::domain::run::{Score, Scorecard, Suite};
use crate::tools::LABELS;

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

/// The measures alone, and the classes of those that have some.
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
    let mut text = columns(&rows);
    for suite in suites {
        let classes = classes(suite);
        if classes.len() > 1 {
            let _ = write!(text, "\n{}", columns(&classes));
        }
    }
    text
}

/// What every class of the moods has, of everybody who was asked; the heading alone where the details do not say.
fn classes(suite: &Suite) -> Vec<Vec<String>> {
    let heading = ["SUITE", "CLASS", "ROWS", "OF", "PRECISION", "RECALL", "F1"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for label in LABELS {
        for who in ["trivial", "base", "current", "adapter"] {
            let of = &suite.details["more"][who][label];
            let number = |key: &str| of[key].as_f64();
            let (Some(precision), Some(recall), Some(f1)) =
                (number("precision"), number("recall"), number("f1"))
            else {
                continue;
            };
            let mut row = vec![
                suite.name.clone(),
                label.to_owned(),
                format!("{:.0}", number("support").unwrap_or(0.0)),
            ];
            row.push(who.to_owned());
            row.extend([precision, recall, f1].map(|score| format!("{score:.3}")));
            rows.push(row);
        }
    }
    rows
}

/// Rows whose cells stand under one another.
fn columns(rows: &[Vec<String>]) -> String {
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

    #[test]
    fn moods_have_a_line_for_every_class_and_everybody_who_was_asked() {
        let class = |precision: f64, recall: f64| serde_json::json!({"precision": precision, "recall": recall, "f1": 0.5, "support": 7.0});
        let base = serde_json::json!({"positive": class(0.25, 1.0), "negative": class(0.5, 0.5), "bins": []});
        let adapter = serde_json::json!({"positive": class(0.75, 0.875)});
        let suite = Suite {
            name: "sentiment".to_owned(),
            direction: Direction::Higher,
            measure: "accuracy".to_owned(),
            rows: 14,
            trivial: None,
            base: None,
            current: None,
            adapter: None,
            details: serde_json::json!({"more": {"trivial": null, "base": base, "adapter": adapter}}),
        };
        insta::assert_snapshot!(suites(&[suite]), @r"
        SUITE      MEASURE   ROWS  TRIVIAL  BASE  ADAPTER
        sentiment  accuracy  14    -        -     -

        SUITE      CLASS     ROWS  OF       PRECISION  RECALL  F1
        sentiment  positive  7     base     0.250      1.000   0.500
        sentiment  positive  7     adapter  0.750      0.875   0.500
        sentiment  negative  7     base     0.500      0.500   0.500
        ");
    }
}
