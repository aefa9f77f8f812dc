//! The trainer's network on small random models: gradients against finite differences, and what must not change them.

use std::collections::BTreeMap;

use shopclerk::domain::recipe::{AdapterDtype, BaseWeights, LoraRecipe, Schedule, TARGETS, TrainRecipe};
use shopclerk::train::TrainError;
use shopclerk::train::example::Example;
use shopclerk::train::nn::{AdamW, Adapter, Matrix, Network, Options, Pass, learning_rate};
use shopclerk::train::peft;

use crate::train_core_made::{WORDS, lora, model, network, noise, options, recipe_of, row};

const FAMILIES: [&str; 3] = ["llama", "qwen2", "qwen3"];

fn pass() -> Pass {
    Pass { step: 3, first_row: 10, scale: 1.0 }
}

/// All gradients by name.
fn gradients(adapter: &Adapter) -> BTreeMap<String, Matrix> {
    let both = adapter.pairs().flat_map(|(module, pair)| {
        [(format!("{module} A"), pair.grad_a.clone()), (format!("{module} B"), pair.grad_b.clone())]
    });
    both.collect()
}

fn length(numbers: &[f32]) -> f64 {
    numbers.iter().map(|n| f64::from(*n).powi(2)).sum::<f64>().sqrt()
}

/// The largest distance between two sets of gradients, as a share of their length.
fn apart(a: &Adapter, b: &Adapter) -> f64 {
    let (a, b) = (gradients(a), gradients(b));
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    a.iter()
        .map(|(name, a)| {
            let difference: Vec<f32> = a.numbers.iter().zip(&b[name].numbers).map(|(a, b)| a - b).collect();
            length(&difference) / length(&a.numbers)
        })
        .fold(0.0, f64::max)
}

/// Compares the slope along the gradient and a random direction with the change of the loss, module by module.
fn check_slopes(network: &mut Network, rows: &[Example]) {
    network.adapter_mut().zero_grads();
    network.backward(rows, &pass()).unwrap();
    let found = gradients(network.adapter());
    let modules: Vec<String> = network.adapter().pairs().map(|(module, _)| module.to_owned()).collect();
    for (number, module) in modules.iter().enumerate() {
        for side in ["A", "B"] {
            let gradient = &found[&format!("{module} {side}")].numbers;
            let size = length(gradient);
            assert!(size > 1e-4, "{module} {side} has no gradient");
            let random: Vec<f32> = (0..gradient.len()).map(|at| noise((number * 131 + at) as u64)).collect();
            let random_size = length(&random);
            let along: Vec<f64> = gradient
                .iter()
                .zip(&random)
                .map(|(g, r)| f64::from(*g) / size + f64::from(*r) / random_size)
                .collect();
            let slope: f64 = gradient.iter().zip(&along).map(|(g, d)| f64::from(*g) * d).sum();
            let mut loss_at = |step: f64| {
                let change = |network: &mut Network, sign: f64| {
                    let pair = network.adapter_mut().get_mut(module).unwrap();
                    let matrix = if side == "A" { &mut pair.a } else { &mut pair.b };
                    for (n, d) in matrix.numbers.iter_mut().zip(&along) {
                        *n += (sign * step * d) as f32;
                    }
                };
                let before = network.adapter().tensors();
                change(network, 1.0);
                let loss = network.backward(rows, &pass()).unwrap().sum;
                network.adapter_mut().set_tensors(before).unwrap();
                loss
            };
            // Fourth-order central difference.
            let h = 4e-3;
            let near = loss_at(h) - loss_at(-h);
            let far = loss_at(2.0 * h) - loss_at(-2.0 * h);
            let measured = (8.0 * near - far) / (12.0 * h);
            let off = (measured - slope).abs() / slope.abs();
            assert!(off < 1e-3, "{module} {side}: slope {slope}, measured {measured}: {off} off");
        }
    }
}

