//! Model folders on disk: the real default model against golden numbers, and what is said of folders that are not whole.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use shopclerk::model::library::{self, Manifest};

use super::need;

fn tokenizer(model: &Path) -> tokenizers::Tokenizer {
    tokenizers::Tokenizer::from_file(model.join("tokenizer.json")).unwrap()
}

#[test]
fn token_ids_are_those_of_transformers() {
    #[derive(Deserialize)]
    struct Case {
        text: String,
        ids: Vec<u32>,
    }
    let Some(model) = need::model() else { return };
    let cases: Vec<Case> = serde_json::from_str(&need::golden("tokenizer.json")).unwrap();
    assert_eq!(cases.len(), 21);
    let tokenizer = tokenizer(&model);
    for case in cases {
        for special in [false, true] {
            let encoding = tokenizer.encode_fast(case.text.as_str(), special).unwrap();
            assert_eq!(encoding.get_ids(), case.ids, "{:?}", case.text);
        }
        assert_eq!(tokenizer.decode(&case.ids, false).unwrap(), case.text);
    }
}

#[test]
fn conversations_render_to_the_same_ids_and_masks() {
    #[derive(Deserialize)]
    struct Case {
        messages: Vec<Value>,
        ids: Vec<u32>,
        mask: Vec<u8>,
        text: String,
    }
    let Some(model) = need::model() else { return };
    let golden: Value = serde_json::from_str(&need::golden("chat_render.json")).unwrap();
    let cases: Vec<Case> = serde_json::from_value(golden).unwrap();
    assert_eq!(cases.len(), 3);
    let tokenizer = tokenizer(&model);
    let config: Value =
        serde_json::from_slice(&fs_err::read(model.join("tokenizer_config.json")).unwrap()).unwrap();
    let mut templates = minijinja::Environment::new();
    templates.add_template("chat", config["chat_template"].as_str().unwrap()).unwrap();
    let render = |messages: &[Value], add_generation_prompt: bool| {
        let values = minijinja::context! { messages, add_generation_prompt };
        templates.get_template("chat").unwrap().render(values).unwrap()
    };
    let count = |text: &str| tokenizer.encode_fast(text, false).unwrap().len();
    for case in cases {
        let text = render(&case.messages, false);
        assert_eq!(text, case.text);
        assert_eq!(tokenizer.encode_fast(text.as_str(), false).unwrap().get_ids(), case.ids);
        // What the assistant says is trained, from behind the prompt that asks for it to the end of its turn.
        let mut mask = vec![0; case.ids.len()];
        for (index, message) in case.messages.iter().enumerate() {
            if message["role"] == "assistant" {
                let from = count(&render(&case.messages[..index], true));
                let to = count(&render(&case.messages[..=index], false));
                mask[from..to].fill(1);
            }
        }
        assert_eq!(mask, case.mask);
    }
}

#[test]
fn the_default_model_says_what_it_is() {
    let Some(model) = need::model() else { return };
    let report = library::check(&model, &mut |_, _| ()).unwrap();
    assert_eq!((report.tensors, report.parameters), (272, 134_515_008));
    let config: Value = serde_json::from_slice(&fs_err::read(model.join("config.json")).unwrap()).unwrap();
    assert_eq!(config["tie_word_embeddings"], true);
    let manifest = Manifest::read(&model).unwrap().unwrap();
    assert_eq!(manifest.licence.as_deref(), Some("apache-2.0"));
}

