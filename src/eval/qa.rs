//! Are the pairs the tool makes of a source those a person would make? Answers by their place, questions by their words.

use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, bail};
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};

use super::overlap::token_f1;
use super::suite::{Contest, Judged, Measure, Suite};
use super::tally::{Tally, ratio, sum};
use super::workers::Cast;
use crate::domain::run::Direction;
use crate::tools::{QaItem, Span, Text};

/// Two answers are the same if their spans have at least this share of characters in common (intersection over union).
const SAME: f64 = 0.5;

/// A text and the pairs a person made of it: `{"text", "title"?, "pairs": [{"question", "answer"}]}`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    #[serde(default)]
    pub id: Option<String>,
    pub text: String,
    #[serde(default)]
    pub title: Option<String>,
    pub pairs: Vec<Wanted>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    pub question: String,
    /// A piece of the text.
    pub answer: String,
}

impl Source {
    /// All sources of a JSONL file.
    ///
    /// # Errors
    /// The first bad line, by number; an answer that is not in its text.
    pub fn read(file: &Path) -> anyhow::Result<Vec<Self>> {
        let mut all = Vec::new();
        for (n, line) in BufReader::new(fs_err::File::open(file)?).lines().enumerate() {
            let (line, place) = (line?, format!("{}:{}", file.display(), n + 1));
            if line.trim().is_empty() {
                continue;
            }
            let source: Self =
                serde_json::from_str(line.trim_start_matches('\u{feff}')).context(place.clone())?;
            if source.pairs.is_empty() {
                bail!("{place}: `pairs` is empty");
            }
            if let Some(at) = source.pairs.iter().position(|pair| !source.text.contains(&pair.answer)) {
                bail!("{place}: the answer of pair {} is no piece of the text", at + 1);
            }
            all.push(source);
        }
        Ok(all)
    }
}

/// Sources with reference pairs.
pub struct Qa {
    rows: Vec<Source>,
    cast: Cast,
}

/// `[answers that match, answers made, answers wanted, question F1 of those that match]`
type Counts = [f64; 4];

impl Qa {
    pub fn new(rows: Vec<Source>, cast: Cast) -> Self {
        Self { rows, cast }
    }

    fn group(&self, n: usize) -> String {
        self.rows[n].id.clone().unwrap_or_else(|| n.to_string())
    }

    /// `made`: question and answer's place.
    fn count(source: &Source, made: &[(String, Span)]) -> Counts {
        let text = Text::new(&source.text, &[]);
        let mut counts = [0.0, made.len() as f64, source.pairs.len() as f64, 0.0];
        let mut free: Vec<&(String, Span)> = made.iter().collect();
        for wanted in &source.pairs {
            // As the text is shown: a line break inside is a space there.
            let Some(place) = text.find(Text::new(&wanted.answer, &[]).shown()) else { continue };
            let best = free
                .iter()
                .enumerate()
                .map(|(n, (_, span))| (shared(place, *span), n))
                .max_by(|a, b| a.0.total_cmp(&b.0))
                .filter(|(share, _)| *share >= SAME);
            if let Some((_, n)) = best {
                let (question, _) = free.remove(n);
                counts[0] += 1.0;
                counts[3] += token_f1(&wanted.question, question);
            }
        }
        counts
    }
}

/// Characters in common over characters of both.
fn shared(a: Span, b: Span) -> f64 {
    let common = a.end.min(b.end).saturating_sub(a.start.max(b.start));
    ratio(common as f64, (a.end.max(b.end) - a.start.min(b.start)) as f64)
}

fn at(counts: &[f64], n: usize) -> f64 {
    counts.get(n).copied().unwrap_or(0.0)
}

fn precision(counts: &[f64]) -> f64 {
    ratio(at(counts, 0), at(counts, 1))
}

fn recall(counts: &[f64]) -> f64 {
    ratio(at(counts, 0), at(counts, 2))
}

fn f1(counts: &[f64]) -> f64 {
    ratio(2.0 * at(counts, 0), at(counts, 1) + at(counts, 2))
}

fn question(counts: &[f64]) -> f64 {
    ratio(at(counts, 3), at(counts, 0))
}

impl Suite for Qa {
    fn measures(&self) -> Vec<Measure> {
        let measure = |name, formula| Measure { suite: "qa", name, direction: Direction::Higher, formula };
        vec![
            measure("F1 of answers (same place in the text)", f1),
            measure("precision of answers", precision),
            measure("recall of answers", recall),
            measure("word F1 of the questions to matching answers", question),
        ]
    }

    fn rows(&self) -> usize {
        self.rows.len()
    }

