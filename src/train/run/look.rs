//! Looks at a part that is not trained on.

use super::checkpoint::{Kept, State};
use super::net::Diverged;
use super::{Loss, Net, NetError};
use crate::domain::run::Part;
use crate::train::data::batch;
use crate::train::data::corpus::Corpus;

/// Examples whose lengths are planned together.
const CHUNK: usize = 256;

/// The loss on a part, `tokens` at a time (or one example).
///
/// # Errors
/// A loss that is not a number, with its row.
pub(super) fn at(corpus: &Corpus, part: Part, net: &dyn Net, tokens: usize) -> anyhow::Result<Loss> {
    let mut loss = Loss::default();
    for examples in corpus.part(part).chunks(CHUNK) {
        let lengths: Vec<usize> = examples.iter().map(|n| corpus.tokens(*n)).collect();
        for cut in batch::micro(&lengths, tokens) {
            let rows = corpus.read(&examples[cut.clone()])?;
            let found = net.loss(&rows).map_err(|fault| match fault {
                NetError::NonFinite { row, loss } => {
                    let id = corpus.row_id(examples[cut.start + row]);
                    let fault = format!("row {id} of the held-out part: the loss is {loss}; lower train.lr");
                    Diverged(fault).into()
                }
                NetError::Gradient(fault) => Diverged(fault).into(),
                NetError::Other(fault) => fault,
            })?;
            loss.add(found);
        }
    }
    if loss.sum.is_finite() {
        return Ok(loss);
    }
    Err(Diverged(format!("the loss on the held-out part is {}; lower train.lr", loss.sum)).into())
}

/// Puts the step's loss among the best `keep`. True if it is the best of all.
pub(super) fn keep(state: &mut State, dev_loss: f64, keep: usize) -> bool {
    let at = state.best.partition_point(|kept| kept.dev_loss <= dev_loss);
    state.best.insert(at, Kept { step: state.step, dev_loss });
    state.best.truncate(keep.max(1));
    at == 0
}
