//! What a conversation comes down to, in its own words: nothing here asks a model.

use crate::domain::conversation::SENTIMENT;
use crate::domain::text::clean;
use crate::domain::{About, Event, EventKind, Owner, Point, Seq, Speaker, Status};
use crate::tools::Tool;

/// The longest point, in characters.
const POINT: usize = 300;
/// Attributes and products of one summary.
const POINTS: usize = 8;
/// Messages of the shopper in which attributes are looked for.
const NEWEST: usize = 3;

/// The part of a conversation that is open now, with at least one message of the shopper in it.
pub(super) struct Gist<'a> {
    pub(super) events: &'a [Event],
    said: Vec<(Seq, &'a str)>,
}

impl<'a> Gist<'a> {
    /// `None` if the shopper said nothing.
    pub(super) fn of(events: &'a [Event]) -> Option<Self> {
        // What was resolved is settled, unless nothing came after it.
        let resolved =
            |event: &Event| matches!(event.kind, EventKind::Status { status: Status::Resolved, .. });
        let from = events.iter().rposition(resolved).map_or(0, |at| at + 1);
        let open = Self::whole(&events[from..]);
        if open.said.is_empty() {
            Some(Self::whole(events)).filter(|all| !all.said.is_empty())
        } else {
            Some(open)
        }
    }

    fn whole(events: &'a [Event]) -> Self {
        let said = events.iter().filter_map(|event| match &event.kind {
            EventKind::Said { by: Speaker::Shopper, text, .. } => Some((event.seq, text.as_str())),
            _ => None,
        });
        Self { said: said.collect(), events }
    }

    /// The shopper's newest message.
    pub(super) fn newest(&self) -> (Seq, &'a str) {
        self.said.last().copied().unwrap_or_default()
    }

    /// What the shopper asked last; the newest message if none of them asks.
    pub(super) fn question(&self) -> String {
        let asks = |text: &str| text.contains(['?', '？', '؟']);
        let asked = self.said.iter().rev().find(|(_, text)| asks(text)).or(self.said.last());
        short(asked.map_or("", |(_, text)| text))
    }

    /// All that the shopper said.
    pub(super) fn words(&self) -> String {
        self.said.iter().map(|(_, text)| *text).collect::<Vec<_>>().join("\n")
    }

    /// The newest of it, at most `chars` characters.
    pub(super) fn newest_words(&self, chars: usize) -> String {
        let from = self.said.len().saturating_sub(NEWEST);
        let words = self.said[from..].iter().map(|(_, text)| *text).collect::<Vec<_>>().join("\n");
        words.chars().take(chars).collect()
    }

    /// What colleagues found in the shopper's messages.
    pub(super) fn attributes(&self) -> Vec<Point> {
        let mut points = Vec::new();
        for event in self.events {
            let EventKind::Tool { name, outcome } = &event.kind else { continue };
            let of = outcome.get("of").and_then(serde_json::Value::as_u64);
            if name != Tool::Extract.name() || !self.said.iter().any(|(seq, _)| Some(*seq) == of) {
                continue;
            }
            let found = outcome.get("attributes").and_then(|found| found.as_array());
            let text = |one: &serde_json::Value, key| one.get(key)?.as_str().map(str::to_owned);
            let pairs =
                found.into_iter().flatten().filter_map(|one| Some((text(one, "name")?, text(one, "value")?)));
            add(&mut points, pairs.map(|(name, value)| attribute(&name, &value)).collect());
        }
        points
    }

    /// The mood that was read last, and of which message.
    pub(super) fn mood(&self) -> Option<(Seq, &'a str)> {
        self.events.iter().rev().find_map(|event| match &event.kind {
            EventKind::Tool { name, outcome } if name == SENTIMENT && outcome.get("by").is_none() => {
                Some((outcome.get("of")?.as_u64()?, outcome.get("label")?.as_str()?))
            }
            _ => None,
        })
    }

    /// Why a person was wanted last.
    pub(super) fn reason(&self) -> Option<Point> {
        let why = self.events.iter().rev().find_map(|event| match &event.kind {
            EventKind::Owner { owner: Owner::Queue, why, .. } => *why,
            _ => None,
        })?;
        let name = serde_json::to_value(why.reason).ok()?.as_str()?.to_owned();
        Some(Point { about: About::Reason, name: None, text: name })
    }
}

pub(super) fn product(name: &str) -> Point {
    Point { about: About::Product, name: None, text: short(name) }
}

pub(super) fn attribute(name: &str, value: &str) -> Point {
    Point { about: About::Attribute, name: Some(short(name)), text: short(value) }
}