#[test]
fn every_gradient_is_the_slope_of_the_loss() {
    let dir = tempfile::tempdir().unwrap();
    for family in FAMILIES {
        let mut network = network(&model(dir.path(), family), &lora(), &options());
        check_slopes(&mut network, &[row(21, 1), row(9, 2)]);
    }
}

#[test]
fn gradients_are_right_under_dropout() {
    let dir = tempfile::tempdir().unwrap();
    let lora = LoraRecipe { dropout: 0.3, ..lora() };
    let mut network = network(&model(dir.path(), "qwen3"), &lora, &options());
    check_slopes(&mut network, &[row(14, 5), row(11, 6)]);
}

#[test]
fn each_module_learns_alone() {
    let dir = tempfile::tempdir().unwrap();
    let folder = model(dir.path(), "qwen2");
    let rows = [row(30, 1)];
    let mut all = network(&folder, &LoraRecipe { rank: 4, ..lora() }, &options());
    all.backward(&rows, &pass()).unwrap();
    for target in TARGETS {
        let lora = LoraRecipe { targets: vec![target.to_owned()], ..lora() };
        let mut one = Network::load(&folder, &lora, &options()).unwrap();
        one.backward(&rows, &pass()).unwrap();
        assert_eq!(one.adapter().pairs().len(), 2, "one in each layer");
        for (module, pair) in one.adapter().pairs() {
            assert!(module.ends_with(target));
            assert!(length(&pair.grad_b.numbers) > 0.0, "{module}: B is zero but learns");
            assert_eq!(length(&pair.grad_a.numbers), 0.0, "{module}: A waits for B");
        }
    }
}

#[test]
fn computing_layers_again_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    for family in FAMILIES {
        let folder = model(dir.path(), family);
        let lora = LoraRecipe { dropout: 0.1, ..lora() };
        let rows = [row(40, 1), row(33, 2)];
        let mut keeps = network(&folder, &lora, &options());
        let mut again = network(&folder, &lora, &Options { recompute: true, ..options() });
        let losses = [&mut keeps, &mut again].map(|network| network.backward(&rows, &pass()).unwrap());
        assert_eq!(losses[0], losses[1]);
        assert_eq!(gradients(keeps.adapter()), gradients(again.adapter()));
    }
}

#[test]
fn eight_times_one_row_is_once_eight() {
    let dir = tempfile::tempdir().unwrap();
    let folder = model(dir.path(), "llama");
    let lora = LoraRecipe { dropout: 0.2, ..lora() };
    let rows: Vec<Example> = (0..8).map(|at| row(5 + 9 * at as usize, at)).collect();
    let mut together = network(&folder, &lora, &options());
    let whole = together.backward(&rows, &pass()).unwrap();
    let mut apiece = network(&folder, &lora, &options());
    let mut sum = shopclerk::train::nn::LossSum::default();
    for (at, row) in rows.iter().enumerate() {
        let pass = Pass { first_row: pass().first_row + at as u64, ..pass() };
        sum += apiece.backward(std::slice::from_ref(row), &pass).unwrap();
    }
    assert_eq!(sum.targets, whole.targets);
    assert!((sum.sum - whole.sum).abs() < 1e-5 * whole.sum);
    let off = apart(together.adapter(), apiece.adapter());
    assert!(off < 1e-5, "{off}");
}

#[test]
fn masks_are_those_of_the_step_and_the_row() {
    let dir = tempfile::tempdir().unwrap();
    let lora = LoraRecipe { dropout: 0.2, ..lora() };
    let mut network = network(&model(dir.path(), "llama"), &lora, &options());
    let mut loss =
        |step, first_row| network.backward(&[row(25, 1)], &Pass { step, first_row, scale: 1.0 }).unwrap().sum;
    assert_eq!(loss(1, 0), loss(1, 0));
    assert_ne!(loss(1, 0), loss(2, 0));
    assert_ne!(loss(1, 0), loss(1, 1));
}

