//! A span of days as figures.
//!
//! Percentiles are exact, over every single time and not over averages: the nearest rank, that is the smallest time that at
//! least so many percent of all are not above.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::{Date, date};
use serde::Serialize;
use utoipa::ToSchema;

use super::questions::Unanswered;
use super::tally::{Made, MakerId, Moods, QUARTER, Sums, Tally};
use crate::clock::Millis;
use crate::staff::StaffError;

/// Days of one report, at most.
pub const MAX_DAYS: i64 = 400;
/// Days of a report of which no beginning is asked for.
const DAYS: i64 = 30;
const DAY: Millis = 24 * 60 * 60 * 1000;
const QUARTERS: u64 = 96;
/// Minutes east of UTC there are on the earth: from Baker Island to Kiritimati.
const OFFSETS: std::ops::RangeInclusive<i32> = -12 * 60..=14 * 60;

/// The days of a report, as somebody in one time zone counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Days since 1970.
    first: i64,
    /// How many.
    days: i64,
    /// Minutes east of UTC.
    offset: i32,
}

/// What somebody asks for: days as `2026-11-01`, both inclusive, and minutes east of UTC.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    pub from: Option<&'a str>,
    pub to: Option<&'a str>,
    pub offset: Option<i32>,
}

impl Span {
    /// Without an end it ends `now`; without a beginning it has 30 days.
    ///
    /// # Errors
    /// `BadSpan` for what is no day, ends before it begins, is too long, or has an offset that no place has.
    pub fn of(wanted: &Wanted<'_>, now: Millis) -> Result<Self, StaffError> {
        let offset = wanted.offset.unwrap_or(0);
        if !OFFSETS.contains(&offset) || offset % 15 != 0 {
            return Err(StaffError::BadSpan);
        }
        let today = (now as i64 + i64::from(offset) * 60_000).div_euclid(DAY as i64);
        let last = wanted.to.map_or(Ok(today), number)?;
        let first = wanted.from.map_or(Ok(last - DAYS + 1), number)?;
        let days = last - first + 1;
        if !(1..=MAX_DAYS).contains(&days) || first < 1 {
            return Err(StaffError::BadSpan);
        }
        Ok(Self { first, days, offset })
    }

    /// Its first millisecond, and the first after it.
    pub(super) fn bounds(&self) -> (Millis, Millis) {
        let begin = |day: i64| (day * DAY as i64 - i64::from(self.offset) * 60_000).max(0) as Millis;
        (begin(self.first), begin(self.first + self.days))
    }
}

/// Days since 1970.
fn number(day: &str) -> Result<i64, StaffError> {
    let day: Date = day.parse().map_err(|_| StaffError::BadSpan)?;
    let since = day.since(date(1970, 1, 1)).map_err(|_| StaffError::BadSpan)?;
    Ok(i64::from(since.get_days()))
}

/// A day as people write it.
fn name(day: i64) -> String {
    let at = Timestamp::from_second(day * (DAY / 1000) as i64).unwrap_or_default();
    at.strftime("%Y-%m-%d").to_string()
}

/// Milliseconds; no percentiles of nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Times {
    pub n: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p95: Option<u32>,
}

impl Times {
    fn of(values: &mut [u32]) -> Self {
        let n = values.len();
        let mut rank = |percent: usize| {
            let at = (n * percent).div_ceil(100).checked_sub(1)?;
            Some(*values.select_nth_unstable(at).1)
        };
        Self { n, p50: rank(50), p95: rank(95) }
    }
}

/// Everything of a day, or of all days.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Figures {
    #[serde(flatten)]
    pub sums: Sums,
    /// From the shopper's message to the first word of the answer.
    pub first_ms: Times,
    /// From the shopper's message to the end of the answer.
    pub total_ms: Times,
    /// From asking for a person to a person's first word.
    pub staff_wait_ms: Times,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Day {
    pub day: String,
    #[serde(flatten)]
    pub figures: Figures,
}

