//! A frozen matrix, or several beside each other, with an adapter at each.
//!
//! Queries, keys and values share their input and so become one product, as do gate and up.

use std::ops::Range;

use candle_core::{Result, Tensor};

use super::super::kernels::{Noise, add_bias, add_into, add_product, dropout, mix};
use super::adapter::{Adapter, Live};
use super::frozen::Frozen;

/// `y = x W^T + bias`, and at each site `y[:, columns] += scale * dropout(x) A^T B^T`.
#[derive(Debug)]
pub(super) struct Linear {
    pub(super) weight: Frozen,
    /// `(outputs)`
    pub(super) bias: Option<Tensor>,
    pub(super) sites: Vec<Site>,
}

/// Where an adapter's pair sits.
#[derive(Debug)]
pub(super) struct Site {
    /// Of the outputs.
    pub(super) columns: Range<usize>,
    /// The number of the pair; also decides its dropout masks.
    pub(super) pair: usize,
}

/// What all layers of one pass share.
pub(super) struct Shared<'a> {
    pub(super) live: &'a Live,
    /// Absent when nothing is dropped.
    pub(super) noise: Option<Noise<'a>>,
}

/// What the way back needs of the adapters: `dropout(x) A^T` of each site, `(rows, rank)`.
pub(super) type Thin = Vec<Tensor>;

/// Whether the gradient of the input is needed; that of the first layer's is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    Input,
    Nothing,
}

impl Linear {
    /// `(rows, inputs)` to `(rows, outputs)`.
    pub(super) fn forward(&self, x: &Tensor, shared: &Shared<'_>) -> Result<(Tensor, Thin)> {
        let thin = self.thin(x, shared)?;
        Ok((self.finish(x, &thin, shared)?, thin))
    }

    /// The first half of the adapters' work.
    pub(super) fn thin(&self, x: &Tensor, shared: &Shared<'_>) -> Result<Thin> {
        let sites = self.sites.iter();
        sites.map(|site| site.dropped(x, shared)?.matmul(&shared.live.pairs[site.pair].a.t()?)).collect()
    }

    /// The result, given [`Self::thin`]'s.
    pub(super) fn finish(&self, x: &Tensor, thin: &Thin, shared: &Shared<'_>) -> Result<Tensor> {
        let mut y = self.weight.forward(x)?;
        if let Some(bias) = &self.bias {
            y = add_bias(y, bias)?;
        }
        for (site, h) in self.sites.iter().zip(thin) {
            y = add_product(y, site.columns.clone(), h, &shared.live.pairs[site.pair].b)?;
        }
        Ok(y)
    }

    /// Adds the adapters' gradients, and gives that of `x` if wanted. `g` is the gradient of the output.
    pub(super) fn backward(
        &self,
        (x, thin): (&Tensor, &Thin),
        g: &Tensor,
        shared: &Shared<'_>,
        (grads, want): (&mut Adapter, Want),
    ) -> Result<Option<Tensor>> {
        let mut dx = match want {
            Want::Input => Some(self.weight.backward(g)?),
            Want::Nothing => None,
        };
        for (site, h) in self.sites.iter().zip(thin) {
            let pair = &shared.live.pairs[site.pair];
            let g = g.narrow(1, site.columns.start, site.columns.len())?;
            let dh = g.matmul(&pair.b.t()?)?;
            let d_a = dh.t()?.matmul(&site.dropped(x, shared)?)?;
            let d_b = (g.t()?.matmul(h)? * shared.live.scale)?;
            grads.add_grads(site.pair, [&d_a, &d_b])?;
            dx = match dx {
                None => None,
                Some(dx) => Some(site.add_input(dx, &dh, shared)?),
            };
        }
        Ok(dx)
    }
}

impl Site {
    fn noise<'a>(&self, shared: &'a Shared<'_>) -> Option<Noise<'a>> {
        let noise = shared.noise.as_ref()?;
        Some(Noise { key: mix(noise.key.wrapping_add(self.pair as u64)), ..noise.clone() })
    }

    fn dropped(&self, x: &Tensor, shared: &Shared<'_>) -> Result<Tensor> {
        match self.noise(shared) {
            None => Ok(x.clone()),
            Some(noise) => dropout(x, &noise),
        }
    }

    /// `dx + dropout(dh A)`
    fn add_input(&self, dx: Tensor, dh: &Tensor, shared: &Shared<'_>) -> Result<Tensor> {
        let a = &shared.live.pairs[self.pair].a;
        match self.noise(shared) {
            None => {
                let all = 0..dx.dim(1)?;
                add_product(dx, all, dh, a)
            }
            Some(noise) => add_into(dx, &dropout(&dh.matmul(a)?, &noise)?),
        }
    }
}
