//! What the trainer writes for others: PEFT folders, merged folders, GGUF files; read back by ourselves and by Python.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use shopclerk::domain::recipe::LoraRecipe;
use shopclerk::model::import::{Options as ImportOptions, import};
use shopclerk::model::library::manifest::Source;
use shopclerk::train::merge::{Blocks, Precision, write_folder, write_gguf};
use shopclerk::train::nn::Network;
use shopclerk::train::peft;

use crate::model_files_made::tiny;
use crate::train_core_made::{lora, model, network, options, recipe_of, row};

const FAMILIES: [&str; 3] = ["llama", "qwen2", "qwen3"];

pub(crate) fn apart(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn plain(folder: &Path) -> Network {
    Network::load(folder, &lora(), &options()).unwrap()
}

/// Writes the network's adapter under `dir` and reads it back.
fn exported(dir: &Path, network: &Network) -> peft::AdapterFile {
    let folder = dir.join("adapter");
    fs_err::create_dir_all(&folder).unwrap();
    peft::write(&folder, network.adapter(), &recipe_of(lora())).unwrap();
    peft::read(&folder).unwrap()
}

#[test]
fn a_merged_folder_is_the_base_with_the_adapter() {
    let ids = row(30, 1).ids;
    for family in FAMILIES {
        let dir = tempfile::tempdir().unwrap();
        let base = model(dir.path(), family);
        let network = network(&base, &lora(), &options());
        let expected = network.logits(&ids).unwrap();
        let untrained = plain(&base).logits(&ids).unwrap();
        assert!(apart(&expected, &untrained) > 0.5, "the adapter does something");
        let adapter = exported(dir.path(), &network);
        for (precision, most) in [(Precision::F32, 1e-4), (Precision::F16, 2e-2), (Precision::Bf16, 0.2)] {
            let into = dir.path().join(format!("{precision:?}"));
            fs_err::create_dir_all(&into).unwrap();
            write_folder(&base, &adapter, &into, precision).unwrap();
            let off = apart(&plain(&into).logits(&ids).unwrap(), &expected);
            assert!(off < most, "{family} {precision:?}: {off}");
        }
        let written = fs_err::read(dir.path().join("F16/model.safetensors")).unwrap();
        let (_, header) = safetensors::SafeTensors::read_metadata(&written).unwrap();
        assert_eq!(header.metadata().as_ref().unwrap()["format"], "pt");
        let config: Value =
            serde_json::from_slice(&fs_err::read(dir.path().join("F16/config.json")).unwrap()).unwrap();
        assert_eq!(config["torch_dtype"], "float16");
    }
}

#[test]
fn a_base_in_several_files_is_the_same_base() {
    let dir = tempfile::tempdir().unwrap();
    let base = model(dir.path(), "qwen3");
    let ids = row(30, 1).ids;
    let expected = plain(&base).logits(&ids).unwrap();
    let bytes = fs_err::read(base.join("model.safetensors")).unwrap();
    let all = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut map = serde_json::Map::new();
    for part in 0..2 {
        let file = format!("model-0000{}-of-00002.safetensors", part + 1);
        let views: Vec<_> = all.tensors().into_iter().enumerate().filter(|(at, _)| at % 2 == part).collect();
        map.extend(views.iter().map(|(_, (name, _))| (name.clone(), json!(file))));
        let views = views.into_iter().map(|(_, view)| view);
        fs_err::write(base.join(&file), safetensors::serialize(views, None).unwrap()).unwrap();
    }
    fs_err::remove_file(base.join("model.safetensors")).unwrap();
    let index = base.join("model.safetensors.index.json");
    fs_err::write(&index, json!({ "weight_map": map }).to_string()).unwrap();
    assert_eq!(plain(&base).logits(&ids).unwrap(), expected);

    fs_err::write(&index, json!({ "weight_map": { "x": "../other.safetensors" } }).to_string()).unwrap();
    let fault = Network::load(&base, &lora(), &options()).err().unwrap().to_string();
    assert!(fault.contains("weight_map names \"../other.safetensors\""), "{fault}");
}

#[test]
fn an_adapter_of_another_base_is_not_merged() {
    let dir = tempfile::tempdir().unwrap();
    let base = model(dir.path(), "llama");
    let mut adapter = exported(dir.path(), &network(&base, &lora(), &options()));
    let other = model(dir.path(), "qwen3");
    let into = dir.path().join("into");
    fs_err::create_dir_all(&into).unwrap();
    let fault = write_folder(&other, &adapter, &into, Precision::F32).unwrap_err().to_string();
    assert!(fault.contains("self_attn.k_proj.weight`: is [32, 32]; the adapter is for [16, 32]"), "{fault}");
    let matrix = adapter.tensors.values().next().unwrap().clone();
    adapter.tensors.insert("model.layers.7.mlp.up_proj.lora_A.weight".into(), matrix);
    let fault = write_folder(&base, &adapter, &into, Precision::F32).unwrap_err().to_string();
    assert!(fault.contains("`model.layers.7.mlp.up_proj.weight`: is missing"), "{fault}");
}

/// A GGUF file as the importer makes a folder of it.
pub(crate) fn imported(gguf: &Path, into: &Path) -> PathBuf {
    fs_err::create_dir_all(into).unwrap();
    let options = ImportOptions {
        name: "tiny".into(),
        source: Source { origin: "file:tiny.gguf".into(), sha256: None },
        dtype: None,
        created: 0,
    };
    import(gguf, into, &options, &mut |_, _| ()).unwrap();
    into.to_owned()
}

#[test]
fn a_gguf_file_comes_back_as_the_merged_model() {
    for (family, pre) in [("llama", "smollm"), ("llama", "llama-bpe"), ("qwen2", "qwen2"), ("qwen3", "qwen2")]
    {
        let dir = tempfile::tempdir().unwrap();
        tiny(family, pre).save(&dir.path().join("tiny.gguf"));
        let base = imported(&dir.path().join("tiny.gguf"), &dir.path().join("base"));
        let network = network(&base, &lora(), &options());
        let ids = row(30, 1).ids;
        let expected = network.logits(&ids).unwrap();
        let adapter = exported(dir.path(), &network);
        for (blocks, most) in [(Blocks::F32, 1e-4), (Blocks::F16, 2e-2), (Blocks::Q8_0, 0.2)] {
            let file = dir.path().join("merged.gguf");
            write_gguf((&base, "tiny"), &adapter, &file, blocks).unwrap();
            let back = imported(&file, &dir.path().join(format!("{blocks:?}")));
            let off = apart(&plain(&back).logits(&ids).unwrap(), &expected);
            assert!(off < most, "{family} {blocks:?}: {off}");
            for name in ["tokenizer.json", "tokenizer_config.json", "generation_config.json", "config.json"] {
                let same = |folder: &Path| -> Value {
                    serde_json::from_slice(&fs_err::read(folder.join(name)).unwrap()).unwrap()
                };
                assert_eq!(same(&back), same(&base), "{family} {name}");
            }
        }
    }
}

/// What `tests/peft_parity.py` compares.
fn case(name: &str, base: &Path, adapter: Option<&Path>, network: &Network) -> Value {
    let ids = row(40, 9).ids;
    let logits = network.logits(&ids).unwrap();
    json!({ "name": name, "base": base, "adapter": adapter, "ids": ids, "logits": logits, "tolerance": 2e-3 })
}

#[test]
fn python_peft_gives_the_same_logits() {
    let Some(python) = super::need::peft() else { return };
    let dir = tempfile::tempdir().unwrap();
    let mut cases = Vec::new();
    let models = std::env::var_os("SHOPCLERK_MODELS").map(PathBuf::from);
    let real = models.map(|models| models.join("smollm2-135m-instruct")).filter(|folder| folder.is_dir());
    let made = FAMILIES.iter().map(|family| model(dir.path(), family));
    for base in made.chain(real) {
        let name = base.file_name().unwrap().to_str().unwrap().to_owned();
        cases.push(case(&name, &base, None, &plain(&base)));
        for rslora in [false, true] {
            let lora = LoraRecipe { rslora, ..lora() };
            let adapter = dir.path().join(format!("{name}-{rslora}"));
            fs_err::create_dir_all(&adapter).unwrap();
            // Random B of a size that moves the logits of a real model, but not out of this world.
            let mut network = network(&base, &lora, &options());
            let small = if name == "smollm2-135m-instruct" { 0.05 } else { 1.0 };
            for (_, pair) in network.adapter_mut().pairs_mut() {
                pair.b.numbers.iter_mut().for_each(|n| *n *= small);
            }
            peft::write(&adapter, network.adapter(), &recipe_of(lora.clone())).unwrap();
            cases.push(case(&format!("{name} rslora={rslora}"), &base, Some(&adapter), &network));
        }
    }
    let file = dir.path().join("cases.json");
    fs_err::write(&file, serde_json::to_vec(&cases).unwrap()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peft_parity.py");
    let output = Command::new(python).arg(script).arg(&file).output().unwrap();
    println!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
