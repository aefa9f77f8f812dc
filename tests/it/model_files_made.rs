//! Small GGUF files made from scratch, so that tests need no download: whole, bent and cut.

use std::path::Path;

/// Metadata values the tests write.
#[derive(Clone)]
pub(crate) enum V {
    U32(u32),
    F32(f32),
    Bool(bool),
    Text(String),
    Texts(Vec<String>),
    I32s(Vec<i32>),
    /// Any bytes, type number first.
    Raw(Vec<u8>),
}

#[derive(Clone)]
pub(crate) struct T {
    pub(crate) name: String,
    /// Columns first, as in the file.
    pub(crate) dims: Vec<u64>,
    pub(crate) kind: u32,
    pub(crate) data: Vec<u8>,
    /// Instead of the next free place.
    pub(crate) offset: Option<u64>,
}

#[derive(Clone)]
pub(crate) struct Gguf {
    pub(crate) version: u32,
    pub(crate) entries: Vec<(String, V)>,
    pub(crate) tensors: Vec<T>,
}

fn text(into: &mut Vec<u8>, text: &str) {
    into.extend((text.len() as u64).to_le_bytes());
    into.extend(text.as_bytes());
}

impl V {
    fn write(&self, into: &mut Vec<u8>) {
        let mut kind = |number: u32| into.extend(number.to_le_bytes());
        match self {
            Self::U32(n) => {
                kind(4);
                into.extend(n.to_le_bytes());
            }
            Self::F32(n) => {
                kind(6);
                into.extend(n.to_le_bytes());
            }
            Self::Bool(flag) => {
                kind(7);
                into.push((*flag).into());
            }
            Self::Text(t) => {
                kind(8);
                text(into, t);
            }
            Self::Texts(texts) => {
                kind(9);
                into.extend(8_u32.to_le_bytes());
                into.extend((texts.len() as u64).to_le_bytes());
                texts.iter().for_each(|t| text(into, t));
            }
            Self::I32s(numbers) => {
                kind(9);
                into.extend(5_u32.to_le_bytes());
                into.extend((numbers.len() as u64).to_le_bytes());
                into.extend(numbers.iter().flat_map(|n| n.to_le_bytes()));
            }
            Self::Raw(bytes) => into.extend(bytes),
        }
    }
}

impl Gguf {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend(self.version.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.entries.len() as u64).to_le_bytes());
        for (key, value) in &self.entries {
            text(&mut out, key);
            value.write(&mut out);
        }
        let mut at = 0_u64;
        let mut data = Vec::new();
        for tensor in &self.tensors {
            text(&mut out, &tensor.name);
            out.extend((tensor.dims.len() as u32).to_le_bytes());
            out.extend(tensor.dims.iter().flat_map(|d| d.to_le_bytes()));
            out.extend(tensor.kind.to_le_bytes());
            out.extend(tensor.offset.unwrap_or(at).to_le_bytes());
            data.resize(at as usize, 0);
            data.extend(&tensor.data);
            at = (at + tensor.data.len() as u64).next_multiple_of(32);
        }
        out.resize(out.len().next_multiple_of(32), 0);
        out.extend(data);
        out
    }

    pub(crate) fn save(&self, to: &Path) {
        fs_err::write(to, self.bytes()).unwrap();
    }

    pub(crate) fn set(&mut self, key: &str, value: V) -> &mut Self {
        match self.entries.iter_mut().find(|(k, _)| k == key) {
            Some(entry) => entry.1 = value,
            None => self.entries.push((key.to_owned(), value)),
        }
        self
    }

    pub(crate) fn unset(&mut self, key: &str) -> &mut Self {
        self.entries.retain(|(k, _)| k != key);
        self
    }

    pub(crate) fn tensor(&mut self, name: &str) -> &mut T {
        self.tensors.iter_mut().find(|t| t.name == name).unwrap()
    }
}

pub(crate) const HIDDEN: u64 = 32;
pub(crate) const HEADS: u64 = 4;
pub(crate) const KV_HEADS: u64 = 2;
pub(crate) const HEAD: u64 = 8;
const INNER: u64 = 64;
const LAYERS: u64 = 2;

/// The byte-level alphabet of GPT-2 (bytes that are no printable characters are moved up to U+0100 and on).
pub(crate) fn alphabet() -> Vec<String> {
    let mut moved = 0;
    let letter = |byte: u8| match byte {
        b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff => char::from(byte),
        _ => {
            moved += 1;
            char::from_u32(255 + moved).unwrap()
        }
    };
    (0..=255).map(letter).map(String::from).collect()
}

