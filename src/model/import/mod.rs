//! GGUF files into Hugging Face folders.
//!
//! `gguf` reads the header (every length checked against the file's size before anything is allocated), `arch` decides
//! what the model is and which tensors it must have, `weights` de-quantises tensor by tensor into `model.safetensors`,
//! `tokenizer` writes the tokenizer files. Memory stays bounded by the header and one block of rows.
//!
//! Knows nothing of names, downloads or where models live: that is `library`. A folder is only ever written whole, into a
//! place the caller gives; making it appear at once is the caller's job too.

mod arch;
mod gguf;
mod output;
mod pretokenizer;
mod rope;
mod tokenizer;
mod weights;

use std::io::BufReader;
use std::path::Path;

pub use gguf::{GgufError, Header};
pub use weights::Dtype;

use super::library::manifest::{Manifest, Source};
use arch::Plan;
use output::Output;

/// What the caller knows and the file does not.
#[derive(Clone, Debug)]
pub struct Options {
    /// The public name of the model.
    pub name: String,
    /// Where the file comes from.
    pub source: Source,
    /// How weights are stored; `None` is f32 below a billion parameters, else bf16.
    pub dtype: Option<Dtype>,
    /// Milliseconds since the Unix epoch, for the manifest.
    pub created: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("{file}: {fault}")]
    Gguf { file: String, fault: GgufError },
    #[error("{file}: {what}")]
    Unsupported { file: String, what: String },
    #[error("{file}: tensor `{tensor}`: {what}")]
    Tensor { file: String, tensor: String, what: String },
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl ImportError {
    /// The stable code a script sees.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Gguf { .. } => "gguf_damaged",
            Self::Unsupported { .. } => "gguf_unsupported",
            Self::Tensor { .. } => "gguf_tensor",
            Self::Io(_) => "io",
        }
    }
}

/// Why a header that reads well cannot be imported; becomes an [`ImportError`] with the file's name.
#[derive(Debug)]
enum Refusal {
    Gguf(GgufError),
    Unsupported(String),
}

impl From<GgufError> for Refusal {
    fn from(fault: GgufError) -> Self {
        Self::Gguf(fault)
    }
}

/// The bytes that [`import`] writes for the file `gguf`, tokenizer and all, rounded up.
///
/// # Errors
/// As for [`import`].
pub fn output_bytes(gguf: &Path, dtype: Option<Dtype>) -> Result<u64, ImportError> {
    let opened = Opened::open(gguf)?;
    let width = dtype.unwrap_or_else(|| Dtype::fitting(opened.plan.parameters)).width();
    // The tokenizer files of the largest vocabularies are below 32 MiB.
    Ok(opened.plan.parameters * width + (32 << 20))
}

/// A file whose header makes sense.
struct Opened {
    input: BufReader<fs_err::File>,
    header: Header,
    plan: Plan,
    /// The file's name in errors.
    file: String,
}

impl Opened {
    fn open(gguf: &Path) -> Result<Self, ImportError> {
        let file = gguf.display().to_string();
        let handle = fs_err::File::open(gguf)?;
        let size = handle.metadata()?.len();
        let mut input = BufReader::new(handle);
        let header = Header::read(&mut input, size).map_err(|fault| named(&file, fault.into()))?;
        let factors = weights::vector(&mut input, &header, rope::FACTORS).map_err(|e| spoiled(&file, e))?;
        let plan = Plan::of(&header, factors.as_deref()).map_err(|refusal| named(&file, refusal))?;
        Ok(Self { input, header, plan, file })
    }
}

fn named(file: &str, refusal: Refusal) -> ImportError {
    let file = file.to_owned();
    match refusal {
        Refusal::Gguf(fault) => ImportError::Gguf { file, fault },
        Refusal::Unsupported(what) => ImportError::Unsupported { file, what },
    }
}

fn spoiled(file: &str, fault: weights::Fault) -> ImportError {
    match fault {
        weights::Fault::Tensor { tensor, what } => {
            ImportError::Tensor { file: file.to_owned(), tensor, what }
        }
        weights::Fault::Io(fault) => ImportError::Io(fault),
    }
}

/// Writes the model in the file `gguf` into the existing empty folder `into` and returns its manifest, which is written
/// there too. `progress` is told the parameters written so far and in all.
///
/// # Errors
/// A damaged or unsupported file, or a disk that fails; the folder then holds unfinished files and must be thrown away.
pub fn import(
    gguf: &Path,
    into: &Path,
    options: &Options,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Manifest, ImportError> {
    let Opened { mut input, header, plan, file } = Opened::open(gguf)?;
    let named = |refusal| named(&file, refusal);
    let words = tokenizer::Words::of(&header, plan.vocab).map_err(named)?;
    let dtype = options.dtype.unwrap_or_else(|| Dtype::fitting(plan.parameters));

    let mut out = Output::new(into);
    out.json("config.json", &plan.config(dtype, &words.special))?;
    out.json("generation_config.json", &words.generation())?;
    out.json("tokenizer_config.json", &words.tokenizer_config(plan.context))?;
    out.bytes("tokenizer.json", &words.tokenizer().map_err(named)?)?;
    let job = weights::Job { header: &header, plan: &plan, dtype };
    job.write(&mut input, &mut out, progress).map_err(|fault| spoiled(&file, fault))?;

    let manifest = Manifest {
        version: Manifest::VERSION,
        name: options.name.clone(),
        source: options.source.clone(),
        architecture: Some(plan.family.name().to_owned()),
        parameters: plan.parameters,
        dtype: dtype.name().to_owned(),
        licence: header.text("general.license").map(str::to_owned),
        created: options.created,
        files: out.files,
    };
    manifest.write(into)?;
    Ok(manifest)
}
