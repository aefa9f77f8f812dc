//! What became of the store's conversations: counted, with examples by id and never a word of what was written.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::redact::{Kind, Redacted};
use crate::domain::recipe::TargetKind;
use crate::domain::{ConvId, Seq};

/// Examples given for each reason.
const EXAMPLES: usize = 5;

/// `report.json` of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Conversations in the store.
    pub conversations: u64,
    /// Those that the recipe chose.
    pub chosen: u64,
    /// Rows written.
    pub rows: u64,
    /// Answers to be learnt, by where they come from.
    pub targets: Counted,
    /// Answers that went into the row of an earlier one.
    pub merged: u64,
    /// Stretches of personal data taken out of the chosen conversations.
    pub redacted: BTreeMap<Kind, u64>,
    pub left_out: BTreeMap<Reason, LeftOut>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    pub staff: u64,
    pub corrected: u64,
    pub liked: u64,
}

/// Why a conversation, or an answer in one, became no row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Not touched between `since` and `until`.
    Date,
    /// Not among the named conversations.
    NotNamed,
    /// None of the tags.
    Tag,
    /// No answer in it that was rated as wanted.
    Rating,
    /// None of those in `answered_by` answered.
    AnsweredBy,
    /// Nothing in it that the recipe wants learnt.
    NoTarget,
    /// The shopper had asked nothing yet.
    NoQuestion,
    /// Rated down and not corrected.
    RatedDown,
    /// Rated up, but cut short.
    CutShort,
    /// Fewer words than `rows.min_words`.
    TooShort,
    /// Question and answer together are longer than `data.max_tokens`.
    TooLong,
    /// The same question and answer as another.
    Duplicate,
    /// Nearly the same question and answer as another.
    NearDuplicate,
    /// More than `data.store.per_shopper` of one shopper.
    ShopperCap,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    pub count: u64,
    /// `CONVERSATION` or `CONVERSATION#EVENT`.
    pub examples: Vec<String>,
}

impl Report {
    pub(super) fn leave_out(&mut self, reason: Reason, conv: ConvId, seq: Option<Seq>) {
        let out = self.left_out.entry(reason).or_default();
        out.count += 1;
        if out.examples.len() < EXAMPLES {
            out.examples.push(seq.map_or_else(|| conv.to_string(), |seq| format!("{conv}#{seq}")));
        }
    }

    pub(super) fn count(&mut self, kind: TargetKind) {
        let counted = match kind {
            TargetKind::Staff => &mut self.targets.staff,
            TargetKind::Corrected => &mut self.targets.corrected,
            TargetKind::Liked => &mut self.targets.liked,
        };
        *counted += 1;
    }

    pub(super) fn redacted_in(&mut self, redacted: &Redacted) {
        for (kind, count) in &redacted.counts {
            *self.redacted.entry(*kind).or_default() += count;
        }
    }
}

impl std::fmt::Display for Report {
    /// A few lines for a terminal.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Counted { staff, corrected, liked } = self.targets;
        writeln!(f, "{} of {} conversations chosen, {} rows", self.chosen, self.conversations, self.rows)?;
        writeln!(f, "answers to learn: {staff} of staff, {corrected} corrected, {liked} rated up")?;
        for (kind, count) in &self.redacted {
            writeln!(f, "taken out: {count} {}", name(kind))?;
        }
        for (reason, out) in &self.left_out {
            writeln!(f, "left out: {} {} (e.g. {})", out.count, name(reason), out.examples.join(", "))?;
        }
        Ok(())
    }
}

/// The name in JSON of a value without fields.
fn name<T: Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
