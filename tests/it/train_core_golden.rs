//! The trainer's network against PyTorch and PEFT: the golden numbers on the real model.

use std::path::Path;

use serde::Deserialize;
use shopclerk::domain::recipe::{LoraRecipe, TrainRecipe};
use shopclerk::train::example::Example;
use shopclerk::train::nn::{AdamW, Network, Options, Pass};
use shopclerk::train::peft;

use super::need;

/// A PEFT folder of the golden configuration and the tensors of `file`.
fn adapter(golden: &Path, file: &str) -> peft::AdapterFile {
    let dir = tempfile::tempdir().unwrap();
    fs_err::copy(golden.join("adapter_config.json"), dir.path().join(peft::CONFIG)).unwrap();
    fs_err::copy(golden.join(file), dir.path().join(peft::WEIGHTS)).unwrap();
    peft::read(dir.path()).unwrap()
}

fn network(folder: &Path, options: &Options) -> Network {
    let targets = vec!["q_proj".to_owned(), "v_proj".to_owned()];
    let lora = LoraRecipe { rank: 4, alpha: 8.0, targets, ..LoraRecipe::default() };
    Network::load(folder, &lora, options).unwrap()
}

fn options() -> Options {
    Options { seed: 0, recompute: false, threads: 0 }
}

#[derive(Deserialize)]
struct Logits {
    ids: Vec<u32>,
    top_ids: Vec<usize>,
    top_logits: Vec<f32>,
    logsumexp: f64,
}

#[test]
fn logits_are_the_golden_ones() {
    let Some(folder) = need::model() else { return };
    let network = network(&folder, &options());
    for expected in serde_json::from_str::<Vec<Logits>>(&need::golden("logits.json")).unwrap() {
        let logits = network.logits(&expected.ids).unwrap();
        let mut order: Vec<usize> = (0..logits.len()).collect();
        order.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]));
        assert_eq!(order[0], expected.top_ids[0]);
        for (id, logit) in expected.top_ids.iter().zip(&expected.top_logits) {
            assert!((logits[*id] - logit).abs() < 2e-2, "{id}: {} not {logit}", logits[*id]);
        }
        let sum: f64 = logits.iter().map(|n| f64::from(*n).exp()).sum();
        assert!((sum.ln() - expected.logsumexp).abs() < 2e-2);
    }
}

#[derive(Deserialize)]
struct Rendered {
    ids: Vec<u32>,
    mask: Vec<u8>,
}

#[derive(Deserialize)]
struct Golden {
    target_tokens: usize,
    steps: Vec<GoldenStep>,
}

#[derive(Deserialize)]
struct GoldenStep {
    loss: f64,
    grad_norm_before_clip: f64,
}

/// How far `found` is from `expected`, as a share of its length.
fn off(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let length =
        |numbers: &mut dyn Iterator<Item = f32>| numbers.map(|n| f64::from(n).powi(2)).sum::<f64>().sqrt();
    length(&mut found.iter().zip(expected).map(|(a, b)| a - b)) / length(&mut expected.iter().copied())
}

#[test]
fn six_steps_are_those_of_peft() {
    let Some(golden) = need::shared_golden("lora_run.json") else { return };
    let (Some(folder), Some(golden)) = (need::model(), golden.parent()) else { return };
    let rows: Vec<Example> = serde_json::from_str::<Vec<Rendered>>(&need::golden("chat_render.json"))
        .unwrap()
        .into_iter()
        .map(|row| Example { ids: row.ids, targets: row.mask.iter().map(|mark| *mark == 1).collect() })
        .collect();
    let run: Golden =
        serde_json::from_str(&fs_err::read_to_string(golden.join("lora_run.json")).unwrap()).unwrap();
    for recompute in [false, true] {
        let mut network = network(&folder, &Options { recompute, ..options() });
        let base = network.base_checksum();
        network.adapter_mut().set_tensors(adapter(golden, "lora_init.safetensors").tensors).unwrap();
        let train = TrainRecipe { weight_decay: 0.01, ..TrainRecipe::default() };
        let mut adam = AdamW::new(&train, 1.0);
        for (step, expected) in run.steps.iter().enumerate() {
            network.adapter_mut().zero_grads();
            let pass = Pass { step: step as u64, first_row: 0, scale: 1.0 / run.target_tokens as f64 };
            let loss = network.backward(&rows, &pass).unwrap();
            assert_eq!(loss.targets, run.target_tokens);
            if step == 0 {
                let mut gradients = adapter(golden, "lora_grad_step0.safetensors").tensors;
                assert_eq!(gradients.len(), 12);
                for (module, pair) in network.adapter().pairs() {
                    for (side, found) in [("A", &pair.grad_a), ("B", &pair.grad_b)] {
                        if let Some(expected) = gradients.remove(&format!("{module}.lora_{side}.weight")) {
                            let off = off(&found.numbers, &expected.numbers);
                            assert!(off < 1e-3, "{module} {side}: {off} off");
                        }
                    }
                }
                assert!(gradients.is_empty());
            }
            let norm = adam.step(network.adapter_mut(), 1e-3, 1.0).unwrap();
            println!(
                "step {step}: loss {:.6} ({:.6}), norm {norm:.6} ({:.6})",
                loss.mean(),
                expected.loss,
                expected.grad_norm_before_clip
            );
            assert!((loss.mean() - expected.loss).abs() < 1e-3, "{} not {}", loss.mean(), expected.loss);
            assert!((norm - expected.grad_norm_before_clip).abs() < 1e-3, "{norm}");
        }
        // AdamW moves a number by its gradient's sign rather than by its size, so that rounding in PyTorch's float32 shows
        // where gradients are tiny: each matrix gets more room than all of them together.
        let found = network.adapter().tensors();
        let (mut all_found, mut all_expected) = (Vec::new(), Vec::new());
        for (name, expected) in adapter(golden, "lora_after_6.safetensors").tensors {
            let off = off(&found[&name].numbers, &expected.numbers);
            assert!(off < 1e-2, "{name}: {off} off");
            all_found.extend(&found[&name].numbers);
            all_expected.extend(&expected.numbers);
        }
        let off = off(&all_found, &all_expected);
        assert!(off < 1e-3, "the adapter is {off} off");
        assert_eq!(network.base_checksum(), base, "the base was touched");
    }
}