/// What became of the replies of one version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ModelFigures {
    pub model: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapter: Option<String>,
    pub replies: u64,
    pub up: u64,
    pub down: u64,
    pub handoffs: u64,
    /// Cases in which it had the last word, solved without a person.
    pub resolved_by_model: u64,
    /// Of what shoppers said after a reply of it.
    pub mood: Moods,
    pub first_ms: Times,
    pub total_ms: Times,
}

/// The numbers of a span of days.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Report {
    pub from: String,
    pub to: String,
    /// False while older conversations are still being counted.
    pub ready: bool,
    pub total: Figures,
    pub days: Vec<Day>,
    /// Day of the week from 0 for Monday, hour, shoppers' messages; without those that have none.
    #[schema(value_type = Vec<Vec<u64>>)]
    pub hours: Vec<(u8, u8, u64)>,
    /// The busiest first.
    pub models: Vec<ModelFigures>,
    /// The most frequent first; at most 20.
    pub unanswered: Vec<Unanswered>,
}

/// What is gathered of a day.
#[derive(Clone, Default)]
struct Gathered {
    sums: Sums,
    first: Vec<u32>,
    total: Vec<u32>,
    waits: Vec<u32>,
}

impl Gathered {
    fn add(&mut self, other: &Self) {
        self.sums.add(&other.sums);
        self.first.extend(&other.first);
        self.total.extend(&other.total);
        self.waits.extend(&other.waits);
    }

    fn figures(mut self) -> Figures {
        Figures {
            sums: self.sums,
            first_ms: Times::of(&mut self.first),
            total_ms: Times::of(&mut self.total),
            staff_wait_ms: Times::of(&mut self.waits),
        }
    }
}

/// What was counted in `span`, without the questions.
pub(super) fn report(tally: &Tally, span: &Span) -> Report {
    let (from, to) = span.bounds();
    let first = from / QUARTER;
    let mut days = vec![Gathered::default(); span.days as usize];
    let mut hours = BTreeMap::<(u8, u8), u64>::new();
    let mut makers = BTreeMap::<MakerId, Made>::new();
    for (number, quarter) in tally.quarters.range(first..to / QUARTER) {
        let day = (number - first) / QUARTERS;
        let Some(gathered) = days.get_mut(day as usize) else { continue };
        gathered.sums.add(&quarter.sums);
        gathered.waits.extend(&quarter.waits);
        for (maker, made) in &quarter.made {
            gathered.first.extend(&made.first);
            gathered.total.extend(&made.total);
            makers.entry(*maker).or_default().add(made);
        }
        if quarter.sums.messages > 0 {
            // 1970 began on a Thursday.
            let weekday = (span.first + day as i64 + 3).rem_euclid(7) as u8;
            let hour = ((number - first) % QUARTERS / 4) as u8;
            *hours.entry((weekday, hour)).or_default() += quarter.sums.messages;
        }
    }
    let mut total = Gathered::default();
    days.iter().for_each(|day| total.add(day));
    let day = |(n, day): (i64, Gathered)| Day { day: name(span.first + n), figures: day.figures() };
    Report {
        from: name(span.first),
        to: name(span.first + span.days - 1),
        ready: false,
        total: total.figures(),
        days: (0..).zip(days).map(day).collect(),
        hours: hours.into_iter().map(|((weekday, hour), n)| (weekday, hour, n)).collect(),
        models: models(tally, makers),
        unanswered: Vec::new(),
    }
}

fn models(tally: &Tally, makers: BTreeMap<MakerId, Made>) -> Vec<ModelFigures> {
    let named = |(id, mut made): (MakerId, Made)| {
        let maker = tally.makers.get(id as usize)?;
        Some(ModelFigures {
            model: maker.model.clone(),
            adapter: maker.adapter.clone(),
            replies: made.replies,
            up: made.up,
            down: made.down,
            handoffs: made.handoffs,
            resolved_by_model: made.resolved_by_model,
            mood: made.mood,
            first_ms: Times::of(&mut made.first),
            total_ms: Times::of(&mut made.total),
        })
    };
    let mut models: Vec<ModelFigures> = makers.into_iter().filter_map(named).collect();
    models.sort_by_key(|model| std::cmp::Reverse(model.replies));
    models
}
