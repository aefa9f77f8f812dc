//! The importer on small files made from scratch: what it writes, and what it says to files that are bent, cut or hostile.

use std::fmt::Write as _;
use std::path::Path;

use proptest::prelude::*;
use safetensors::SafeTensors;
use serde_json::Value;
use shopclerk::model::import::{Dtype, Header, ImportError, Options, import};
use shopclerk::model::library::Manifest;
use shopclerk::model::library::manifest::Source;

use crate::model_files_bent::bent;
use crate::model_files_made::{Gguf, HEAD, HEADS, HIDDEN, T, V, f32_tensor, tiny};

fn options() -> Options {
    Options {
        name: "tiny".into(),
        source: Source { origin: "file:tiny.gguf".into(), sha256: None },
        dtype: None,
        created: 1_700_000_000_000,
    }
}

fn import_as(gguf: &Gguf, into: &Path, dtype: Option<Dtype>) -> Result<Manifest, ImportError> {
    let file = into.join("tiny.gguf");
    gguf.save(&file);
    let out = into.join("out");
    fs_err::create_dir_all(&out).unwrap();
    import(&file, &out, &Options { dtype, ..options() }, &mut |_, _| ())
}

fn json(dir: &Path, name: &str) -> Value {
    serde_json::from_slice(&fs_err::read(dir.join("out").join(name)).unwrap()).unwrap()
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
}

/// What the converter to GGUF does to the rows of q and k, in its own words: view as (heads, 2, half, columns), swap the
/// second and third axis.
fn as_the_converter_does(rows: &[Vec<f32>], heads: usize) -> Vec<Vec<f32>> {
    let head = rows.len() / heads;
    let half = head / 2;
    let mut out = Vec::new();
    for h in 0..heads {
        for j in 0..half {
            for i in 0..2 {
                out.push(rows[h * head + i * half + j].clone());
            }
        }
    }
    out
}

