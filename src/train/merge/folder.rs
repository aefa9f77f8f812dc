//! A merged model as a Hugging Face folder.

use std::io::{BufWriter, Write};
use std::path::Path;

use half::{bf16, f16};
use serde_json::{Map, json};

use super::super::TrainError;
use super::super::peft::AdapterFile;
use super::Merged;

/// How the numbers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    F32,
    F16,
    Bf16,
}

/// Files that belong to a model besides its weights and its configuration, copied where they are there.
const COMPANIONS: [&str; 8] = [
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
];

impl Precision {
    fn safetensors(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
        }
    }

    fn torch(self) -> &'static str {
        match self {
            Self::F32 => "float32",
            Self::F16 => "float16",
            Self::Bf16 => "bfloat16",
        }
    }

    fn width(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// The number as it will be read back, and its bytes.
    fn write(self, number: f32, into: &mut Vec<u8>) -> f32 {
        match self {
            Self::F32 => {
                into.extend(number.to_le_bytes());
                number
            }
            Self::F16 => {
                let short = f16::from_f32(number);
                into.extend(short.to_le_bytes());
                short.to_f32()
            }
            Self::Bf16 => {
                let short = bf16::from_f32(number);
                into.extend(short.to_le_bytes());
                short.to_f32()
            }
        }
    }
}

/// Writes the model in the folder `base` with `adapter` merged into the existing folder `into`: weights in one file,
/// configuration, tokenizer.
///
/// # Errors
/// A base that is damaged or does not fit the adapter; a number that does not fit `precision`; a disk that fails. `into` then
/// holds unfinished files.
pub fn write_folder(
    base: &Path,
    adapter: &AdapterFile,
    into: &Path,
    precision: Precision,
) -> Result<(), TrainError> {
    let merged = Merged::open(base, adapter)?;
    let path = into.join("model.safetensors");
    let mut file = BufWriter::new(fs_err::File::create(&path)?);
    file.write_all(&header(&merged, precision)?)?;
    let mut bytes = Vec::new();
    for name in merged.names() {
        bytes.clear();
        for number in merged.read(name)? {
            if !precision.write(number, &mut bytes).is_finite() {
                let what = format!("{number} does not fit {}; write float32", precision.torch());
                let file = path.display().to_string();
                return Err(TrainError::Tensor { file, tensor: name.to_owned(), what });
            }
        }
        file.write_all(&bytes)?;
    }
    file.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;

    let mut config = super::json(base, "config.json")?;
    for key in ["torch_dtype", "dtype"] {
        if config.get(key).is_some() {
            config[key] = json!(precision.torch());
        }
    }
    let mut text = serde_json::to_vec_pretty(&config).map_err(std::io::Error::from)?;
    text.push(b'\n');
    fs_err::write(into.join("config.json"), text)?;
    for name in COMPANIONS {
        let from = base.join(name);
        if from.is_file() {
            fs_err::copy(from, into.join(name))?;
        }
    }
    Ok(())
}

/// Eight bytes of length, then JSON padded with spaces to eight bytes (the safetensors format). Some readers refuse files
/// without the note that says `pt`.
fn header(merged: &Merged<'_>, precision: Precision) -> Result<Vec<u8>, TrainError> {
    let mut table = Map::new();
    table.insert("__metadata__".into(), json!({ "format": "pt" }));
    let mut at = 0;
    for name in merged.names() {
        let shape = merged.shape(name)?;
        let end = at + shape.iter().product::<usize>() * precision.width();
        let entry = json!({ "dtype": precision.safetensors(), "shape": shape, "data_offsets": [at, end] });
        table.insert(name.to_owned(), entry);
        at = end;
    }
    let mut text = serde_json::to_vec(&table).map_err(std::io::Error::from)?;
    text.resize(text.len().next_multiple_of(8), b' ');
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.extend(text);
    Ok(bytes)
}
