//! How shoppers judged replies, by who made them: the figures that tell a candidate from what serves.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Desk, DeskError};
use crate::domain::{ConvId, Ended, Event, EventKind, Seq, Thumb};
use crate::telemetry::metric;

/// Conversations read at once.
const PAGE: usize = 500;
/// The normal distribution's 97.5 % point.
const Z: f64 = 1.959_964;

/// What became of one version's replies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Replies the model made itself; what the guard or a lookup answered in its place is not counted.
    pub replies: u64,
    pub up: u64,
    pub down: u64,
}

impl Tally {
    /// The share of thumbs that are up, and its 95 % interval by Wilson (1927), all between 0 and 1; `None` without any.
    pub fn liked(&self) -> Option<[f64; 3]> {
        let n = (self.up + self.down) as f64;
        if n == 0.0 {
            return None;
        }
        let share = self.up as f64 / n;
        let middle = (share + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
        let half = Z / (1.0 + Z * Z / n) * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
        Some([share, (middle - half).max(0.0), (middle + half).min(1.0)])
    }
}

/// Who made a reply: `name@version` of its adapter, or the model's name. `None` if no model did.
pub fn made_by(event: &Event) -> Option<&str> {
    match &event.kind {
        EventKind::Reply { provenance: Some(by), ended, .. } if *ended != Ended::Refused => {
            Some(by.adapter.as_deref().unwrap_or(&by.model))
        }
        _ => None,
    }
}

/// Adds all events of one conversation, in order. Of several judgements of a reply the last one counts.
pub fn tally(events: &[Event], into: &mut BTreeMap<String, Tally>) {
    let mut judged: BTreeMap<Seq, Thumb> = BTreeMap::new();
    for event in events {
        if let EventKind::Rating { of, value, .. } = &event.kind {
            judged.insert(*of, *value);
        }
    }
    for event in events {
        let Some(by) = made_by(event) else { continue };
        let tally = into.entry(by.to_owned()).or_default();
        tally.replies += 1;
        match judged.get(&event.seq) {
            Some(Thumb::Up) => tally.up += 1,
            Some(Thumb::Down) => tally.down += 1,
            None => {}
        }
    }
}

impl Desk {
    /// Replies and ratings of every version that ever answered. Reads all conversations: not for a web worker.
    pub fn ratings(&self) -> Result<BTreeMap<String, Tally>, DeskError> {
        let mut ratings = BTreeMap::new();
        let mut after = None;
        loop {
            let page = self.0.store.conversations(after, PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(ratings) };
            after = Some(*last);
            for (conv, _) in page {
                tally(&self.0.store.events(conv, 0, usize::MAX)?, &mut ratings);
            }
        }
    }

    /// Counts a judgement for the version that was judged.
    pub(super) fn count_rating(&self, conv: ConvId, of: Seq, value: Thumb) {
        let Ok(events) = self.0.store.events(conv, of.saturating_sub(1), 1) else { return };
        if let Some(by) = events.first().and_then(made_by) {
            let value = if value == Thumb::Up { "up" } else { "down" };
            metrics::counter!(metric::RATINGS, "by" => by.to_owned(), "value" => value).increment(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{MessageId, Provenance};

    fn event(seq: Seq, kind: EventKind) -> Event {
        Event { conv: ConvId(uuid::Uuid::nil()), seq, at: seq, kind }
    }

    fn reply(seq: Seq, adapter: Option<&str>, ended: Ended) -> Event {
        let provenance = Provenance {
            model: "small".to_owned(),
            adapter: adapter.map(str::to_owned),
            ..Provenance::default()
        };
        let mid = MessageId(uuid::Uuid::nil());
        let provenance = Some(provenance);
        event(seq, EventKind::Reply { mid, upto: seq - 1, text: String::new(), ended, provenance })
    }

    fn thumb(seq: Seq, of: Seq, value: Thumb) -> Event {
        event(seq, EventKind::Rating { of, value, comment: None })
    }

    #[test]
    fn ratings_go_to_who_made_the_reply_and_the_last_one_counts() {
        let events = [
            reply(2, None, Ended::Complete),
            thumb(3, 2, Thumb::Down),
            reply(5, Some("shop@1"), Ended::Complete),
            thumb(6, 5, Thumb::Down),
            thumb(7, 5, Thumb::Up),
            reply(9, Some("shop@1"), Ended::Length),
            reply(11, Some("shop@1"), Ended::Refused),
            thumb(12, 11, Thumb::Down),
            thumb(13, 1, Thumb::Up),
        ];
        let mut ratings = BTreeMap::new();
        tally(&events, &mut ratings);
        assert_eq!(ratings["small"], Tally { replies: 1, up: 0, down: 1 });
        assert_eq!(ratings["shop@1"], Tally { replies: 2, up: 1, down: 0 });
        assert_eq!(ratings.len(), 2);
    }

    #[test]
    fn the_interval_is_wilsons() {
        // 8 of 10: statsmodels' proportion_confint(8, 10, method="wilson").
        let [share, low, high] = Tally { replies: 10, up: 8, down: 2 }.liked().expect("ten thumbs");
        assert!(
            (share - 0.8).abs() < 1e-9 && (low - 0.490_162).abs() < 1e-4 && (high - 0.943_318).abs() < 1e-4
        );
        assert_eq!(Tally::default().liked(), None);
    }
}