#[test]
fn loss_without_gradients_is_the_loss_with_them() {
    let dir = tempfile::tempdir().unwrap();
    let mut network = network(&model(dir.path(), "qwen3"), &lora(), &options());
    let mut unlearnt = row(12, 3);
    unlearnt.targets.fill(false);
    let rows = [row(25, 1), unlearnt, row(16, 2)];
    let losses = network.loss(&rows).unwrap();
    assert_eq!(losses[1].targets, 0);
    let sum = network.backward(&rows, &pass()).unwrap();
    assert_eq!(sum.targets, losses.iter().map(|loss| loss.targets).sum::<usize>());
    assert!((sum.sum - losses.iter().map(|loss| loss.sum).sum::<f64>()).abs() < 1e-9);
    // What comes after the last learnt token does not matter, nor does an unlearnt row before.
    let mut longer = row(25, 1);
    longer.ids.extend([1, 2, 3]);
    longer.targets.extend([false; 3]);
    assert!((network.loss(&[longer]).unwrap()[0].sum - losses[0].sum).abs() < 1e-4);
}

#[test]
fn the_first_steps_move_the_adapter_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let mut network = Network::load(&model(dir.path(), "llama"), &lora(), &options()).unwrap();
    let base = network.base_checksum();
    let train = TrainRecipe { lr: 1e-2, ..TrainRecipe::default() };
    let mut adam = AdamW::new(&train, 1.0);
    for step in 1..=2 {
        network.adapter_mut().zero_grads();
        network.backward(&[row(25, 1)], &pass()).unwrap();
        for (module, pair) in network.adapter().pairs() {
            assert!(length(&pair.grad_b.numbers) > 0.0, "{module} B at step {step}");
            assert_eq!(length(&pair.grad_a.numbers) > 0.0, step == 2, "{module} A at step {step}");
        }
        adam.step(network.adapter_mut(), 1e-2, 1.0).unwrap();
    }
    assert_eq!(network.base_checksum(), base);
}

#[test]
fn eight_rows_are_learnt_by_heart() {
    let dir = tempfile::tempdir().unwrap();
    for base in [BaseWeights::Full, BaseWeights::Q8_0, BaseWeights::Q4_0] {
        let lora = LoraRecipe { base, rank: 8, alpha: 16.0, ..lora() };
        let mut network = Network::load(&model(dir.path(), "qwen2"), &lora, &options()).unwrap();
        let rows: Vec<Example> = (0..8).map(|at| row(12, at)).collect();
        let targets: usize = network.loss(&rows).unwrap().iter().map(|loss| loss.targets).sum();
        let train = TrainRecipe { lr: 2e-2, ..TrainRecipe::default() };
        let mut adam = AdamW::new(&train, 1.0);
        let (mut first, mut last) = (0.0, 0.0);
        for step in 0..150 {
            network.adapter_mut().zero_grads();
            let pass = Pass { step, first_row: 0, scale: 1.0 / targets as f64 };
            last = network.backward(&rows, &pass).unwrap().mean();
            if step == 0 {
                first = last;
            }
            adam.step(network.adapter_mut(), 2e-2, 1.0).unwrap();
        }
        assert!(first > 4.0 && last < 0.05, "{base:?}: {first} to {last}");
    }
}

#[test]
fn a_quantised_base_gives_nearly_the_same_network() {
    let dir = tempfile::tempdir().unwrap();
    let folder = model(dir.path(), "llama");
    let ids = row(30, 1).ids;
    let full = network(&folder, &lora(), &options()).logits(&ids).unwrap();
    for (base, most) in [(BaseWeights::Q8_0, 0.02), (BaseWeights::Q4_0, 0.3)] {
        let mut quantised = network(&folder, &LoraRecipe { base, ..lora() }, &options());
        let found = quantised.logits(&ids).unwrap();
        let difference: Vec<f32> = full.iter().zip(&found).map(|(a, b)| a - b).collect();
        let off = length(&difference) / length(&full);
        assert!(off > 0.0 && off < most, "{base:?}: {off}");
        check_slopes(&mut quantised, &[row(15, 1)]);
    }
}