    /// The first sentences of the text, as many as are wanted, each asked as itself.
    fn trivial(&self) -> Option<Vec<Tally>> {
        let first = |(n, source): (usize, &Source)| {
            let text = Text::new(&source.text, &[]);
            let sentences = text.sentences().into_iter().take(source.pairs.len());
            let made: Vec<(String, Span)> =
                sentences.map(|span| (text.slice(span).to_owned(), span)).collect();
            Tally::new(self.group(n), Self::count(source, &made))
        };
        Some(self.rows.iter().enumerate().map(first).collect())
    }

    fn judge<'a>(&'a self, judged: Judged<'a>) -> BoxFuture<'a, anyhow::Result<Vec<Tally>>> {
        Box::pin(async move {
            let tools = self.cast.tools(judged.adapter);
            let mut tallies = Vec::with_capacity(self.rows.len());
            for (n, source) in self.rows.iter().enumerate() {
                let count = source.pairs.len().min(tools.settings().max_pairs);
                let (text, title) = (source.text.clone(), source.title.clone());
                let item = QaItem { text, count, title, ..QaItem::default() };
                let pairs = match tools.qa(&item).await {
                    Ok(found) => found.pairs,
                    Err(fault) if fault.is_of_item() => Vec::new(),
                    Err(fault) => return Err(fault.into()),
                };
                let made: Vec<(String, Span)> =
                    pairs.into_iter().map(|pair| (pair.question, pair.span)).collect();
                tallies.push(Tally::new(self.group(n), Self::count(source, &made)));
                (judged.done)(n + 1);
            }
            Ok(tallies)
        })
    }

    fn details(&self, contest: &Contest) -> Value {
        let of = |tallies: &Option<Vec<Tally>>| {
            let counts = sum(tallies.as_ref()?);
            Some(json!({"matched": at(&counts, 0), "made": at(&counts, 1), "wanted": at(&counts, 2)}))
        };
        json!({"trivial": of(&contest.trivial), "base": of(&contest.base), "adapter": of(&contest.adapter)})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_matched_by_the_place_of_their_answers_each_once() {
        let pair = |question: &str, answer: &str| Wanted { question: question.into(), answer: answer.into() };
        let source = Source {
            id: None,
            title: None,
            text: "Returns take 30 days. Shipping is free. Ask us.".into(),
            pairs: vec![
                pair("How long do returns take?", "Returns take 30 days."),
                pair("Is shipping free?", "Shipping is free."),
            ],
        };
        let at = |start, end| Span { start, end };
        // The first answer exactly, twice; the second not at all.
        let made = [
            ("How long do returns take?".to_owned(), at(0, 21)),
            ("When can I return it?".to_owned(), at(0, 20)),
            ("Whom?".to_owned(), at(40, 47)),
        ];
        let counts = Qa::count(&source, &made);
        assert_eq!(counts, [1.0, 3.0, 2.0, 1.0]);
        assert!((f1(&counts) - 0.4).abs() < 1e-9 && (precision(&counts) - 1.0 / 3.0).abs() < 1e-9);
        assert_eq!(shared(at(0, 10), at(5, 10)), 0.5);
        assert_eq!(shared(at(0, 5), at(5, 10)), 0.0);
    }

    #[test]
    fn an_answer_over_two_lines_is_found() {
        let text = "Returns are\nfree for 30\u{a0}days. Ask us.";
        let answer = "Returns are\nfree for 30\u{a0}days.".to_owned();
        let pairs = vec![Wanted { question: "Are returns free?".into(), answer }];
        let source = Source { id: None, title: None, text: text.into(), pairs };
        let made = [("Are returns free?".to_owned(), Span { start: 0, end: 29 })];
        assert_eq!(Qa::count(&source, &made), [1.0, 1.0, 1.0, 1.0]);
    }

    #[test]
    fn a_byte_order_mark_is_no_fault() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("qa.jsonl");
        let row = "{\"text\":\"It is blue.\",\"pairs\":[{\"question\":\"What colour?\",\"answer\":\"It is blue.\"}]}\n";
        fs_err::write(&file, format!("\u{feff}{row}{row}")).unwrap();
        assert_eq!(Source::read(&file).unwrap().len(), 2);
    }

    #[test]
    fn a_bad_source_is_named_by_its_line() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("qa.jsonl");
        fs_err::write(&file, "{\"text\":\"a\",\"pairs\":[{\"question\":\"b?\",\"answer\":\"c\"}]}\n")
            .unwrap();
        let fault = Source::read(&file).unwrap_err().to_string();
        assert!(fault.ends_with("qa.jsonl:1: the answer of pair 1 is no piece of the text"), "{fault}");
    }
}
