//! The whole network: rows in, losses and the adapter's gradients out.

use std::ops::Range;
use std::sync::Arc;

use candle_core::{Device, Tensor};
use rayon::ThreadPool;

use super::super::TrainError;
use super::super::example::Example;
use super::super::kernels::{Noise, mix};
use super::adapter::{Adapter, Live};
use super::config::Config;
use super::frozen::Frozen;
use super::head::Head;
use super::layer::{Layer, Pick, Scene};
use super::linear::{Shared, Want};
use super::pack::{Limits, Pack, check_ids, packs};
use super::{LossSum, Options, Pass, rope};

/// A frozen decoder and the adapter that is learnt.
pub struct Network {
    pub(super) config: Config,
    pub(super) words: Arc<Frozen>,
    pub(super) layers: Vec<Layer>,
    pub(super) head: Head,
    pub(super) adapter: Adapter,
    /// Share of the adapter's inputs that are zeroed while training.
    pub(super) dropout: f64,
    pub(super) options: Options,
    pub(super) device: Device,
    pub(super) pool: Arc<ThreadPool>,
    /// See [`rope::speeds`].
    pub(super) speeds: Vec<f32>,
}

/// One pack's run through the network.
struct Run<'a> {
    pack: &'a Pack,
    live: &'a Live,
    turns: super::super::kernels::Turns,
    /// `None` while nothing is dropped: rate, key, the texts before and after the pick.
    noise: Option<Dropped>,
    /// Rows that matter at the end.
    picked: Tensor,
}

/// What dropout needs to know.
struct Dropped {
    rate: f64,
    key: u64,
    texts: Vec<(u64, Range<usize>)>,
    picked: Vec<(u64, Range<usize>)>,
}

/// The number of each text in the run's order, and its rows.
type Texts = [(u64, Range<usize>)];

impl Network {
    /// Adds the gradients of these rows, scaled by `pass.scale`, to the adapter's, and gives their loss. A row without
    /// learnt tokens adds nothing.
    ///
    /// # Errors
    /// A row the model cannot read; a loss that is not finite, by its row. The gradients must be thrown away then.
    pub fn backward(&mut self, rows: &[Example], pass: &Pass) -> Result<LossSum, TrainError> {
        let pool = Arc::clone(&self.pool);
        pool.install(|| {
            let live = self.adapter.live(&self.device)?;
            let mut sum = LossSum::default();
            for pack in packs(rows, &self.limits(), pass.first_row)? {
                sum += self.backward_pack(&pack, &live, pass)?;
            }
            Ok(sum)
        })
    }

    fn backward_pack(&mut self, pack: &Pack, live: &Live, pass: &Pass) -> Result<LossSum, TrainError> {
        let mut run = self.run(pack, live)?;
        if self.dropout > 0.0 {
            run.noise = Some(self.dropped(pack, pass));
        }
        let (scene, pick) = self.scene(&run);
        let last = self.layers.len() - 1;
        let (mut inputs, mut kept) = (Vec::new(), Vec::new());
        let mut x = self.words.rows(&pack.ids)?;
        for (number, layer) in self.layers.iter().enumerate() {
            let (y, keep) = layer.forward(&x, &scene, (number == last).then_some(&pick))?;
            if self.options.recompute {
                inputs.push(x);
            } else {
                kept.push(keep);
            }
            x = y;
        }
        let (losses, gradient) = self.head.loss(&x, &pack.labels, Some(pass.scale))?;
        let sums = by_text(pack, &losses, pass.first_row)?;
        let mut gradient = gradient;
        for (number, layer) in self.layers.iter().enumerate().rev() {
            let Some(g) = gradient.take() else { break };
            let pick = (number == last).then_some(&pick);
            let keep = match inputs.pop() {
                Some(x) => layer.keep(&x, &scene, pick)?.0,
                None => kept
                    .pop()
                    .ok_or_else(|| candle_core::Error::msg("a layer kept nothing. This is a bug."))?,
            };
            let want = if number == 0 { Want::Nothing } else { Want::Input };
            gradient = layer.backward((keep, &g), &scene, pick, (&mut self.adapter, want))?;
        }
        let mut sum = LossSum::default();
        sums.into_iter().for_each(|one| sum += one);
        Ok(sum)
    }

    /// The loss of each row with the adapter on; nothing is dropped, nothing is learnt.
    ///
    /// # Errors
    /// A row the model cannot read; a loss that is not finite, by its row.
    pub fn loss(&self, rows: &[Example]) -> Result<Vec<LossSum>, TrainError> {
        self.pool.install(|| {
            let live = self.adapter.live(&self.device)?;
            let mut sums = vec![LossSum::default(); rows.len()];
            for pack in packs(rows, &self.limits(), 0)? {
                let x = self.forward(&pack, &live)?;
                let (losses, _) = self.head.loss(&x, &pack.labels, None)?;
                for (row, sum) in pack.rows.iter().zip(by_text(&pack, &losses, 0)?) {
                    sums[*row] = sum;
                }
            }
            Ok(sums)
        })
    }

