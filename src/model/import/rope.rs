//! Stretched rotary positions, as far as the engine can do them.

use serde_json::{Value, json};

use super::Refusal;
use super::arch::{Family, Keys, tidy};

/// The tensor with one factor for each pair of rotary dimensions, in files of Llama 3.1 and later.
pub(super) const FACTORS: &str = "rope_freqs.weight";

/// The one stretch Meta published for Llama 3.1, 3.2 and 3.3: only its factor differs from model to model.
const LOW: f64 = 1.0;
const HIGH: f64 = 4.0;
const TRAINED_CONTEXT: f64 = 8192.0;

/// `rope_scaling` of `config.json`; `None` means that positions are not stretched. `factors` is the content of the tensor
/// [`FACTORS`]: the file keeps the result of Llama's stretch, the configuration its cause.
pub(super) fn scaling(
    keys: &Keys<'_>,
    head: u64,
    theta: f64,
    factors: Option<&[f32]>,
) -> Result<Option<Value>, Refusal> {
    let refused = |what: &str| Err(Refusal::Unsupported(what.to_owned()));
    if let Some(factors) = factors {
        let Some(factor) = llama3_factor(head, theta, factors).filter(|_| keys.family == Family::Llama)
        else {
            return refused("rope_freqs.weight is not a stretch the importer knows");
        };
        return Ok(Some(json!({
            "rope_type": "llama3",
            "factor": factor,
            "low_freq_factor": LOW,
            "high_freq_factor": HIGH,
            "original_max_position_embeddings": TRAINED_CONTEXT as u64,
        })));
    }
    let kind = keys.header.text(&keys.key("rope.scaling.type")).unwrap_or("none");
    match (kind, keys.number("rope.scaling.factor")?) {
        ("none", _) | (_, None) => Ok(None),
        (_, Some(1.0)) => Ok(None),
        ("linear", Some(factor)) if keys.family == Family::Llama && factor > 1.0 => {
            Ok(Some(json!({ "rope_type": "linear", "factor": tidy(factor) })))
        }
        (other, _) => refused(&format!("rope scaling `{other}` is not supported for {}", keys.family.name())),
    }
}

/// The factor that leads to `factors`, if there is one (Llama 3's rule, as in `transformers`' `modeling_rope_utils`).
fn llama3_factor(head: u64, theta: f64, factors: &[f32]) -> Option<f64> {
    if factors.len() as u64 != head / 2 {
        return None;
    }
    let factor = f64::from(factors.iter().copied().fold(f32::MIN, f32::max));
    let fits = factors.iter().enumerate().all(|(pair, found)| {
        let wavelength = std::f64::consts::TAU * theta.powf(2.0 * pair as f64 / head as f64);
        let expected = if wavelength < TRAINED_CONTEXT / HIGH {
            1.0
        } else if wavelength > TRAINED_CONTEXT / LOW {
            factor
        } else {
            let smooth = (TRAINED_CONTEXT / wavelength - LOW) / (HIGH - LOW);
            1.0 / ((1.0 - smooth) / factor + smooth)
        };
        (f64::from(*found) - expected).abs() <= 1e-3 * expected
    });
    (fits && factor >= 1.0).then(|| tidy(factor))
}

#[cfg(test)]
mod tests {
    use super::llama3_factor;

    #[test]
    fn the_cause_of_a_stretch_is_found_and_checked() {
        // Llama 3.2 1B: heads of 64, theta 500,000, factor 32; pairs 15..17 of 32 lie in the smooth part.
        let theta: f64 = 500_000.0;
        let mut factors: Vec<f32> = (0..32)
            .map(|pair| {
                let turns = 8192.0 / (std::f64::consts::TAU * theta.powf(f64::from(pair) / 32.0));
                let smooth = ((turns - 1.0) / 3.0).clamp(0.0, 1.0);
                (1.0 / ((1.0 - smooth) / 32.0 + smooth)) as f32
            })
            .collect();
        assert_eq!(llama3_factor(64, theta, &factors), Some(32.0));
        factors[16] *= 1.01;
        assert_eq!(llama3_factor(64, theta, &factors), None);
        assert_eq!(llama3_factor(128, theta, &factors), None);
        assert_eq!(llama3_factor(64, theta, &[f32::NAN; 32]), None);
    }
}
