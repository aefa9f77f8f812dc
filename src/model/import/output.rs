//! Files of the folder in the making: each is hashed while it is written and on disk before it counts.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::model::library::manifest::FileEntry;

pub(super) struct Output {
    dir: PathBuf,
    /// The finished files by name.
    pub(super) files: BTreeMap<String, FileEntry>,
}

impl Output {
    pub(super) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), files: BTreeMap::new() }
    }

    pub(super) fn json(&mut self, name: &str, value: &impl Serialize) -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(value)?;
        text.push(b'\n');
        self.bytes(name, &text)
    }

    pub(super) fn bytes(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        let mut file = self.create(name)?;
        file.write_all(content)?;
        self.finish(file)
    }

    pub(super) fn create(&self, name: &str) -> io::Result<Hashed> {
        let file = fs_err::File::create(self.dir.join(name))?;
        Ok(Hashed {
            name: name.to_owned(),
            inner: BufWriter::with_capacity(1 << 20, file),
            sha256: Sha256::new(),
            bytes: 0,
        })
    }

    pub(super) fn finish(&mut self, file: Hashed) -> io::Result<()> {
        let Hashed { name, inner, sha256, bytes } = file;
        inner.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        self.files.insert(name, FileEntry { bytes, sha256: hex::encode(sha256.finalize()) });
        Ok(())
    }
}

/// A file that knows the hash of what went into it.
pub(super) struct Hashed {
    name: String,
    inner: BufWriter<fs_err::File>,
    sha256: Sha256,
    bytes: u64,
}

impl Write for Hashed {
    fn write(&mut self, chunk: &[u8]) -> io::Result<usize> {
        self.write_all(chunk)?;
        Ok(chunk.len())
    }

    fn write_all(&mut self, chunk: &[u8]) -> io::Result<()> {
        self.inner.write_all(chunk)?;
        self.sha256.update(chunk);
        self.bytes += chunk.len() as u64;
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
