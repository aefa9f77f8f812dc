//! GGUF files that must be refused.

use crate::model_files_made::{Gguf, HIDDEN, V, f32_tensor, tiny};

/// A text value that claims to be `length` bytes long.
fn long_text(length: u64) -> V {
    V::Raw([8_u32.to_le_bytes().as_slice(), &length.to_le_bytes()].concat())
}

/// An array that claims `count` values of `kind`.
fn long_array(kind: u32, count: u64) -> V {
    V::Raw([9_u32.to_le_bytes().as_slice(), &kind.to_le_bytes(), &count.to_le_bytes()].concat())
}

/// Files that must be refused, by what is wrong with them.
pub(crate) fn bent() -> Vec<(&'static str, Vec<u8>)> {
    let good = || tiny("llama", "smollm");
    let with = |change: &dyn Fn(&mut Gguf)| {
        let mut gguf = good();
        change(&mut gguf);
        gguf.bytes()
    };
    let patched = |at: usize, bytes: &[u8]| {
        let mut file = good().bytes();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        file
    };
    let extra = |value: V| with(&|g| _ = g.set("extra", value.clone()));
    let set = |key: &'static str, value: V| with(&|g| _ = g.set(key, value.clone()));
    let unset = |key: &'static str| with(&|g| _ = g.unset(key));
    let q = "blk.0.attn_q.weight";
    let nan = f32::NAN.to_le_bytes();
    vec![
        ("empty", Vec::new()),
        ("only a magic", b"GGUF".to_vec()),
        ("no magic", patched(0, b"PK\x03\x04")),
        ("version 1", patched(4, &[1, 0, 0, 0])),
        ("version 9", patched(4, &[9, 0, 0, 0])),
        ("big-endian", patched(4, &[0, 0, 0, 3])),
        ("2^63 tensors", patched(8, &(1_u64 << 63).to_le_bytes())),
        ("60,000 tensors in a small file", patched(8, &60_000_u64.to_le_bytes())),
        ("2^64-1 entries", patched(16, &u64::MAX.to_le_bytes())),
        ("60,000 entries in a small file", patched(16, &60_000_u64.to_le_bytes())),
        ("key of 2^63 bytes", patched(24, &(1_u64 << 63).to_le_bytes())),
        ("key of 60,000 bytes", patched(24, &60_000_u64.to_le_bytes())),
        ("text of 2^62 bytes", extra(long_text(1 << 62))),
        ("text of 8 MB", extra(long_text(8 << 20))),
        ("array of 2^61 texts", extra(long_array(8, 1 << 61))),
        ("array of 4 million numbers", extra(long_array(4, 1 << 22))),
        ("array of arrays", extra(long_array(9, 1))),
        ("array of unknowns", extra(long_array(77, 1))),
        ("unknown type", extra(V::Raw(vec![99, 0, 0, 0]))),
        ("neither true nor false", extra(V::Raw(vec![7, 0, 0, 0, 2]))),
        ("text that is not UTF-8", extra(V::Raw(vec![8, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe]))),
        ("key twice", with(&|g| g.entries.push(("general.license".into(), V::U32(1))))),
        ("alignment 0", set("general.alignment", V::U32(0))),
        ("alignment 33", set("general.alignment", V::U32(33))),
        ("tensor twice", with(&|g| g.tensors.push(f32_tensor("output_norm.weight", &[HIDDEN])))),
        ("tensor of 7 dimensions", with(&|g| g.tensor(q).dims = vec![1; 7])),
        ("tensor of no dimension", with(&|g| g.tensor(q).dims = vec![])),
        ("tensor of 2^64 bytes", with(&|g| g.tensor(q).dims = vec![1 << 32, 1 << 32])),
        ("tensor longer than the file", with(&|g| g.tensor(q).dims = vec![32, 1 << 20])),
        ("tensor of no rows", with(&|g| g.tensor(q).dims = vec![32, 0])),
        ("tensor of half blocks", with(&|g| (g.tensor(q).kind, g.tensor(q).dims) = (8, vec![31, 32]))),
        ("tensor of an unknown type", with(&|g| g.tensor(q).kind = 41)),
        ("tensor behind the file", with(&|g| g.tensor(q).offset = Some(1 << 40))),
        ("tensor that wraps around", with(&|g| g.tensor(q).offset = Some(u64::MAX - 31))),
        ("tensor out of line", with(&|g| g.tensor(q).offset = Some(7))),
        ("tensor on another", with(&|g| g.tensor(q).offset = Some(0))),
        ("tensor missing", with(&|g| g.tensors.retain(|t| t.name != q))),
        ("tensor nobody knows", with(&|g| g.tensors.push(f32_tensor("blk.0.attn_q.bias", &[32])))),
        ("tensor of the wrong shape", with(&|g| *g.tensor(q) = f32_tensor(q, &[HIDDEN, 8]))),
        ("weight that is not a number", with(&|g| g.tensor(q).data[128..132].copy_from_slice(&nan))),
        ("no architecture", unset("general.architecture")),
        ("other architecture", set("general.architecture", V::Text("mamba".into()))),
        ("split file", set("split.count", V::U32(2))),
        ("experts", set("llama.expert_count", V::U32(8))),
        ("no layers", set("llama.block_count", V::U32(0))),
        ("4 billion layers", set("llama.block_count", V::U32(u32::MAX))),
        ("layers as text", set("llama.block_count", V::Text("two".into()))),
        ("width missing", unset("llama.embedding_length")),
        ("heads that do not divide", set("llama.attention.head_count", V::U32(5))),
        ("key heads that do not divide", set("llama.attention.head_count_kv", V::U32(3))),
        ("odd heads", set("llama.attention.key_length", V::U32(7))),
        ("eps missing", unset("llama.attention.layer_norm_rms_epsilon")),
        ("eps not a number", set("llama.attention.layer_norm_rms_epsilon", V::F32(f32::NAN))),
        (
            "stretched by yarn",
            with(&|g| {
                g.set("llama.rope.scaling.type", V::Text("yarn".into()))
                    .set("llama.rope.scaling.factor", V::F32(4.0));
            }),
        ),
        ("rope factors of no known cause", with(&|g| g.tensors.push(f32_tensor("rope_freqs.weight", &[4])))),
        ("other tokenizer", set("tokenizer.ggml.model", V::Text("llama".into()))),
        ("other rule", set("tokenizer.ggml.pre", V::Text("viking".into()))),
        ("no rule", unset("tokenizer.ggml.pre")),
        ("too few kinds", set("tokenizer.ggml.token_type", V::I32s(vec![1; 3]))),
        ("more tokens than rows", set("tokenizer.ggml.tokens", V::Texts(vec!["a".into(); 400]))),
        (
            "the same token twice",
            with(&|g| {
                let Some((_, V::Texts(tokens))) =
                    g.entries.iter_mut().find(|(k, _)| k == "tokenizer.ggml.tokens")
                else {
                    return;
                };
                tokens[40] = tokens[41].clone();
            }),
        ),
        ("merge that is no pair", set("tokenizer.ggml.merges", V::Texts(vec!["ab".into()]))),
        ("merge of unknown words", set("tokenizer.ggml.merges", V::Texts(vec!["xx yy".into()]))),
        ("end token out of range", set("tokenizer.ggml.eos_token_id", V::U32(5000))),
        ("no end token", unset("tokenizer.ggml.eos_token_id")),
        ("no chat template", unset("tokenizer.chat_template")),
    ]
}