/// Adds what was found; of one attribute the newest stays.
pub(super) fn add(points: &mut Vec<Point>, found: Vec<Point>) {
    for point in found {
        points.retain(|known| known.about != About::Attribute || known.name != point.name);
        if points.len() < POINTS {
            points.push(point);
        }
    }
}

/// The points in words, for the search and for programs: those that are somebody's words.
pub(super) fn text(points: &[Point]) -> String {
    let lines = points.iter().filter_map(|point| match (point.about, &point.name) {
        (About::Question | About::Product, _) | (About::Attribute, None) => Some(point.text.clone()),
        (About::Attribute, Some(name)) => Some(format!("{name}: {}", point.text)),
        (About::Mood | About::Reason, _) => None,
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// One line, cut where it is too long.
fn short(text: &str) -> String {
    bounded(text, POINT).unwrap_or_default()
}

/// `text` on one line and within `chars` characters; none if nothing is left.
pub(super) fn bounded(text: &str, chars: usize) -> Option<String> {
    let line = clean(text).split_whitespace().collect::<Vec<_>>().join(" ");
    let mut short: String = line.chars().take(chars).collect();
    if short.len() < line.len() {
        short.pop();
        short.push('…');
    }
    (!short.is_empty()).then_some(short)
}

/// `text` up to the end of its last whole sentence; all of it if it has none.
pub(super) fn whole_sentences(text: &str) -> String {
    let end = text.char_indices().rev().find(|(_, c)| matches!(c, '.' | '!' | '?' | '。' | '！' | '？'));
    end.map_or(text, |(at, c)| &text[..at + c.len_utf8()]).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Cmid, ConvId, HandOff, Reason};

    fn events(kinds: Vec<EventKind>) -> Vec<Event> {
        let conv = ConvId::from_bytes([1; 16]);
        (1..).zip(kinds).map(|(seq, kind)| Event { conv, seq, at: seq, kind }).collect()
    }

    fn said(text: &str) -> EventKind {
        EventKind::Said { cmid: Cmid(uuid::Uuid::nil()), by: Speaker::Shopper, text: text.to_owned() }
    }

    fn resolved() -> EventKind {
        EventKind::Status { status: Status::Resolved, shopper: None }
    }

    fn tool(name: &str, outcome: serde_json::Value) -> EventKind {
        EventKind::Tool { name: name.to_owned(), outcome }
    }

    #[test]
    fn the_open_part_counts_and_its_last_question() {
        let all =
            events(vec![said("Do you ship?"), resolved(), said("Is it warm?"), said("I mean the jacket.")]);
        let gist = Gist::of(&all).expect("something was said");
        assert_eq!((gist.question().as_str(), gist.newest()), ("Is it warm?", (4, "I mean the jacket.")));
        assert_eq!(gist.words(), "Is it warm?\nI mean the jacket.");
        let all = events(vec![said("Do you ship?"), resolved()]);
        assert_eq!(Gist::of(&all).expect("all of it").question(), "Do you ship?");
        assert!(Gist::of(&events(vec![resolved()])).is_none());
    }

    #[test]
    fn findings_count_only_where_the_shopper_said_them() {
        let found = |of, value| {
            tool(
                "extract",
                serde_json::json!({"of": of, "by": "anna", "attributes": [{"name": "Size", "value": value}]}),
            )
        };
        let mood = |of, label| tool("sentiment", serde_json::json!({"of": of, "label": label}));
        let by = tool("sentiment", serde_json::json!({"of": 1, "label": "positive", "by": "anna"}));
        let why = Some(HandOff { reason: Reason::Mood, away: false });
        let queue = EventKind::Owner { owner: Owner::Queue, epoch: 1, staff: None, why, by: None };
        let all = events(vec![
            said("42 or 43"),
            found(1, "42"),
            found(9, "99"),
            found(1, "43"),
            mood(1, "negative"),
            by,
            queue,
        ]);
        let gist = Gist::of(&all).expect("something was said");
        assert_eq!(gist.attributes(), [attribute("Size", "43")]);
        assert_eq!(gist.mood(), Some((1, "negative")));
        assert_eq!(gist.reason().map(|point| point.text).as_deref(), Some("mood"));
    }

    #[test]
    fn everything_is_one_bounded_line() {
        let all = events(vec![said(&format!("a\nb \u{202E}{}?", "x".repeat(1_000)))]);
        let question = Gist::of(&all).expect("something was said").question();
        assert!(question.starts_with("a b x") && question.ends_with('…'));
        assert_eq!(question.chars().count(), POINT);
        assert_eq!(whole_sentences("It fits. It is war"), "It fits.");
        assert_eq!(whole_sentences("It is war"), "It is war");
    }
}
