//! From files to examples: read, made alike, freed of duplicates, split, rendered, tokenised, measured.
//!
//! `prepare` turns the files of a recipe into one `rows.jsonl`; `corpus` reads that file and keeps the tokens on the disk, so that
//! memory does not grow with the rows; `batch` says which examples make a step. Nothing here knows gradients.

pub mod batch;
pub mod corpus;
pub mod encode;
mod error;
mod formats;
mod lines;
pub mod prepare;
mod python;
pub mod read;
pub mod report;
pub mod split;
mod strip;
pub mod task;
pub mod template;

pub use error::{DataError, Fault, Faults};

/// A number that depends on nothing but what goes in: the first eight bytes of a SHA-256.
pub(crate) fn hash64(parts: &[&[u8]]) -> u64 {
    use sha2::{Digest, Sha256};
    let mut sum = Sha256::new();
    for part in parts {
        sum.update((part.len() as u64).to_le_bytes());
        sum.update(part);
    }
    let sum = sum.finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&sum[..8]);
    u64::from_le_bytes(first)
}
