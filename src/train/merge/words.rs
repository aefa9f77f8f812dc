//! A byte-pair tokenizer's files as the metadata of a GGUF file.

use std::path::Path;

use candle_core::quantized::gguf_file::Value;
use serde_json::Value as Json;

use super::super::TrainError;
use super::gguf::Facts;

/// GGUF's numbers for kinds of tokens.
const NORMAL: i32 = 1;
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;
const UNUSED: i32 = 5;

/// What the folder `base` says of its tokenizer; `words` is the number of rows of the embedding.
pub(super) fn facts(base: &Path, words: usize) -> Result<Facts, TrainError> {
    let fault = |file: &str, what: &str| TrainError::File {
        file: base.join(file).display().to_string(),
        what: what.to_owned(),
    };
    let tokenizer = super::json(base, "tokenizer.json")?;
    if tokenizer["model"]["type"] != "BPE" {
        return Err(fault("tokenizer.json", "model.type: only BPE can be written to GGUF"));
    }
    let rule = rule(&tokenizer).ok_or_else(|| {
        fault("tokenizer.json", "pre_tokenizer: a rule GGUF has no name for that the trainer knows")
    })?;
    let (tokens, kinds) = tokens(&tokenizer, words)
        .ok_or_else(|| fault("tokenizer.json", "model.vocab: an id beyond the embedding's rows"))?;
    let merges =
        merges(&tokenizer).ok_or_else(|| fault("tokenizer.json", "model.merges: not a list of pairs"))?;
    let texts = |texts: Vec<String>| Value::Array(texts.into_iter().map(Value::String).collect());
    let mut facts = vec![
        ("tokenizer.ggml.model".to_owned(), Value::String("gpt2".to_owned())),
        ("tokenizer.ggml.pre".to_owned(), Value::String(rule.to_owned())),
        ("tokenizer.ggml.tokens".to_owned(), texts(tokens)),
        ("tokenizer.ggml.token_type".to_owned(), Value::Array(kinds.into_iter().map(Value::I32).collect())),
        ("tokenizer.ggml.merges".to_owned(), texts(merges)),
    ];
    let config = super::json(base, "config.json")?;
    for (key, id) in special(&config) {
        facts.push((format!("tokenizer.ggml.{key}_token_id"), Value::U32(id)));
    }
    let about = super::json(base, "tokenizer_config.json")?;
    if let Some(add) = about["add_bos_token"].as_bool() {
        facts.push(("tokenizer.ggml.add_bos_token".to_owned(), Value::Bool(add)));
    }
    let beside = base.join("chat_template.jinja");
    let template = match about["chat_template"].as_str() {
        Some(template) => Some(template.to_owned()),
        None if beside.is_file() => Some(fs_err::read_to_string(beside)?),
        None => None,
    };
    if let Some(template) = template {
        facts.push(("tokenizer.chat_template".to_owned(), Value::String(template)));
    }
    Ok(facts)
}

/// GGUF's name for how texts are cut into words.
fn rule(tokenizer: &Json) -> Option<&'static str> {
    let pre = &tokenizer["pre_tokenizer"];
    if pre["type"] == "ByteLevel" {
        return Some("gpt-2");
    }
    match &pre["pretokenizers"].as_array()?[..] {
        [first, bytes] if bytes["type"] == "ByteLevel" => match first["type"].as_str()? {
            "Digits" if first["individual_digits"] == true => Some("smollm"),
            "Split" => {
                let pattern = first["pattern"]["Regex"].as_str()?;
                // How many digits make a word tells the two rules apart.
                let qwen = pattern.contains(r"\p{N}|") && tokenizer["normalizer"]["type"] == "NFC";
                let llama = pattern.contains(r"\p{N}{1,3}|");
                if qwen { Some("qwen2") } else { llama.then_some("llama-bpe") }
            }
            _ => None,
        },
        _ => None,
    }
}

/// Texts and kinds of all tokens by id. Rows of the embedding without a token get a name of their own.
fn tokens(tokenizer: &Json, words: usize) -> Option<(Vec<String>, Vec<i32>)> {
    let mut texts: Vec<String> = (0..words).map(|id| format!("[PAD{id}]")).collect();
    let mut kinds = vec![UNUSED; words];
    let mut set = |id: &Json, text: &str, kind: i32| {
        let id = usize::try_from(id.as_u64()?).ok().filter(|id| *id < words)?;
        text.clone_into(&mut texts[id]);
        kinds[id] = kind;
        Some(())
    };
    for (text, id) in tokenizer["model"]["vocab"].as_object()? {
        set(id, text, NORMAL)?;
    }
    for token in tokenizer["added_tokens"].as_array()? {
        let kind = if token["special"] == true { CONTROL } else { USER_DEFINED };
        set(&token["id"], token["content"].as_str()?, kind)?;
    }
    Some((texts, kinds))
}

/// Older files write a pair as one text with a space, newer ones as two.
fn merges(tokenizer: &Json) -> Option<Vec<String>> {
    let merges = tokenizer["model"]["merges"].as_array()?.iter().map(|merge| match merge {
        Json::String(pair) => Some(pair.clone()),
        Json::Array(pair) => match &pair[..] {
            [left, right] => Some(format!("{} {}", left.as_str()?, right.as_str()?)),
            _ => None,
        },
        _ => None,
    });
    merges.collect()
}

/// Tokens with a job. A list of ends is: of a text, of a turn, of a message.
fn special(config: &Json) -> Vec<(&'static str, u32)> {
    let id = |value: &Json| value.as_u64().and_then(|id| u32::try_from(id).ok());
    let ends = match &config["eos_token_id"] {
        Json::Array(ids) => ids.iter().filter_map(id).collect(),
        one => id(one).into_iter().collect::<Vec<_>>(),
    };
    let mut found: Vec<_> = ["eos", "eot", "eom"].into_iter().zip(ends).collect();
    found.extend(id(&config["bos_token_id"]).map(|id| ("bos", id)));
    found.extend(id(&config["pad_token_id"]).map(|id| ("padding", id)));
    found
}
