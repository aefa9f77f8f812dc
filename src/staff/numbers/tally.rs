//! What was counted, in quarters of an hour: the days of every time zone begin between two of them.
//!
//! Numbers only, never a word of anybody: it may stay when a conversation is erased.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::clock::Millis;
use crate::domain::{Provenance, Thumb};

/// A quarter of an hour.
pub(super) const QUARTER: Millis = 15 * 60 * 1000;

/// Things that are counted, each in the quarter in which it happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Sums {
    /// Conversations in which the shopper said something for the first time.
    pub conversations: u64,
    /// Messages of shoppers.
    pub messages: u64,
    /// Answers the model made. What was said in its place, and what failed, is not counted.
    pub replies: u64,
    /// Messages of colleagues.
    pub by_staff: u64,
    /// Cases that left the assistant for a person, once each.
    pub handoffs: u64,
    /// Cases that ended without a person; see [`super::cases`].
    pub resolved_by_model: u64,
    /// Those among them that nobody closed: the shopper did not come back for a day.
    pub resolved_quietly: u64,
    pub resolved_by_staff: u64,
    /// Judgements; of several of one message the last one counts.
    pub up: u64,
    pub down: u64,
    /// Messages of shoppers whose mood was read.
    pub mood: Moods,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Moods {
    pub positive: u64,
    pub neutral: u64,
    pub negative: u64,
}

impl Sums {
    pub(super) fn add(&mut self, other: &Self) {
        self.conversations += other.conversations;
        self.messages += other.messages;
        self.replies += other.replies;
        self.by_staff += other.by_staff;
        self.handoffs += other.handoffs;
        self.resolved_by_model += other.resolved_by_model;
        self.resolved_quietly += other.resolved_quietly;
        self.resolved_by_staff += other.resolved_by_staff;
        self.up += other.up;
        self.down += other.down;
        self.mood.add(&other.mood);
    }
}

impl Moods {
    pub(super) fn add(&mut self, other: &Self) {
        self.positive += other.positive;
        self.neutral += other.neutral;
        self.negative += other.negative;
    }

    /// One more of what a finding says.
    pub(super) fn count(&mut self, label: &str) {
        match label {
            "positive" => self.positive += 1,
            "neutral" => self.neutral += 1,
            "negative" => self.negative += 1,
            _ => {}
        }
    }
}

/// Who made a reply: a model, alone or with an adapter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Maker {
    pub(super) model: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) adapter: Option<String>,
}

/// A place in [`Tally::makers`].
pub(super) type MakerId = u32;

/// What became of one maker's replies. Times are milliseconds, as the shopper waited.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Made {
    pub(super) replies: u64,
    pub(super) up: u64,
    pub(super) down: u64,
    pub(super) handoffs: u64,
    /// Cases in which it had the last word, solved without a person.
    pub(super) resolved_by_model: u64,
    /// Of what shoppers said next.
    pub(super) mood: Moods,
    pub(super) first: Vec<u32>,
    pub(super) total: Vec<u32>,
}

impl Made {
    pub(super) fn add(&mut self, other: &Self) {
        self.replies += other.replies;
        self.up += other.up;
        self.down += other.down;
        self.handoffs += other.handoffs;
        self.resolved_by_model += other.resolved_by_model;
        self.mood.add(&other.mood);
        self.first.extend(&other.first);
        self.total.extend(&other.total);
    }
}

/// A quarter of an hour in which something happened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Quarter {
    pub(super) sums: Sums,
    /// Waits for the first word of a person, in milliseconds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) waits: Vec<u32>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) made: BTreeMap<MakerId, Made>,
}

impl Quarter {
    /// One more case solved by the model alone, `maker` had its last word.
    pub(super) fn solve(&mut self, maker: Option<MakerId>) {
        self.sums.resolved_by_model += 1;
        if let Some(maker) = maker {
            self.made.entry(maker).or_default().resolved_by_model += 1;
        }
    }

    /// One more judgement, of what `maker` made.
    pub(super) fn judge(&mut self, value: Thumb, maker: Option<MakerId>) {
        let mut nobody = Made::default();
        let made = maker.map_or(&mut nobody, |maker| self.made.entry(maker).or_default());
        match value {
            Thumb::Up => (self.sums.up, made.up) = (self.sums.up + 1, made.up + 1),
            Thumb::Down => (self.sums.down, made.down) = (self.sums.down + 1, made.down + 1),
        }
    }

    /// Takes a judgement back that [`Self::judge`] counted.
    pub(super) fn unjudge(&mut self, value: Thumb, maker: Option<MakerId>) {
        let mut nobody = Made::default();
        let made = maker.map_or(&mut nobody, |maker| self.made.entry(maker).or_default());
        let (sum, own) = match value {
            Thumb::Up => (&mut self.sums.up, &mut made.up),
            Thumb::Down => (&mut self.sums.down, &mut made.down),
        };
        *sum = sum.saturating_sub(1);
        *own = own.saturating_sub(1);
    }
}

/// Everything that was ever counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Tally {
    pub(super) makers: Vec<Maker>,
    /// By number since 1970, in UTC.
    pub(super) quarters: BTreeMap<u64, Quarter>,
}

impl Tally {
    pub(super) fn quarter(&mut self, at: Millis) -> &mut Quarter {
        self.quarters.entry(at / QUARTER).or_default()
    }

    pub(super) fn maker(&mut self, by: &Provenance) -> MakerId {
        let is = |maker: &Maker| maker.model == by.model && maker.adapter == by.adapter;
        let known = self.makers.iter().position(is).unwrap_or_else(|| {
            self.makers.push(Maker { model: by.model.clone(), adapter: by.adapter.clone() });
            self.makers.len() - 1
        });
        known as MakerId
    }
}
