//! The tensors of a model folder, read one at a time as float32, so that loading takes no more memory than the model.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use half::{bf16, f16};
use safetensors::Dtype;
use safetensors::tensor::Metadata;
use serde::Deserialize;

use super::super::TrainError;

/// A longer header than the format's own limit is a damaged file.
const LONGEST_HEADER: u64 = 100_000_000;
/// Bytes read at once.
const CHUNK: usize = 1 << 20;

/// Where the tensors of a folder are.
pub(crate) struct Weights {
    /// `model.safetensors`, or the index of several files.
    file: String,
    places: BTreeMap<String, Place>,
}

struct Place {
    file: PathBuf,
    dtype: Dtype,
    shape: Vec<usize>,
    /// First byte in the file.
    start: u64,
}

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Weights {
    /// Reads the headers of `model.safetensors`, or of the files that `model.safetensors.index.json` names.
    ///
    /// # Errors
    /// A file that is absent or damaged.
    pub(crate) fn open(folder: &Path) -> Result<Self, TrainError> {
        let index = folder.join("model.safetensors.index.json");
        let mut weights = Self { file: String::new(), places: BTreeMap::new() };
        if index.is_file() {
            weights.file = index.display().to_string();
            let text = fs_err::read_to_string(&index)?;
            let parsed: Index = serde_json::from_str(&text)
                .map_err(|fault| TrainError::File { file: weights.file.clone(), what: fault.to_string() })?;
            let mut files: Vec<_> = parsed.weight_map.into_values().collect();
            files.sort();
            files.dedup();
            for file in files {
                if Path::new(&file).components().count() != 1 {
                    let what = format!("weight_map names {file:?}, which is not a file of the folder");
                    return Err(TrainError::File { file: weights.file, what });
                }
                weights.add(&folder.join(file))?;
            }
        } else {
            let file = folder.join("model.safetensors");
            weights.file = file.display().to_string();
            weights.add(&file)?;
        }
        Ok(weights)
    }

    fn add(&mut self, path: &Path) -> Result<(), TrainError> {
        let damaged = |what: String| TrainError::File { file: path.display().to_string(), what };
        let mut file = fs_err::File::open(path)?;
        let size = file.metadata()?.len();
        let mut length = [0; 8];
        file.read_exact(&mut length)?;
        let length = u64::from_le_bytes(length);
        if length > LONGEST_HEADER.min(size) {
            return Err(damaged("is damaged: its header does not fit".into()));
        }
        let mut header = vec![0; length as usize];
        file.read_exact(&mut header)?;
        let metadata: Metadata = serde_json::from_slice(&header)
            .map_err(|fault| damaged(format!("is damaged: its header: {fault}")))?;
        if size < 8 + length + metadata.data_len() as u64 {
            return Err(damaged("is cut off: it ends before its last tensor".into()));
        }
        for (name, info) in metadata.tensors() {
            let place = Place {
                file: path.to_owned(),
                dtype: info.dtype,
                shape: info.shape.clone(),
                start: 8 + length + info.data_offsets.0 as u64,
            };
            self.places.insert(name, place);
        }
        Ok(())
    }

    /// Names of all tensors, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.places.keys().map(String::as_str)
    }

    pub(crate) fn shape(&self, name: &str) -> Result<&[usize], TrainError> {
        Ok(&self.place(name)?.shape)
    }

    pub(crate) fn is_bf16(&self, name: &str) -> bool {
        self.places.get(name).is_some_and(|place| place.dtype == Dtype::BF16)
    }

    /// The numbers of tensor `name`, which must have this shape, row after row.
    ///
    /// # Errors
    /// A tensor that is absent, of another shape, or not of floating-point numbers; a disk that fails.
    pub(crate) fn read(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, TrainError> {
        let place = self.place(name)?;
        if place.shape != shape {
            let what = format!("is {:?}; the configuration asks for {shape:?}", place.shape);
            return Err(self.fault(name, what));
        }
        let width = match place.dtype {
            Dtype::F32 => 4,
            Dtype::F16 | Dtype::BF16 => 2,
            other => {
                return Err(self.fault(name, format!("holds {other:?}; the trainer reads F32, F16 and BF16")));
            }
        };
        let mut left = shape.iter().product::<usize>() * width;
        let mut numbers = Vec::with_capacity(left / width);
        let mut file = fs_err::File::open(&place.file)?;
        file.seek(SeekFrom::Start(place.start))?;
        let mut chunk = vec![0; CHUNK.min(left)];
        while left > 0 {
            let bytes = &mut chunk[..CHUNK.min(left)];
            file.read_exact(bytes)?;
            append(place.dtype, bytes, &mut numbers);
            left -= bytes.len();
        }
        Ok(numbers)
    }

    fn place(&self, name: &str) -> Result<&Place, TrainError> {
        self.places.get(name).ok_or_else(|| self.fault(name, "is missing".into()))
    }

    fn fault(&self, tensor: &str, what: String) -> TrainError {
        TrainError::Tensor { file: self.file.clone(), tensor: tensor.to_owned(), what }
    }
}

fn append(dtype: Dtype, bytes: &[u8], into: &mut Vec<f32>) {
    match dtype {
        Dtype::F32 => into.extend(bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b))),
        Dtype::F16 => into.extend(bytes.as_chunks::<2>().0.iter().map(|b| f16::from_le_bytes(*b).to_f32())),
        _ => into.extend(bytes.as_chunks::<2>().0.iter().map(|b| bf16::from_le_bytes(*b).to_f32())),
    }
}
