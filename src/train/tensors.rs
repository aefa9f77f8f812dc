//! Small safetensors files of float32 matrices: adapters and what the optimiser remembers.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use safetensors::{Dtype, SafeTensors, View};

use super::TrainError;
use super::nn::Matrix;
use crate::domain::recipe::AdapterDtype;

struct Bytes {
    dtype: Dtype,
    shape: [usize; 2],
    bytes: Vec<u8>,
}

impl View for Bytes {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// Writes `matrices` and some notes in the header; `{"format": "pt"}` is always among them, since some readers ask for it.
///
/// # Errors
/// A disk that fails.
pub(super) fn write(
    path: &Path,
    matrices: Vec<(String, &Matrix)>,
    notes: &[(&str, &str)],
) -> Result<(), TrainError> {
    write_as(AdapterDtype::F32, path, matrices, notes)
}

/// The same, with every number as `dtype`.
///
/// # Errors
/// A disk that fails.
pub(super) fn write_as(
    dtype: AdapterDtype,
    path: &Path,
    matrices: Vec<(String, &Matrix)>,
    notes: &[(&str, &str)],
) -> Result<(), TrainError> {
    let mut header: HashMap<String, String> =
        notes.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    header.insert("format".into(), "pt".into());
    let views = matrices.into_iter().map(|(name, matrix)| {
        let numbers = matrix.numbers.iter();
        let (dtype, bytes) = match dtype {
            AdapterDtype::F32 => (Dtype::F32, numbers.flat_map(|number| number.to_le_bytes()).collect()),
            AdapterDtype::F16 => {
                (Dtype::F16, numbers.flat_map(|number| half::f16::from_f32(*number).to_le_bytes()).collect())
            }
        };
        (name, Bytes { dtype, shape: matrix.shape(), bytes })
    });
    let bytes = safetensors::serialize(views, Some(header))
        .map_err(|fault| TrainError::File { file: path.display().to_string(), what: fault.to_string() })?;
    Ok(fs_err::write(path, bytes)?)
}

/// Matrices by name, and the notes of the header.
pub(super) type Found = (BTreeMap<String, Matrix>, HashMap<String, String>);

/// Reads matrices of F32, F16 or BF16.
///
/// # Errors
/// A file that is absent or damaged; a tensor that is no matrix of finite numbers, by name.
pub(super) fn read(path: &Path) -> Result<Found, TrainError> {
    let file = path.display().to_string();
    let bytes = fs_err::read(path)?;
    let damaged = |fault: safetensors::SafeTensorError| TrainError::File {
        file: file.clone(),
        what: format!("is damaged: {fault}"),
    };
    let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(damaged)?;
    let notes = metadata.metadata().clone().unwrap_or_default();
    let all = SafeTensors::deserialize(&bytes).map_err(damaged)?;
    let mut found = BTreeMap::new();
    for (name, view) in all.iter() {
        let fault = |what: String| TrainError::Tensor { file: file.clone(), tensor: name.to_owned(), what };
        let [rows, columns] = *view.shape() else {
            return Err(fault(format!("is {:?}; a matrix is needed", view.shape())));
        };
        let numbers: Vec<f32> = match view.dtype() {
            Dtype::F32 => view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            Dtype::F16 => {
                view.data().as_chunks::<2>().0.iter().map(|b| half::f16::from_le_bytes(*b).to_f32()).collect()
            }
            Dtype::BF16 => view
                .data()
                .as_chunks::<2>()
                .0
                .iter()
                .map(|b| half::bf16::from_le_bytes(*b).to_f32())
                .collect(),
            other => return Err(fault(format!("holds {other:?}; F32, F16 and BF16 can be read"))),
        };
        if let Some(at) = numbers.iter().position(|number| !number.is_finite()) {
            return Err(fault(format!("number {at} is {}", numbers[at])));
        }
        found.insert(name.to_owned(), Matrix { rows, columns, numbers });
    }
    Ok((found, notes))
}
