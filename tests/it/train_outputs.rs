//! What a recipe may ask for besides the adapter, made by the trainer as it runs for people: plain text in, and a merged
//! model and a GGUF file out.

use std::path::Path;
use std::process::{Command, Stdio};

use shopclerk::domain::recipe::{AdapterDtype, Objective, Recipe};
use shopclerk::train::lora::Lora;
use shopclerk::train::nn::Network;
use shopclerk::train::peft;
use shopclerk::train::run::{Net, Outcome, Pass};

use super::model_files_made::tiny;
use super::train_core_export::{apart, imported};
use super::train_core_made::{lora, model, options, recipe_of, row};

fn recipe(base: &Path) -> Recipe {
    let mut recipe =
        Recipe { base: base.display().to_string(), objective: Objective::Text, ..Recipe::default() };
    (recipe.data.dev, recipe.data.test, recipe.data.max_tokens) = (0.2, 0.2, 100);
    (recipe.lora.rank, recipe.train.lr, recipe.train.epochs, recipe.train.threads) = (4, 2e-2, 3.0, 1);
    (recipe.output.merged, recipe.output.gguf) = (true, true);
    recipe
}

#[test]
fn a_recipe_of_plain_text_makes_an_adapter_a_merged_model_and_a_gguf_file() {
    let dir = tempfile::tempdir().unwrap();
    tiny("llama", "smollm").save(&dir.path().join("tiny.gguf"));
    let base = imported(&dir.path().join("tiny.gguf"), &dir.path().join("base"));
    let (recipe, run) = (recipe(&base), dir.path().join("run"));
    fs_err::create_dir_all(&run).unwrap();
    fs_err::write(run.join("recipe.toml"), recipe.to_toml()).unwrap();
    let line =
        |n: usize| serde_json::json!({"text": format!("Boots {n} of leather cost {} euros.", n * 7 % 90)});
    let rows: String = (0..40).map(|n| format!("{}\n", line(n))).collect();
    fs_err::write(run.join("rows.jsonl"), rows).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_shopclerk"))
        .args(["train", "--json"])
        .arg(&run)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let outcome: Outcome = serde_json::from_slice(&output.stdout).unwrap();
    let test = outcome.test.unwrap();
    assert!(test.adapter < 0.9 * test.base, "it learns the text: {test:?}");

    let ids = [5, 17, 40, 66, 80, 12, 100];
    let mut network = Network::load(&base, &recipe.lora, &options()).unwrap();
    let untrained = network.logits(&ids).unwrap();
    network.adapter_mut().set_tensors(peft::read(&run.join("adapter")).unwrap().tensors).unwrap();
    let expected = network.logits(&ids).unwrap();
    let gguf = imported(&run.join("model.gguf"), &dir.path().join("back"));
    for (folder, most) in [(run.join("merged"), 1e-3), (gguf, 0.3)] {
        let found = Network::load(&folder, &recipe.lora, &options()).unwrap().logits(&ids).unwrap();
        let off = apart(&found, &expected);
        assert!(off < most && apart(&found, &untrained) > 2.0 * most, "{}: {off}", folder.display());
    }
    assert!(!run.join(".part-gguf").exists());
}

/// Half of the digits are for whoever serves; who goes on needs all of them.
#[test]
fn a_checkpoint_is_whole_whatever_is_written_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let base = model(dir.path(), "llama");
    let mut recipe = recipe_of(lora());
    recipe.output.dtype = AdapterDtype::F16;
    let learn = |net: &mut Lora, step: usize| {
        let pass = Pass { step: step as u64, first_row: 0, scale: 0.1 };
        net.backward(&[row(30, 1)], &pass).unwrap();
        net.step(step, 10).unwrap();
    };
    let saved = |net: &Lora, name: &str| {
        let folder = dir.path().join(name);
        fs_err::create_dir(&folder).unwrap();
        net.save(&folder).unwrap();
        fs_err::read(folder.join(peft::WEIGHTS)).unwrap()
    };
    let mut net = Lora::load(&base, &recipe).unwrap();
    learn(&mut net, 1);
    let first = saved(&net, "first");
    let mut again = Lora::load(&base, &recipe).unwrap();
    again.load(&dir.path().join("first")).unwrap();
    learn(&mut net, 2);
    learn(&mut again, 2);
    assert!(saved(&net, "whole") == saved(&again, "resumed"), "a resumed run ends with another adapter");
    net.export(&dir.path().join("whole")).unwrap();
    let exported = fs_err::read(dir.path().join("whole").join(peft::WEIGHTS)).unwrap();
    assert!(exported.len() < first.len(), "{} of {}", exported.len(), first.len());
}

/// B begins as zero and hides A; once it has moved, both have to learn.
#[test]
fn a_and_b_are_asked_for_their_gradients_when_they_have_some() {
    let dir = tempfile::tempdir().unwrap();
    let base = model(dir.path(), "llama");
    let mut net = Lora::load(&base, &recipe_of(lora())).unwrap();
    let pass = |net: &mut Lora, step| net.backward(&[row(30, 1)], &Pass { step, first_row: 0, scale: 0.1 });
    let fault = net.check_gradients(1).unwrap_err().to_string();
    assert!(fault.contains("no gradient reaches its B"), "{fault}");
    pass(&mut net, 1).unwrap();
    net.check_gradients(1).unwrap();
    let fault = net.check_gradients(2).unwrap_err().to_string();
    assert!(fault.contains("no gradient reaches its A"), "{fault}");
    net.step(1, 10).unwrap();
    pass(&mut net, 2).unwrap();
    net.check_gradients(2).unwrap();
}
