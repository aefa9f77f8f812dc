//! One block of the decoder: attention, then the feed-forward part, each behind a norm and beside a residual path.

use std::ops::Range;

use candle_core::{Result, Tensor};

use super::super::kernels::{
    Attended, Direction, Heads, Turns, add_into, attention, attention_backward, head_norm,
    head_norm_backward, rms_norm, rms_norm_backward, rope, swiglu, swiglu_backward,
};
use super::adapter::Adapter;
use super::linear::{Linear, Shared, Thin, Want};

#[derive(Debug)]
pub(super) struct Layer {
    /// Before attention and before the feed-forward part: `(hidden)`.
    pub(super) norms: [Tensor; 2],
    /// Of the heads of queries and of keys, where the family has them: `(dim)`.
    pub(super) head_norms: Option<[Tensor; 2]>,
    pub(super) qkv: Linear,
    pub(super) out: Linear,
    pub(super) gate_up: Linear,
    pub(super) down: Linear,
}

/// What all layers need to know of a pack.
pub(super) struct Scene<'a> {
    pub(super) heads: Heads,
    pub(super) eps: f64,
    pub(super) texts: &'a [Range<usize>],
    pub(super) turns: &'a Turns,
    pub(super) shared: Shared<'a>,
}

/// The rows that matter after the last layer's attention: where a learnt token is predicted.
pub(super) struct Pick<'a> {
    /// `(picked)`, u32
    pub(super) rows: &'a Tensor,
    pub(super) shared: Shared<'a>,
}

/// What a layer's way back needs of its way forth. What is cheap to compute again from it (norms, gates) is not here.
pub(super) struct Kept {
    x: Tensor,
    /// Queries, keys and values before their heads were normed, if they are.
    raw: Option<Tensor>,
    qkv: Tensor,
    attended: Tensor,
    lse: Tensor,
    /// What went into `out`: `attended`, or its picked rows.
    picked: Tensor,
    /// After attention.
    middle: Tensor,
    gate_up: Tensor,
    thin: [Thin; 4],
}

impl Layer {
    /// `(rows, hidden)` to `(rows, hidden)`, or to `(picked, hidden)`.
    pub(super) fn forward(
        &self,
        x: &Tensor,
        scene: &Scene<'_>,
        pick: Option<&Pick<'_>>,
    ) -> Result<(Tensor, Kept)> {
        let (kept, gated) = self.keep(x, scene, pick)?;
        let shared = pick.map_or(&scene.shared, |pick| &pick.shared);
        let y = add_into(self.down.finish(&gated, &kept.thin[3], shared)?, &kept.middle)?;
        Ok((y, kept))
    }

    /// All of [`Self::forward`] but the last product: what the way back needs, and what would go into that product.
    pub(super) fn keep(
        &self,
        x: &Tensor,
        scene: &Scene<'_>,
        pick: Option<&Pick<'_>>,
    ) -> Result<(Kept, Tensor)> {
        let Scene { heads, eps, texts, turns, shared } = scene;
        let late = pick.map_or(shared, |pick| &pick.shared);
        let (qkv, thin_qkv) = self.qkv.forward(&rms_norm(x, &self.norms[0], *eps)?, shared)?;
        let (raw, qkv) = match &self.head_norms {
            None => (None, qkv),
            Some([q, k]) => {
                let normed = head_norm(&qkv, [q, k], *eps, *heads)?;
                (Some(qkv), normed)
            }
        };
        let qkv = rope(qkv, turns, *heads, Direction::Forward)?;
        let (attended, lse) = attention(&qkv, *heads, texts)?;
        let (picked, rest) = match pick {
            None => (attended.clone(), x.clone()),
            Some(pick) => (attended.index_select(pick.rows, 0)?, x.index_select(pick.rows, 0)?),
        };
        let (y, thin_out) = self.out.forward(&picked, late)?;
        let middle = add_into(y, &rest)?;
        let (gate_up, thin_gate_up) =
            self.gate_up.forward(&rms_norm(&middle, &self.norms[1], *eps)?, late)?;
        let gated = swiglu(&gate_up)?;
        let thin = [thin_qkv, thin_out, thin_gate_up, self.down.thin(&gated, late)?];
        Ok((Kept { x: x.clone(), raw, qkv, attended, lse, picked, middle, gate_up, thin }, gated))
    }

    /// Adds the adapters' gradients, and gives that of `x` if wanted. `g` is the gradient of the result.
    pub(super) fn backward(
        &self,
        (kept, g): (Kept, &Tensor),
        scene: &Scene<'_>,
        pick: Option<&Pick<'_>>,
        (grads, want): (&mut Adapter, Want),
    ) -> Result<Option<Tensor>> {
        let Scene { heads, eps, texts, turns, shared } = scene;
        let [thin_qkv, thin_out, ..] = &kept.thin;
        let d_middle = self.feed_forward_backward(&kept, g, scene, (pick, &mut *grads))?;
        let late = pick.map_or(shared, |pick| &pick.shared);
        let d_out =
            self.out.backward((&kept.picked, thin_out), &d_middle, late, (&mut *grads, Want::Input))?;
        let d_out = wanted(d_out)?;
        let (d_out, rest) = match pick {
            None => (d_out, d_middle),
            Some(pick) => {
                let spread =
                    |picked: &Tensor, like: &Tensor| like.zeros_like()?.index_add(pick.rows, picked, 0);
                (spread(&d_out, &kept.attended)?, spread(&d_middle, &kept.x)?)
            }
        };
        let attended = Attended { qkv: &kept.qkv, out: &kept.attended, lse: &kept.lse, d_out: &d_out };
        let d_qkv = rope(attention_backward(&attended, *heads, texts)?, turns, *heads, Direction::Back)?;
        let d_qkv = match (&self.head_norms, &kept.raw) {
            (Some([q, k]), Some(raw)) => head_norm_backward([raw, &d_qkv], [q, k], *eps, *heads)?,
            _ => d_qkv,
        };
        let normed = rms_norm(&kept.x, &self.norms[0], *eps)?;
        match self.qkv.backward((&normed, thin_qkv), &d_qkv, shared, (grads, want))? {
            None => Ok(None),
            Some(d_normed) => rms_norm_backward(&kept.x, &self.norms[0], *eps, [&d_normed, &rest]).map(Some),
        }
    }

    /// The gradient of what came after attention.
    fn feed_forward_backward(
        &self,
        kept: &Kept,
        g: &Tensor,
        scene: &Scene<'_>,
        (pick, grads): (Option<&Pick<'_>>, &mut Adapter),
    ) -> Result<Tensor> {
        let shared = pick.map_or(&scene.shared, |pick| &pick.shared);
        let [.., thin_gate_up, thin_down] = &kept.thin;
        let gated = swiglu(&kept.gate_up)?;
        let d_gated =
            wanted(self.down.backward((&gated, thin_down), g, shared, (&mut *grads, Want::Input))?)?;
        let d_gate_up = swiglu_backward(&kept.gate_up, &d_gated)?;
        let normed = rms_norm(&kept.middle, &self.norms[1], scene.eps)?;
        let d_normed =
            self.gate_up.backward((&normed, thin_gate_up), &d_gate_up, shared, (grads, Want::Input))?;
        rms_norm_backward(&kept.middle, &self.norms[1], scene.eps, [&wanted(d_normed)?, g])
    }
}

fn wanted(gradient: Option<Tensor>) -> Result<Tensor> {
    match gradient {
        Some(gradient) => Ok(gradient),
        None => candle_core::bail!("a gradient that was asked for is absent. This is a bug."),
    }
}
