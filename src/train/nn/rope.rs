//! The angles of rotary positions.

use candle_core::{Device, Result, Tensor};

use super::super::kernels::Turns;
use super::config::{Config, Stretch};

/// How fast each pair of a head's numbers turns, in radians a position: theta^(-2 i / dim), stretched.
pub(super) fn speeds(config: &Config) -> Vec<f32> {
    let dim = config.heads.dim;
    (0..dim / 2)
        .map(|pair| {
            let speed = config.theta.powf(-2.0 * pair as f64 / dim as f64);
            stretched(config.stretch, speed) as f32
        })
        .collect()
}

/// Llama 3's rule leaves fast pairs alone, slows slow ones by the factor, and goes from one to the other between them
/// (`transformers`, `modeling_rope_utils`).
fn stretched(stretch: Stretch, speed: f64) -> f64 {
    match stretch {
        Stretch::None => speed,
        Stretch::Linear { factor } => speed / factor,
        Stretch::Llama3 { factor, low, high, context } => {
            // Turns within the first context.
            let turns = context * speed / std::f64::consts::TAU;
            let smooth = ((turns - low) / (high - low)).clamp(0.0, 1.0);
            (1.0 - smooth) * speed / factor + smooth * speed
        }
    }
}

/// How many times slower each pair turns for Llama 3's stretch, which GGUF files keep as a tensor; `None` for other models.
pub(crate) fn factors(config: &Config) -> Option<Vec<f32>> {
    let Stretch::Llama3 { .. } = config.stretch else { return None };
    let plain = speeds(&Config { stretch: Stretch::None, ..config.clone() });
    Some(plain.iter().zip(speeds(config)).map(|(plain, slow)| plain / slow).collect())
}

/// Cosines and sines for some positions.
pub(super) fn turns(
    speeds: &[f32],
    positions: impl Iterator<Item = usize>,
    device: &Device,
) -> Result<Turns> {
    let angles: Vec<f32> =
        positions.flat_map(|position| speeds.iter().map(move |speed| position as f32 * speed)).collect();
    let shape = (angles.len() / speeds.len(), speeds.len());
    let table = |function: fn(f32) -> f32| {
        Tensor::from_vec(angles.iter().map(|angle| function(*angle)).collect::<Vec<_>>(), shape, device)
    };
    Ok(Turns { cos: table(f32::cos)?, sin: table(f32::sin)? })
}
