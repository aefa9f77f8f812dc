//! How many steps there are, and which examples each one takes: a matter of the recipe and the data alone, so that a resumed
//! run goes on where the killed one was.

use crate::domain::recipe::TrainRecipe;
use crate::train::data::batch;

/// The steps of a run.
#[derive(Clone, Debug)]
pub struct Plan {
    lengths: Vec<usize>,
    batch: usize,
    seed: u64,
    /// Steps in all.
    pub steps: usize,
    /// Steps of one epoch.
    pub per_epoch: usize,
    /// The batches of the epoch that was asked for last.
    held: Option<(u64, Vec<Vec<usize>>)>,
}

impl Plan {
    /// `lengths`: tokens of each example of the training part.
    pub fn new(lengths: Vec<usize>, train: &TrainRecipe) -> Self {
        let per_epoch = lengths.len().div_ceil(train.batch).max(1);
        let by_epochs = (train.epochs * per_epoch as f64).ceil().max(1.0) as usize;
        let steps = if train.max_steps > 0 { by_epochs.min(train.max_steps) } else { by_epochs };
        Self { lengths, batch: train.batch, seed: train.seed, steps, per_epoch, held: None }
    }

    /// The examples of step `step` (from 1), as positions in the training part.
    pub fn batch(&mut self, step: usize) -> Vec<usize> {
        let at = step.saturating_sub(1);
        let epoch = (at / self.per_epoch) as u64;
        if self.held.as_ref().is_none_or(|(held, _)| *held != epoch) {
            self.held = Some((epoch, batch::epoch(&self.lengths, self.batch, self.seed, epoch)));
        }
        let batches = self.held.as_ref().map_or(&[][..], |(_, batches)| batches);
        batches.get(at % self.per_epoch).cloned().unwrap_or_default()
    }

    /// Epochs done after `step` steps.
    pub fn epoch(&self, step: usize) -> f64 {
        step as f64 / self.per_epoch as f64
    }

    /// Whether the dev part is looked at after `step`: every `every` steps (0: every epoch), and at the end.
    pub fn is_look(&self, step: usize, every: usize) -> bool {
        let every = if every == 0 { self.per_epoch } else { every };
        step.is_multiple_of(every) || step == self.steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_follow_from_epochs_batch_and_limit() {
        let plan = |epochs, max_steps| {
            let train = TrainRecipe { epochs, max_steps, batch: 4, ..TrainRecipe::default() };
            Plan::new(vec![5; 10], &train)
        };
        assert_eq!(
            (plan(1.0, 0).steps, plan(2.5, 0).steps, plan(0.1, 0).steps, plan(9.0, 4).steps),
            (3, 8, 1, 4)
        );
        let mut two = plan(2.0, 0);
        let mut seen: Vec<usize> = (4..=6).flat_map(|step| two.batch(step)).collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..10).collect::<Vec<_>>(), "an epoch sees every example once");
        assert_eq!((1..=6).filter(|s| two.is_look(*s, 0)).collect::<Vec<_>>(), [3, 6]);
        assert_eq!((1..=6).filter(|s| two.is_look(*s, 4)).collect::<Vec<_>>(), [4, 6]);
    }
}
