//! How texts are cut into words before byte pairs are merged. A GGUF file only names the rule; these are the rules.

use serde_json::{Value, json};

use super::Refusal;

/// Llama 3's rule: up to three digits are a word.
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Qwen's rule: each digit is a word.
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pretokenizer {
    Gpt2,
    Smollm,
    Llama3,
    Qwen2,
}

impl Pretokenizer {
    /// The rule named by `tokenizer.ggml.pre`. An absent name is refused: guessing cuts numbers wrongly without a word.
    pub(super) fn named(name: Option<&str>) -> Result<Self, Refusal> {
        match name {
            Some("gpt-2") => Ok(Self::Gpt2),
            Some("smollm") => Ok(Self::Smollm),
            Some("llama-bpe" | "llama3" | "llama-v3") => Ok(Self::Llama3),
            Some("qwen2") => Ok(Self::Qwen2),
            other => Err(Refusal::Unsupported(format!(
                "tokenizer pre-type `{}` is not supported; gpt-2, smollm, llama-bpe and qwen2 are",
                other.unwrap_or("(none)")
            ))),
        }
    }

    pub(super) fn normalizer(self) -> Value {
        match self {
            Self::Qwen2 => json!({ "type": "NFC" }),
            Self::Gpt2 | Self::Smollm | Self::Llama3 => Value::Null,
        }
    }

    pub(super) fn pre_tokenizer(self) -> Value {
        let bytes = |use_regex: bool| json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": use_regex });
        let split = |rule: &str| json!({ "type": "Split", "pattern": { "Regex": rule }, "behavior": "Isolated", "invert": false });
        let both = |first: Value, then: Value| json!({ "type": "Sequence", "pretokenizers": [first, then] });
        match self {
            Self::Gpt2 => bytes(true),
            Self::Smollm => both(json!({ "type": "Digits", "individual_digits": true }), bytes(true)),
            Self::Llama3 => both(split(LLAMA3), bytes(false)),
            Self::Qwen2 => both(split(QWEN2), bytes(false)),
        }
    }

    /// Llama 3 takes a whole word that is in the vocabulary even if no merges lead to it.
    pub(super) fn ignores_merges(self) -> bool {
        self == Self::Llama3
    }

    /// What holds if the file does not say.
    pub(super) fn adds_bos(self) -> bool {
        self == Self::Llama3
    }

    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Gpt2 | Self::Smollm => "GPT2Tokenizer",
            Self::Llama3 => "PreTrainedTokenizerFast",
            Self::Qwen2 => "Qwen2Tokenizer",
        }
    }
}