    /// The logits after the last of `ids`, with the adapter on.
    ///
    /// # Errors
    /// No token, or one the model cannot read.
    pub fn logits(&self, ids: &[u32]) -> Result<Vec<f32>, TrainError> {
        check_ids(ids, &self.limits()).map_err(|what| TrainError::Row { row: 0, what })?;
        if ids.is_empty() {
            return Err(TrainError::Row { row: 0, what: "no tokens".into() });
        }
        self.pool.install(|| {
            let live = self.adapter.live(&self.device)?;
            let mut pack = Pack::text(ids);
            pack.predicted = vec![ids.len() as u32 - 1];
            pack.owners = vec![0];
            let x = self.forward(&pack, &live)?;
            Ok(self.head.logits(&x)?.flatten_all()?.to_vec1()?)
        })
    }

    pub fn adapter(&self) -> &Adapter {
        &self.adapter
    }

    pub fn adapter_mut(&mut self) -> &mut Adapter {
        &mut self.adapter
    }

    /// A number that changes if any bit of the frozen weights does.
    pub fn base_checksum(&self) -> u64 {
        let frozen = self.layers.iter().flat_map(|layer| {
            [&layer.qkv.weight, &layer.out.weight, &layer.gate_up.weight, &layer.down.weight]
        });
        let sums = self.pool.install(|| {
            frozen
                .chain([&*self.words, &*self.head.words])
                // A matrix that cannot be read is not the matrix it was.
                .map(|matrix| matrix.checksum().unwrap_or(0))
                .collect::<Vec<_>>()
        });
        sums.into_iter().fold(0, |all, sum| mix(all ^ sum))
    }

    fn limits(&self) -> Limits {
        Limits { words: self.config.words, context: self.config.context }
    }

    /// The picked rows after the last layer.
    fn forward(&self, pack: &Pack, live: &Live) -> Result<Tensor, TrainError> {
        let run = self.run(pack, live)?;
        let (scene, pick) = self.scene(&run);
        let mut x = self.words.rows(&pack.ids)?;
        let last = self.layers.len() - 1;
        for (number, layer) in self.layers.iter().enumerate() {
            (x, _) = layer.forward(&x, &scene, (number == last).then_some(&pick))?;
        }
        Ok(x)
    }

    fn run<'a>(&self, pack: &'a Pack, live: &'a Live) -> Result<Run<'a>, TrainError> {
        Ok(Run {
            pack,
            live,
            turns: rope::turns(&self.speeds, pack.positions(), &self.device)?,
            noise: None,
            picked: Tensor::new(&pack.predicted[..], &self.device)?,
        })
    }

    fn dropped(&self, pack: &Pack, pass: &Pass) -> Dropped {
        let number = |text: usize| pass.first_row + pack.rows[text] as u64;
        let texts =
            pack.texts.iter().enumerate().map(|(text, range)| (number(text), range.clone())).collect();
        let mut picked: Vec<(u64, Range<usize>)> = Vec::new();
        for (at, owner) in pack.owners.iter().enumerate() {
            match picked.last_mut() {
                Some((text, range)) if *text == number(*owner) => range.end = at + 1,
                _ => picked.push((number(*owner), at..at + 1)),
            }
        }
        let key = mix(mix(self.options.seed).wrapping_add(pass.step));
        Dropped { rate: self.dropout, key, texts, picked }
    }

    fn scene<'a>(&self, run: &'a Run<'_>) -> (Scene<'a>, Pick<'a>) {
        let noise = |texts: fn(&Dropped) -> &Texts| {
            run.noise.as_ref().map(|noise| Noise { rate: noise.rate, key: noise.key, texts: texts(noise) })
        };
        let scene = Scene {
            heads: self.config.heads,
            eps: self.config.eps,
            texts: &run.pack.texts,
            turns: &run.turns,
            shared: Shared { live: run.live, noise: noise(|noise| &noise.texts) },
        };
        let shared = Shared { live: run.live, noise: noise(|noise| &noise.picked) };
        (scene, Pick { rows: &run.picked, shared })
    }
}

/// The sums of a pack's losses by text; `first` is the number of the call's first row.
fn by_text(pack: &Pack, losses: &[f64], first: u64) -> Result<Vec<LossSum>, TrainError> {
    let mut sums = vec![LossSum::default(); pack.texts.len()];
    for (owner, loss) in pack.owners.iter().zip(losses) {
        if !loss.is_finite() {
            return Err(TrainError::NonFinite { row: first + pack.rows[*owner] as u64, loss: *loss });
        }
        sums[*owner] += LossSum { sum: *loss, targets: 1 };
    }
    Ok(sums)
}