#[test]
fn optimiser_and_adapter_survive_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let folder = model(dir.path(), "llama");
    let train = TrainRecipe { weight_decay: 0.1, ..TrainRecipe::default() };
    let step = |network: &mut Network, adam: &mut AdamW, step: u64| {
        network.adapter_mut().zero_grads();
        network.backward(&[row(20, step)], &Pass { step, first_row: 0, scale: 0.1 }).unwrap();
        adam.step(network.adapter_mut(), 1e-3, 1.0).unwrap()
    };
    let mut unbroken = network(&folder, &lora(), &options());
    let mut adam = AdamW::new(&train, 2.0);
    step(&mut unbroken, &mut adam, 0);
    let file = dir.path().join("optimizer.safetensors");
    adam.save(&file).unwrap();
    peft::write(dir.path(), unbroken.adapter(), &recipe_of(lora())).unwrap();
    let norm = step(&mut unbroken, &mut adam, 1);

    let mut resumed = Network::load(&folder, &lora(), &options()).unwrap();
    resumed.adapter_mut().set_tensors(peft::read(dir.path()).unwrap().tensors).unwrap();
    let mut adam = AdamW::new(&train, 2.0);
    adam.load(&file, resumed.adapter()).unwrap();
    assert_eq!(adam.steps(), 1);
    assert_eq!(step(&mut resumed, &mut adam, 1), norm);
    assert_eq!(unbroken.adapter().tensors(), resumed.adapter().tensors());

    let other = LoraRecipe { rank: 2, ..lora() };
    let other = Network::load(&folder, &other, &options()).unwrap();
    let fault = adam.load(&file, other.adapter()).unwrap_err().to_string();
    assert!(fault.contains("lora_A.weight.m` is missing or of another shape"), "{fault}");
}

#[test]
fn rates_follow_the_schedule() {
    let train = |schedule, warmup| TrainRecipe { lr: 1.0, schedule, warmup, ..TrainRecipe::default() };
    let rates = |train: &TrainRecipe| -> Vec<f64> {
        (1..=10).map(|step| (learning_rate(step, 10, train) * 1e4).round() / 1e4).collect()
    };
    let constant = rates(&train(Schedule::Constant, 0.4));
    assert_eq!(constant, [0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]);
    let linear = rates(&train(Schedule::Linear, 0.0));
    assert_eq!(linear, [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]);
    let cosine = rates(&train(Schedule::Cosine, 0.2));
    assert_eq!(cosine, [0.5, 1.0, 1.0, 0.9619, 0.8536, 0.6913, 0.5, 0.3087, 0.1464, 0.0381]);
}

