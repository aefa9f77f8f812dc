//! The server's own secret: 32 random bytes in `secret.key`, made once, readable by the owner alone.

use std::io::Write;
use std::path::{Path, PathBuf};

use fs_err as fs;

/// Bytes of a secret.
pub const LENGTH: usize = 32;

#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("cannot read or make the secret: {0}")]
    Io(#[from] std::io::Error),
    #[error("{} holds {found} bytes instead of {LENGTH}; restore it from a backup, or remove it: every shopper then gets a new session", .path.display())]
    Length { path: PathBuf, found: usize },
}

/// Reads `folder/secret.key`, or makes it. Two servers that start at once end up with the same one.
pub fn load_or_create(folder: &Path) -> Result<[u8; LENGTH], SecretError> {
    let path = folder.join("secret.key");
    if !path.exists() {
        create(folder, &path)?;
    }
    let bytes = fs::read(&path)?;
    bytes.as_slice().try_into().map_err(|_| SecretError::Length { path, found: bytes.len() })
}

fn create(folder: &Path, path: &Path) -> Result<(), SecretError> {
    fs::create_dir_all(folder)?;
    // tempfile makes it with mode 0600; it gets its name only once it is whole and on disk.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    let secret: [u8; LENGTH] = rand::random();
    file.write_all(&secret)?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Ok(_) => {}
        Err(taken) if taken.error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(fault) => return Err(fault.error.into()),
    }
    fs::File::open(folder)?.sync_all()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn made_once_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let first = load_or_create(folder.path()).unwrap();
        assert_eq!(load_or_create(folder.path()).unwrap(), first);
        let mode = fs::metadata(folder.path().join("secret.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_one_is_said_clearly() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("secret.key"), b"short").unwrap();
        let fault = load_or_create(folder.path()).unwrap_err().to_string();
        assert!(fault.contains("holds 5 bytes instead of 32"), "{fault}");
    }
}