/// A number for each element: no two tensors and rows look alike.
fn numbers(name: &str, count: u64) -> Vec<f32> {
    let seed = name.bytes().fold(7_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    (0..count)
        .map(|i| ((seed.wrapping_add((i as u32).wrapping_mul(2_654_435)) >> 8) % 1000) as f32 / 1000.0 - 0.5)
        .collect()
}

pub(crate) fn f32_tensor(name: &str, dims: &[u64]) -> T {
    let data = numbers(name, dims.iter().product()).iter().flat_map(|n| n.to_le_bytes()).collect();
    T { name: name.to_owned(), dims: dims.to_vec(), kind: 0, data, offset: None }
}

/// A whole model of the family `arch` with the tokenizer rule `pre`.
pub(crate) fn tiny(arch: &str, pre: &str) -> Gguf {
    let mut tokens = alphabet();
    let merges = ["1 2", "12 3", "123 4", "h e", "l l", "he ll", "hell o"];
    tokens.extend(merges.iter().map(|pair| pair.replace(' ', "")));
    let ordinary = tokens.len();
    tokens.extend(["<|start|>", "<|end|>", "<think>", "[PAD1]"].map(str::to_owned));
    let mut kinds = vec![1; ordinary];
    kinds.extend([3, 3, 4, 5]);
    let vocab = tokens.len() as u64;
    let key = |name: &str| format!("{arch}.{name}");
    let entries = vec![
        ("general.architecture".into(), V::Text(arch.into())),
        ("general.license".into(), V::Text("cc0-1.0".into())),
        (key("block_count"), V::U32(LAYERS as u32)),
        (key("context_length"), V::U32(128)),
        (key("embedding_length"), V::U32(HIDDEN as u32)),
        (key("feed_forward_length"), V::U32(INNER as u32)),
        (key("attention.head_count"), V::U32(HEADS as u32)),
        (key("attention.head_count_kv"), V::U32(KV_HEADS as u32)),
        (key("attention.layer_norm_rms_epsilon"), V::F32(1e-6)),
        (key("rope.freq_base"), V::F32(10_000.0)),
        ("tokenizer.ggml.model".into(), V::Text("gpt2".into())),
        ("tokenizer.ggml.pre".into(), V::Text(pre.into())),
        ("tokenizer.ggml.tokens".into(), V::Texts(tokens)),
        ("tokenizer.ggml.token_type".into(), V::I32s(kinds)),
        ("tokenizer.ggml.merges".into(), V::Texts(merges.map(str::to_owned).to_vec())),
        ("tokenizer.ggml.bos_token_id".into(), V::U32(ordinary as u32)),
        ("tokenizer.ggml.eos_token_id".into(), V::U32(ordinary as u32 + 1)),
        ("tokenizer.ggml.add_bos_token".into(), V::Bool(false)),
        ("tokenizer.chat_template".into(), V::Text("{{ messages[0]['content'] }}<|end|>".into())),
    ];
    let (wide, narrow) = (HEADS * HEAD, KV_HEADS * HEAD);
    let mut tensors =
        vec![f32_tensor("token_embd.weight", &[HIDDEN, vocab]), f32_tensor("output_norm.weight", &[HIDDEN])];
    for layer in 0..LAYERS {
        let mut add =
            |name: &str, dims: &[u64]| tensors.push(f32_tensor(&format!("blk.{layer}.{name}"), dims));
        add("attn_norm.weight", &[HIDDEN]);
        add("attn_q.weight", &[HIDDEN, wide]);
        add("attn_k.weight", &[HIDDEN, narrow]);
        add("attn_v.weight", &[HIDDEN, narrow]);
        add("attn_output.weight", &[wide, HIDDEN]);
        add("ffn_norm.weight", &[HIDDEN]);
        add("ffn_gate.weight", &[HIDDEN, INNER]);
        add("ffn_up.weight", &[HIDDEN, INNER]);
        add("ffn_down.weight", &[INNER, HIDDEN]);
        match arch {
            "qwen2" => {
                add("attn_q.bias", &[wide]);
                add("attn_k.bias", &[narrow]);
                add("attn_v.bias", &[narrow]);
            }
            "qwen3" => {
                add("attn_q_norm.weight", &[HEAD]);
                add("attn_k_norm.weight", &[HEAD]);
            }
            _ => {}
        }
    }
    Gguf { version: 3, entries, tensors }
}