#[test]
fn faults_name_the_row_the_file_and_the_field() {
    let dir = tempfile::tempdir().unwrap();
    let folder = model(dir.path(), "qwen3");
    let mut network = network(&folder, &lora(), &options());
    let fault =
        |network: &mut Network, row: Example| network.backward(&[row], &pass()).unwrap_err().to_string();
    let mut strange = row(9, 1);
    strange.ids[4] = WORDS;
    assert_eq!(fault(&mut network, strange), "row 10: token 150 is not one of the model's 150 words");
    assert_eq!(fault(&mut network, row(300, 1)), "row 10: 300 tokens; the model reads at most 256");
    let mut first = row(9, 1);
    first.targets[0] = true;
    assert!(fault(&mut network, first).contains("the first token cannot be learnt"));
    network.adapter_mut().get_mut("model.layers.1.mlp.up_proj").unwrap().a.numbers[0] = f32::NAN;
    let broken = network.backward(&[row(30, 1), row(30, 2)], &pass()).unwrap_err();
    assert!(matches!(broken, TrainError::NonFinite { row: 10, .. }), "{broken}");

    let config = fs_err::read_to_string(folder.join("config.json")).unwrap();
    let load = |from: &str, to: &str| {
        fs_err::write(folder.join("config.json"), config.replace(from, to)).unwrap();
        Network::load(&folder, &lora(), &options()).err().map(|fault| fault.to_string()).unwrap()
    };
    for (from, to, says) in [
        ("\"qwen3\"", "\"gemma\"", "model_type: \"gemma\" cannot be trained; llama, qwen2 and qwen3 can"),
        (
            "\"intermediate_size\":64",
            "\"intermediate_size\":60",
            "mlp.gate_proj.weight`: is [64, 32]; the configuration asks for [60, 32]",
        ),
        (
            "\"num_hidden_layers\":2",
            "\"num_hidden_layers\":3",
            "model.layers.2.self_attn.q_proj.weight`: is missing",
        ),
        ("\"silu\"", "\"gelu\"", "hidden_act: only \"silu\" can be trained"),
        ("\"hidden_size\":32,", "", "missing field `hidden_size`"),
    ] {
        let found = load(from, to);
        assert!(found.contains(says) && found.contains(folder.to_str().unwrap()), "{found}");
    }
}

#[test]
fn adapters_are_written_whole_or_in_halves_and_a_spoiled_one_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let network = network(&model(dir.path(), "llama"), &lora(), &options());
    let write = || peft::write(dir.path(), network.adapter(), &recipe_of(lora())).unwrap();
    write();
    let whole = peft::read(dir.path()).unwrap();
    assert_eq!(whole.tensors, network.adapter().tensors());
    assert_eq!(whole.config.scale(), 1.5);
    for (from, to, says) in [
        ("\"LORA\"", "\"IA3\"", "peft_type: \"IA3\": only \"LORA\" can be read"),
        ("\"use_dora\": false", "\"use_dora\": true", "use_dora: only false"),
        ("\"r\": 4", "\"r\": 8", "is not of rank 8"),
        ("\"q_proj\",", "", "its module is not in target_modules"),
        (",", "", "line 3"),
    ] {
        let text = fs_err::read_to_string(dir.path().join(peft::CONFIG)).unwrap();
        fs_err::write(dir.path().join(peft::CONFIG), text.replacen(from, to, 1)).unwrap();
        let fault = peft::read(dir.path()).unwrap_err().to_string();
        assert!(fault.contains(says), "{fault}");
        write();
    }
    // Half the file, the same adapter but for its last digits.
    let size = |path: &std::path::Path| fs_err::metadata(path).unwrap().len();
    let path = dir.path().join(peft::WEIGHTS);
    let large = size(&path);
    let mut small = recipe_of(lora());
    small.output.dtype = AdapterDtype::F16;
    peft::write(dir.path(), network.adapter(), &small).unwrap();
    assert!(size(&path) < large * 6 / 10);
    for (name, matrix) in peft::read(dir.path()).unwrap().tensors {
        let near = |(a, b): (&f32, &f32)| (a - b).abs() <= b.abs() * 1e-3 + 1e-7;
        assert!(matrix.numbers.iter().zip(&whole.tensors[&name].numbers).all(near), "{name}");
    }
    write();
    let bytes = fs_err::read(&path).unwrap();
    fs_err::write(&path, &bytes[..bytes.len() - 4]).unwrap();
    assert!(peft::read(dir.path()).unwrap_err().to_string().contains("is damaged"));
    let mut broken = bytes;
    let end = broken.len();
    broken[end - 4..].copy_from_slice(&f32::INFINITY.to_le_bytes());
    fs_err::write(&path, &broken).unwrap();
    assert!(peft::read(dir.path()).unwrap_err().to_string().contains("is inf"));
}