#[test]
fn rotary_rows_come_back_as_hugging_face_has_them() {
    let dir = tempfile::tempdir().unwrap();
    let rows: Vec<Vec<f32>> =
        (0..HEADS * HEAD).map(|row| (0..HIDDEN).map(|col| (row * 100 + col) as f32).collect()).collect();
    let mut gguf = tiny("llama", "smollm");
    gguf.tensor("blk.1.attn_q.weight").data =
        as_the_converter_does(&rows, HEADS as usize).concat().iter().flat_map(|n| n.to_le_bytes()).collect();
    let plain = floats(&gguf.tensor("blk.1.attn_v.weight").data);
    import_as(&gguf, dir.path(), None).unwrap();
    let file = fs_err::read(dir.path().join("out/model.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&file).unwrap();
    let q = tensors.tensor("model.layers.1.self_attn.q_proj.weight").unwrap();
    assert_eq!(q.shape(), [(HEADS * HEAD) as usize, HIDDEN as usize]);
    assert_eq!(floats(q.data()), rows.concat());
    let v = tensors.tensor("model.layers.1.self_attn.v_proj.weight").unwrap();
    assert_eq!(floats(v.data()), plain);
}

#[test]
fn each_family_gets_its_tensors_and_its_configuration() {
    for (arch, pre, extra, count) in [
        ("llama", "llama-bpe", None, 20),
        ("qwen2", "qwen2", Some("model.layers.0.self_attn.k_proj.bias"), 26),
        ("qwen3", "qwen2", Some("model.layers.0.self_attn.q_norm.weight"), 24),
    ] {
        for tied in [true, false] {
            let dir = tempfile::tempdir().unwrap();
            let mut gguf = tiny(arch, pre);
            if !tied {
                let rows = gguf.tensor("token_embd.weight").dims[1];
                gguf.tensors.push(f32_tensor("output.weight", &[HIDDEN, rows]));
            }
            import_as(&gguf, dir.path(), None).unwrap();
            let file = fs_err::read(dir.path().join("out/model.safetensors")).unwrap();
            let tensors = SafeTensors::deserialize(&file).unwrap();
            assert_eq!(tensors.len(), count + usize::from(!tied), "{arch}");
            assert_eq!(tensors.names().contains(&"lm_head.weight"), !tied, "{arch}");
            assert!(extra.is_none_or(|name| tensors.names().contains(&name)), "{arch}");
            let config = json(dir.path(), "config.json");
            assert_eq!(config["tie_word_embeddings"], tied, "{arch}");
            assert_eq!(config["model_type"], arch);
            assert_eq!(config["rms_norm_eps"], 1e-6);
            // The library's own check agrees, hashes included.
            shopclerk::model::library::check(&dir.path().join("out"), &mut |_, _| ()).unwrap();
        }
    }
}

#[test]
fn qwen3_keeps_the_order_of_its_rotary_rows() {
    let dir = tempfile::tempdir().unwrap();
    let mut gguf = tiny("qwen3", "qwen2");
    let plain = floats(&gguf.tensor("blk.0.attn_q.weight").data);
    import_as(&gguf, dir.path(), None).unwrap();
    let file = fs_err::read(dir.path().join("out/model.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&file).unwrap();
    assert_eq!(floats(tensors.tensor("model.layers.0.self_attn.q_proj.weight").unwrap().data()), plain);
}

#[test]
fn packed_weights_are_unpacked_and_stored_as_asked() {
    // One block of Q8_0: an f16 scale of 0.5, then the signed bytes 0..31.
    let mut block = half::f16::from_f32(0.5).to_le_bytes().to_vec();
    block.extend(0..32_u8);
    for (dtype, width) in [(Dtype::F32, 4), (Dtype::F16, 2), (Dtype::Bf16, 2)] {
        let dir = tempfile::tempdir().unwrap();
        let mut gguf = tiny("qwen2", "qwen2");
        let v = gguf.tensor("blk.0.attn_v.weight");
        v.kind = 8;
        v.data = block.repeat(v.dims[1] as usize);
        let manifest = import_as(&gguf, dir.path(), Some(dtype)).unwrap();
        let file = fs_err::read(dir.path().join("out/model.safetensors")).unwrap();
        let tensors = SafeTensors::deserialize(&file).unwrap();
        let v = tensors.tensor("model.layers.0.self_attn.v_proj.weight").unwrap();
        assert_eq!(v.data().len(), 16 * 32 * width);
        let row: Vec<f32> = match dtype {
            Dtype::F32 => floats(&v.data()[..32 * 4]),
            Dtype::F16 => {
                v.data()[..64].chunks(2).map(|b| half::f16::from_le_bytes([b[0], b[1]]).to_f32()).collect()
            }
            Dtype::Bf16 => {
                v.data()[..64].chunks(2).map(|b| half::bf16::from_le_bytes([b[0], b[1]]).to_f32()).collect()
            }
        };
        assert_eq!(row, (0..32).map(|n| n as f32 * 0.5).collect::<Vec<_>>());
        assert_eq!(manifest.dtype, json(dir.path(), "shopclerk.json")["dtype"]);
    }
}

#[test]
fn words_are_cut_by_the_rule_the_file_names() {
    let cut = |pre: &str, text: &str| {
        let dir = tempfile::tempdir().unwrap();
        import_as(&tiny("llama", pre), dir.path(), None).unwrap();
        let tokenizer = tokenizers::Tokenizer::from_file(dir.path().join("out/tokenizer.json")).unwrap();
        let encoding = tokenizer.encode(text, false).unwrap();
        assert_eq!(tokenizer.decode(encoding.get_ids(), false).unwrap().replace('\u{e9}', "e\u{301}"), text);
        encoding.get_tokens().join(" ")
    };
    assert_eq!(cut("gpt-2", "hello 1234"), "hello Ġ 1234");
    assert_eq!(cut("smollm", "hello 1234"), "hello Ġ 1 2 3 4");
    assert_eq!(cut("llama-bpe", "hello 1234"), "hello Ġ 123 4");
    assert_eq!(cut("qwen2", "hello 1234"), "hello Ġ 1 2 3 4");
    // Qwen composes accents first, the others do not.
    assert_eq!(cut("qwen2", "e\u{301}"), "Ã ©");
    assert_eq!(cut("gpt-2", "e\u{301}"), "e Ì ģ");
    // Control and user-defined tokens are found in text; fillers are not tokens at all.
    assert_eq!(cut("gpt-2", "<|start|>hello<think><|end|>"), "<|start|> hello <think> <|end|>");
    assert_eq!(cut("gpt-2", "[PAD1]"), "[ P A D 1 ]");
}

#[test]
fn the_beginning_token_is_added_only_where_the_file_says_so() {
    for (pre, flag, first) in [
        ("llama-bpe", None, true),
        ("llama-bpe", Some(false), false),
        ("gpt-2", None, false),
        ("gpt-2", Some(true), true),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let mut gguf = tiny("llama", pre);
        match flag {
            Some(flag) => gguf.set("tokenizer.ggml.add_bos_token", V::Bool(flag)),
            None => gguf.unset("tokenizer.ggml.add_bos_token"),
        };
        import_as(&gguf, dir.path(), None).unwrap();
        let tokenizer = tokenizers::Tokenizer::from_file(dir.path().join("out/tokenizer.json")).unwrap();
        let tokens = tokenizer.encode("hello", true).unwrap().get_tokens().to_vec();
        assert_eq!(tokens.first().is_some_and(|t| t == "<|start|>"), first, "{pre} {flag:?}");
    }
}

#[test]
fn an_answer_may_end_in_more_than_one_way() {
    let dir = tempfile::tempdir().unwrap();
    let mut gguf = tiny("llama", "llama-bpe");
    gguf.set("tokenizer.ggml.eot_token_id", V::U32(263));
    import_as(&gguf, dir.path(), None).unwrap();
    assert_eq!(json(dir.path(), "generation_config.json")["eos_token_id"], serde_json::json!([264, 263]));
    assert_eq!(json(dir.path(), "tokenizer_config.json")["eos_token"], "<|end|>");
}

#[test]
fn bent_files_are_refused_with_the_field_and_the_place() {
    let mut table = String::new();
    for (what, file) in bent() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bent.gguf");
        fs_err::write(&path, file).unwrap();
        let out = dir.path().join("out");
        fs_err::create_dir(&out).unwrap();
        let fault = import(&path, &out, &options(), &mut |_, _| ()).unwrap_err();
        let text = fault.to_string().replace(dir.path().to_str().unwrap(), "DIR");
        writeln!(table, "{what}\n    {}: {text}", fault.code()).unwrap();
    }
    insta::assert_snapshot!("bent_gguf", table);
}

#[test]
fn a_file_cut_anywhere_is_an_error() {
    let whole = tiny("llama", "smollm").bytes();
    assert!(Header::read(&mut whole.as_slice(), whole.len() as u64).is_ok());
    for length in 0..whole.len() {
        let cut = &whole[..length];
        let fault = Header::read(&mut &cut[..], length as u64).unwrap_err();
        assert!(fault.offset <= length as u64, "cut at {length}: {fault}");
        assert!(!fault.field.is_empty(), "cut at {length}");
    }
}

#[test]
fn a_file_that_shrinks_while_it_is_read_is_an_error() {
    let whole = tiny("llama", "smollm").bytes();
    for length in (0..5700).step_by(97) {
        Header::read(&mut &whole[..length], whole.len() as u64).unwrap_err();
    }
}

#[test]
fn the_oldest_supported_version_reads_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let mut gguf = tiny("llama", "smollm");
    gguf.version = 2;
    import_as(&gguf, dir.path(), None).unwrap();
}

#[test]
fn a_tensor_may_lie_anywhere_in_the_data() {
    let dir = tempfile::tempdir().unwrap();
    let mut gguf = tiny("llama", "smollm");
    let T { data, .. } = gguf.tensors.first().unwrap().clone();
    gguf.tensors.reverse();
    import_as(&gguf, dir.path(), None).unwrap();
    let file = fs_err::read(dir.path().join("out/model.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&file).unwrap();
    assert_eq!(tensors.tensor("model.embed_tokens.weight").unwrap().data(), data);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_behind_a_good_beginning_are_an_error_or_a_header(tail in prop::collection::vec(any::<u8>(), 0..2048)) {
        let file = [b"GGUF\x03\0\0\0".as_slice(), &tail].concat();
        let _ = Header::read(&mut file.as_slice(), file.len() as u64);
    }

    #[test]
    fn bent_headers_never_panic(edits in edits()) {
        let file = bend(&edits);
        if let Err(fault) = Header::read(&mut file.as_slice(), file.len() as u64) {
            prop_assert!(fault.offset <= file.len() as u64);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn bent_files_never_panic(edits in edits()) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bent.gguf");
        fs_err::write(&path, bend(&edits)).unwrap();
        let out = dir.path().join("out");
        fs_err::create_dir(&out).unwrap();
        // Either it is refused, or what came out is a whole folder.
        if import(&path, &out, &options(), &mut |_, _| ()).is_ok() {
            shopclerk::model::library::check(&out, &mut |_, _| ()).unwrap();
        }
    }
}

/// Places and what to write there: single bytes, and the numbers attackers like.
fn edits() -> impl Strategy<Value = Vec<(prop::sample::Index, Vec<u8>)>> {
    let byte = any::<u8>().prop_map(|b| vec![b]);
    let number = prop_oneof![
        Just(0_u64),
        Just(u64::MAX),
        Just(1 << 63),
        Just(1 << 32),
        (0_u32..64).prop_map(|bit| (1_u64 << bit).wrapping_sub(1)),
        any::<u64>(),
    ];
    let eight = number.prop_map(|n| n.to_le_bytes().to_vec());
    prop::collection::vec((any::<prop::sample::Index>(), prop_oneof![byte, eight]), 1..6)
}

fn bend(edits: &[(prop::sample::Index, Vec<u8>)]) -> Vec<u8> {
    let mut file = tiny("llama", "smollm").bytes();
    // The header is what parsers break on; the weights behind it are only numbers.
    let header = file.len().min(5_800);
    for (index, bytes) in edits {
        let at = index.index(header);
        let end = (at + bytes.len()).min(file.len());
        file[at..end].copy_from_slice(&bytes[..end - at]);
    }
    file
}