/// A small folder that is whole: a tokenizer, a configuration and one tensor.
fn folder(models: &Path, name: &str) -> PathBuf {
    let dir = models.join(name);
    fs_err::create_dir_all(&dir).unwrap();
    let config = json!({
        "architectures": ["LlamaForCausalLM"], "hidden_size": 2, "num_hidden_layers": 0, "vocab_size": 2
    });
    let tokenizer = json!({
        "version": "1.0", "added_tokens": [], "normalizer": null, "pre_tokenizer": null, "post_processor": null,
        "decoder": null, "truncation": null, "padding": null,
        "model": { "type": "BPE", "vocab": { "a": 0, "b": 1 }, "merges": [] }
    });
    let header = br#"{"x":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}"#;
    let weights = [&(header.len() as u64).to_le_bytes(), header.as_slice(), &[0; 16]].concat();
    let files = [
        ("config.json", config.to_string().into_bytes()),
        ("tokenizer.json", tokenizer.to_string().into_bytes()),
        ("tokenizer_config.json", json!({ "chat_template": "x" }).to_string().into_bytes()),
        ("model.safetensors", weights),
    ];
    let mut entries = json!({});
    for (file, content) in files {
        fs_err::write(dir.join(file), &content).unwrap();
        entries[file] = json!({ "bytes": content.len(), "sha256": hex::encode(Sha256::digest(&content)) });
    }
    let manifest = json!({
        "version": 1, "name": name, "source": { "origin": "pypi:some==1" }, "parameters": 4, "dtype": "f32",
        "licence": null, "created": 0, "files": entries
    });
    fs_err::write(dir.join("shopclerk.json"), manifest.to_string()).unwrap();
    dir
}

/// One way to spoil a folder.
struct Spoiled {
    what: &'static str,
    spoil: fn(&Path),
}

fn write(dir: &Path, file: &str, content: impl AsRef<[u8]>) {
    fs_err::write(dir.join(file), content).unwrap();
}

/// Takes the manifest away, so that the later checks come to speak.
fn bare(dir: &Path) {
    fs_err::remove_file(dir.join("shopclerk.json")).unwrap();
}

