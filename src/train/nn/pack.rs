//! Rows made ready: texts one after the other, no padding, nothing after a row's last learnt token.

use std::ops::Range;

use super::super::TrainError;
use super::super::example::Example;

/// Tokens of one pack, if its rows are short: enough for large products, few enough to keep their results at hand.
const TOKENS: usize = 512;

/// Some texts that go through the network together.
#[derive(Debug, Default)]
pub(super) struct Pack {
    pub(super) ids: Vec<u32>,
    /// Rows of each text in the pack.
    pub(super) texts: Vec<Range<usize>>,
    /// The number of each text in the call.
    pub(super) rows: Vec<usize>,
    /// Where a learnt token is predicted, and which one it is.
    pub(super) predicted: Vec<u32>,
    pub(super) labels: Vec<u32>,
    /// The text of each label, as an index of `texts`.
    pub(super) owners: Vec<usize>,
}

/// What a model can take.
pub(super) struct Limits {
    pub(super) words: usize,
    pub(super) context: usize,
}

/// Packs `rows` in their order. A row without learnt tokens is left out.
///
/// # Errors
/// A row that does not fit the model, by its number counted from `first`.
pub(super) fn packs(rows: &[Example], limits: &Limits, first: u64) -> Result<Vec<Pack>, TrainError> {
    let mut packs: Vec<Pack> = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        check(row, limits).map_err(|what| TrainError::Row { row: first + number as u64, what })?;
        let Some(last) = row.targets.iter().rposition(|target| *target) else { continue };
        match packs.last_mut() {
            Some(pack) if pack.ids.len() + last <= TOKENS => pack.push(row, last, number),
            _ => {
                let mut pack = Pack::default();
                pack.push(row, last, number);
                packs.push(pack);
            }
        }
    }
    Ok(packs)
}

impl Pack {
    /// A text without learnt tokens.
    pub(super) fn text(ids: &[u32]) -> Self {
        Self {
            ids: ids.to_vec(),
            texts: std::iter::once(0..ids.len()).collect(),
            rows: vec![0],
            ..Self::default()
        }
    }

    fn push(&mut self, row: &Example, last: usize, number: usize) {
        let start = self.ids.len();
        // Token `last` is only ever predicted.
        self.ids.extend(&row.ids[..last]);
        for (at, id) in row.ids.iter().enumerate().take(last + 1).filter(|(at, _)| row.targets[*at]) {
            self.predicted.push((start + at - 1) as u32);
            self.labels.push(*id);
            self.owners.push(self.texts.len());
        }
        self.texts.push(start..self.ids.len());
        self.rows.push(number);
    }

    /// The position of each token in its own text.
    pub(super) fn positions(&self) -> impl Iterator<Item = usize> {
        self.texts.iter().flat_map(|text| 0..text.len())
    }
}

/// Whether the model can read `ids`.
pub(super) fn check_ids(ids: &[u32], limits: &Limits) -> Result<(), String> {
    if let Some(id) = ids.iter().find(|id| **id as usize >= limits.words) {
        return Err(format!("token {id} is not one of the model's {} words", limits.words));
    }
    if ids.len() > limits.context {
        return Err(format!("{} tokens; the model reads at most {}", ids.len(), limits.context));
    }
    Ok(())
}

fn check(row: &Example, limits: &Limits) -> Result<(), String> {
    check_ids(&row.ids, limits)?;
    if row.ids.len() != row.targets.len() {
        return Err(format!("{} tokens but {} marks", row.ids.len(), row.targets.len()));
    }
    if row.targets.first() == Some(&true) {
        return Err("the first token cannot be learnt: nothing is before it".into());
    }
    Ok(())
}
