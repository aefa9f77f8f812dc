//! `tokenizer.json` and its companions, from the byte-pair tokenizer inside a GGUF file.

use serde_json::{Map, Value, json};

use super::Refusal;
use super::gguf::{self, Header};
use super::pretokenizer::Pretokenizer;

/// The file's numbers for kinds of tokens.
const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;
const UNUSED: i64 = 5;

/// The tokens with a job, by id.
#[derive(Clone, Debug, Default)]
pub(super) struct Special {
    pub(super) bos: Option<u64>,
    /// One id, or all ids that end an answer.
    pub(super) eos: Value,
    pub(super) pad: Option<u64>,
    unk: Option<u64>,
}

/// Everything the file says about its tokenizer, checked.
pub(super) struct Words<'a> {
    tokens: &'a [String],
    kinds: &'a [i64],
    merges: Vec<(&'a str, &'a str)>,
    pre: Pretokenizer,
    chat_template: &'a str,
    add_bos: bool,
    pub(super) special: Special,
}

impl<'a> Words<'a> {
    /// `vocab` is the number of rows of the embedding.
    pub(super) fn of(header: &'a Header, vocab: u64) -> Result<Self, Refusal> {
        match header.text("tokenizer.ggml.model") {
            Some("gpt2") => {}
            Some(other) => {
                return Err(Refusal::Unsupported(format!(
                    "tokenizer model `{other}` is not supported; byte pairs (`gpt2`) are"
                )));
            }
            None => return Err(header.fault("tokenizer.ggml.model", "is missing").into()),
        }
        let tokens = texts(header, "tokenizer.ggml.tokens")?;
        if tokens.is_empty() || tokens.len() as u64 > vocab {
            let problem = format!("{} tokens do not fit {vocab} rows of the embedding", tokens.len());
            return Err(header.fault("tokenizer.ggml.tokens", problem).into());
        }
        let kinds = match header.value("tokenizer.ggml.token_type") {
            Some(gguf::Value::Wholes(kinds)) if kinds.len() == tokens.len() => kinds.as_slice(),
            _ => {
                return Err(header
                    .fault("tokenizer.ggml.token_type", "needs one number for each token")
                    .into());
            }
        };
        let Some(chat_template) = header.text("tokenizer.chat_template") else {
            return Err(Refusal::Unsupported(
                "the file has no chat template (tokenizer.chat_template): take the instruct or chat variant of the model"
                    .into(),
            ));
        };
        let pre = Pretokenizer::named(header.text("tokenizer.ggml.pre"))?;
        let add_bos = match header.value("tokenizer.ggml.add_bos_token") {
            Some(gguf::Value::Flag(flag)) => *flag,
            _ => pre.adds_bos(),
        };
        let special = Special::of(header, tokens.len() as u64)?;
        Ok(Self { tokens, kinds, merges: merges(header)?, pre, chat_template, add_bos, special })
    }