const SPOILED: &[Spoiled] = &[
    Spoiled { what: "weights missing", spoil: |d| fs_err::remove_file(d.join("model.safetensors")).unwrap() },
    Spoiled { what: "weights empty", spoil: |d| write(d, "model.safetensors", "") },
    Spoiled {
        what: "weights cut short",
        spoil: |d| {
            let path = d.join("model.safetensors");
            let content = fs_err::read(&path).unwrap();
            fs_err::write(path, &content[..content.len() - 1]).unwrap();
        },
    },
    Spoiled {
        what: "one bit turned (found by check alone)",
        spoil: |d| {
            let path = d.join("model.safetensors");
            let mut content = fs_err::read(&path).unwrap();
            *content.last_mut().unwrap() ^= 1;
            fs_err::write(path, content).unwrap();
        },
    },
    Spoiled { what: "tokenizer missing", spoil: |d| fs_err::remove_file(d.join("tokenizer.json")).unwrap() },
    Spoiled { what: "manifest is not JSON", spoil: |d| write(d, "shopclerk.json", "{") },
    Spoiled {
        what: "manifest of a newer version",
        spoil: |d| {
            let text = fs_err::read_to_string(d.join("shopclerk.json")).unwrap();
            write(d, "shopclerk.json", text.replace("\"version\":1", "\"version\":2"));
        },
    },
    Spoiled {
        what: "manifest that names a file elsewhere",
        spoil: |d| {
            let text = fs_err::read_to_string(d.join("shopclerk.json")).unwrap();
            write(d, "shopclerk.json", text.replace("\"tokenizer.json\"", "\"../secret\""));
        },
    },
    Spoiled {
        what: "no manifest: config.json missing",
        spoil: |d| {
            bare(d);
            fs_err::remove_file(d.join("config.json")).unwrap();
        },
    },
    Spoiled {
        what: "no manifest: config.json not JSON",
        spoil: |d| {
            bare(d);
            write(d, "config.json", "hidden_size = 2");
        },
    },
    Spoiled {
        what: "no manifest: config.json of something else",
        spoil: |d| {
            bare(d);
            write(d, "config.json", "{}");
        },
    },
    Spoiled {
        what: "no manifest: no chat template",
        spoil: |d| {
            bare(d);
            write(d, "tokenizer_config.json", "{}");
        },
    },
    Spoiled {
        what: "no manifest: header of 2^63 bytes",
        spoil: |d| {
            bare(d);
            write(d, "model.safetensors", (1_u64 << 63).to_le_bytes());
        },
    },
    Spoiled {
        what: "no manifest: header is not JSON",
        spoil: |d| {
            bare(d);
            write(d, "model.safetensors", b"\x04\0\0\0\0\0\0\0nope");
        },
    },
    Spoiled {
        what: "no manifest: tensor with a hole before it",
        spoil: |d| {
            bare(d);
            let header = br#"{"x":{"dtype":"F32","shape":[2,2],"data_offsets":[8,24]}}"#;
            let content = [&(header.len() as u64).to_le_bytes(), header.as_slice(), &[0; 24]].concat();
            write(d, "model.safetensors", content);
        },
    },
    Spoiled {
        what: "no manifest: index that names a file elsewhere",
        spoil: |d| {
            bare(d);
            write(d, "model.safetensors.index.json", r#"{"weight_map":{"x":"../../secret"}}"#);
        },
    },
    Spoiled {
        what: "no manifest: index that names a missing file",
        spoil: |d| {
            bare(d);
            write(d, "model.safetensors.index.json", r#"{"weight_map":{"x":"model-1.safetensors"}}"#);
        },
    },
    Spoiled {
        what: "no manifest: tokenizer does not parse (found by check alone)",
        spoil: |d| {
            bare(d);
            write(d, "tokenizer.json", "{\"model\":{}}");
        },
    },
];

#[test]
fn spoiled_folders_are_refused_with_the_file_and_the_fix() {
    let mut table = String::new();
    for Spoiled { what, spoil } in SPOILED {
        let models = tempfile::tempdir().unwrap();
        let dir = folder(models.path(), "small");
        library::resolve(models.path(), "small").unwrap();
        library::check(&dir, &mut |_, _| ()).unwrap();
        spoil(&dir);
        let quick = library::resolve(models.path(), "small").err();
        assert_eq!(quick.is_none(), what.contains("check alone"), "{what}");
        let fault = library::check(&dir, &mut |_, _| ()).unwrap_err();
        let listed = library::list(models.path()).unwrap();
        assert_eq!(listed.first().unwrap().fault.is_none(), quick.is_none(), "{what}");
        let text = fault.to_string().replace(models.path().to_str().unwrap(), "MODELS");
        writeln!(table, "{what}\n    {}: {text}", fault.code()).unwrap();
    }
    insta::assert_snapshot!("spoiled_folders", table);
}

#[test]
fn names_and_folders_are_told_apart() {
    let models = tempfile::tempdir().unwrap();
    let dir = folder(models.path(), "small");
    assert_eq!(library::resolve(models.path(), "small").unwrap().path, dir);
    // A folder by its path keeps the name its manifest gives it.
    let elsewhere = models.path().join("elsewhere/copy");
    fs_err::create_dir_all(elsewhere.parent().unwrap()).unwrap();
    fs_err::rename(&dir, &elsewhere).unwrap();
    let found = library::resolve(models.path(), elsewhere.to_str().unwrap()).unwrap();
    assert_eq!((found.name.as_str(), found.path), ("small", elsewhere.clone()));
    bare(&elsewhere);
    assert_eq!(library::resolve(models.path(), elsewhere.to_str().unwrap()).unwrap().name, "copy");

    let mut table = String::new();
    for name in ["nobody", "", "..", "../elsewhere", "a b", "/nowhere/at/all", "-rf", "hf:owner/name"] {
        let fault = library::resolve(models.path(), name).unwrap_err();
        let text = fault.to_string().replace(models.path().to_str().unwrap(), "MODELS");
        writeln!(table, "{name:?}\n    {}: {text}", fault.code()).unwrap();
    }
    insta::assert_snapshot!("model_names", table);
}