    /// `tokenizer.json`, read back once with the tokenizer library so that what is written is known to work.
    pub(super) fn tokenizer(&self) -> Result<Vec<u8>, Refusal> {
        let text = serde_json::to_vec(&json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": self.added_tokens(),
            "normalizer": self.pre.normalizer(),
            "pre_tokenizer": self.pre.pre_tokenizer(),
            "post_processor": self.post_processor(),
            "decoder": { "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true },
            "model": {
                "type": "BPE",
                "dropout": null,
                "unk_token": null,
                "continuing_subword_prefix": null,
                "end_of_word_suffix": null,
                "fuse_unk": false,
                "byte_fallback": false,
                "ignore_merges": self.pre.ignores_merges(),
                "vocab": self.vocabulary(),
                "merges": self.merges,
            },
        }))
        .map_err(|e| Refusal::Unsupported(format!("its tokenizer cannot be written: {e}")))?;
        let broken = |e: String| Refusal::Unsupported(format!("its tokenizer does not work: {e}"));
        let tokenizer = tokenizers::Tokenizer::from_bytes(&text).map_err(|e| broken(e.to_string()))?;
        for (id, text) in self.known() {
            if tokenizer.token_to_id(text) != Some(id) {
                return Err(broken(format!("token {id} is not itself")));
            }
        }
        Ok(text)
    }

    pub(super) fn tokenizer_config(&self, context: u64) -> Value {
        let text = |id: Option<u64>| id.and_then(|id| self.tokens.get(id as usize));
        let eos = match &self.special.eos {
            Value::Array(ids) => ids.first().and_then(Value::as_u64),
            one => one.as_u64(),
        };
        let decoder: Map<String, Value> = self
            .added_tokens()
            .into_iter()
            .map(|mut token| {
                let id = token.remove("id").unwrap_or_default();
                (id.to_string(), Value::Object(token))
            })
            .collect();
        json!({
            "add_bos_token": self.add_bos,
            "add_prefix_space": false,
            "added_tokens_decoder": decoder,
            "bos_token": text(self.special.bos),
            "eos_token": text(eos),
            "pad_token": text(self.special.pad),
            "unk_token": text(self.special.unk),
            "chat_template": self.chat_template,
            "clean_up_tokenization_spaces": false,
            "model_max_length": context,
            "tokenizer_class": self.pre.class(),
        })
    }

    pub(super) fn generation(&self) -> Value {
        json!({
            "bos_token_id": self.special.bos,
            "eos_token_id": self.ends(),
            "pad_token_id": self.special.pad,
        })
    }

    /// What ends an answer: the file's own tokens, and the one that ends a text, with which a grammar says that it is done.
    fn ends(&self) -> Value {
        let own = match &self.special.eos {
            Value::Array(ids) => ids.clone(),
            one => vec![one.clone()],
        };
        let texts = self.tokens.iter().zip(self.kinds).enumerate();
        let of_text = texts
            .filter(|(_, (text, kind))| **kind == CONTROL && END_OF_TEXT.contains(&text.as_str()))
            .map(|(id, _)| json!(id));
        let mut ends = own.clone();
        ends.extend(of_text.filter(|id| !own.contains(id)));
        if ends.len() == 1 { ends.remove(0) } else { Value::Array(ends) }
    }

    /// Tokens and their ids, without those that only fill the embedding up.
    fn known(&self) -> impl Iterator<Item = (u32, &'a str)> {
        let kept = self.tokens.iter().zip(self.kinds).enumerate().filter(|(_, (_, kind))| **kind != UNUSED);
        kept.map(|(id, (text, _))| (id as u32, text.as_str()))
    }

    fn vocabulary(&self) -> Map<String, Value> {
        self.known().map(|(id, text)| (text.to_owned(), json!(id))).collect()
    }

    fn added_tokens(&self) -> Vec<Map<String, Value>> {
        let added = self.tokens.iter().zip(self.kinds).enumerate();
        let added = added.filter(|(_, (_, kind))| matches!(**kind, CONTROL | USER_DEFINED));
        let describe = |(id, (text, kind)): (usize, (&String, &i64))| {
            let token = json!({
                "id": id,
                "content": text,
                "single_word": false,
                "lstrip": false,
                "rstrip": false,
                "normalized": false,
                "special": *kind == CONTROL,
            });
            if let Value::Object(token) = token { token } else { Map::new() }
        };
        added.map(describe).collect()
    }

    fn post_processor(&self) -> Value {
        let bytes = json!({ "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false, "use_regex": true });
        let bos = self.special.bos.and_then(|id| Some((id, self.tokens.get(id as usize)?)));
        let (true, Some((id, text))) = (self.add_bos, bos) else { return bytes };
        let first = json!({ "SpecialToken": { "id": text, "type_id": 0 } });
        let a = json!({ "Sequence": { "id": "A", "type_id": 0 } });
        let b = json!({ "Sequence": { "id": "B", "type_id": 1 } });
        let second = json!({ "SpecialToken": { "id": text, "type_id": 1 } });
        json!({ "type": "Sequence", "processors": [bytes, {
            "type": "TemplateProcessing",
            "single": [first, a],
            "pair": [first, a, second, b],
            "special_tokens": { text: { "id": text, "ids": [id], "tokens": [text] } },
        }]})
    }
}

/// How vocabularies name the end of a text.
const END_OF_TEXT: [&str; 4] = ["<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>"];

impl Special {
    fn of(header: &Header, tokens: u64) -> Result<Self, Refusal> {
        let id = |name: &str| header.whole(&format!("tokenizer.ggml.{name}_token_id"), tokens - 1);
        let Some(eos) = id("eos")? else {
            return Err(header.fault("tokenizer.ggml.eos_token_id", "is missing").into());
        };
        // Some models end a turn with another token than a text.
        let mut ends = vec![eos];
        for name in ["eot", "eom"] {
            ends.extend(id(name)?.filter(|end| !ends.contains(end)));
        }
        let eos = if let [one] = ends.as_slice() { json!(one) } else { json!(ends) };
        Ok(Self { bos: id("bos")?, eos, pad: id("padding")?, unk: id("unknown")? })
    }
}

fn texts<'a>(header: &'a Header, key: &str) -> Result<&'a [String], Refusal> {
    match header.value(key) {
        Some(gguf::Value::Texts(texts)) => Ok(texts),
        _ => Err(header.fault(key, "must be a list of texts").into()),
    }
}

fn merges(header: &Header) -> Result<Vec<(&str, &str)>, Refusal> {
    let key = "tokenizer.ggml.merges";
    let mut pairs = Vec::new();
    for (index, text) in texts(header, key)?.iter().enumerate() {
        let Some(pair) = text.split_once(' ') else {
            return Err(header.fault(key, format!("entry {index} is not a pair")).into());
        };
        pairs.push(pair);
    }
    Ok(pairs)
}
