//! Files that are there whole or not at all.

use std::io::Write;
use std::path::Path;

use fs_err as fs;
use serde::Serialize;

/// Writes `text` to `file`: after a crash it holds the old text or the new one.
///
/// # Errors
/// A disk that is full or cannot be written; the old file stays.
pub fn write(file: &Path, text: &[u8]) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let mut temp = tempfile::Builder::new().prefix(".part-").tempfile_in(folder)?;
    temp.write_all(text)?;
    temp.as_file().sync_all()?;
    temp.persist(file).map_err(|fault| fault.error)?;
    sync_folder(folder)
}

/// [`write`], as JSON for people.
///
/// # Errors
/// As [`write`].
pub fn write_json(file: &Path, value: &impl Serialize) -> std::io::Result<()> {
    let mut text = serde_json::to_string_pretty(value).map_err(std::io::Error::other)?;
    text.push('\n');
    write(file, text.as_bytes())
}

/// Makes the names in a folder last.
///
/// # Errors
/// What the file system says.
pub fn sync_folder(folder: &Path) -> std::io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

/// Makes a folder by filling another one beside it, syncing every file and renaming. What was there before is moved aside for that, and
/// removed at last: a kill leaves the old folder, the new one, or for a moment none, but never a part of one.
///
/// # Errors
/// What `fill` says; nothing is left of it then.
pub fn write_folder<E: From<std::io::Error>>(
    folder: &Path,
    fill: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    let parent = folder.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent)?;
    let temp = tempfile::Builder::new().prefix(".part-").tempdir_in(parent)?;
    fill(temp.path())?;
    for entry in fs::read_dir(temp.path())? {
        fs::File::open(entry?.path())?.sync_all()?;
    }
    sync_folder(temp.path())?;
    // Opened to the owner alone by tempfile; the folder is like any other.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(temp.path(), std::fs::Permissions::from_mode(0o755))?;
    }
    let mut before = None;
    if folder.exists() {
        let aside = tempfile::Builder::new().prefix(".part-").tempdir_in(parent)?;
        fs::rename(folder, aside.path().join("before"))?;
        before = Some(aside);
    }
    fs::rename(temp.keep(), folder)?;
    sync_folder(parent)?;
    if let Some(before) = before {
        before.close()?;
    }
    Ok(())
}

/// Removes what a killed process left half-made in `folder`.
///
/// # Errors
/// What the file system says.
pub fn sweep(folder: &Path) -> std::io::Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".part-")) {
            if path.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_replaced_whole_and_nothing_is_left_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("adapter");
        for text in ["old", "new"] {
            let fill = |into: &Path| fs::write(into.join(text), text);
            write_folder(&folder, fill).unwrap();
        }
        let names = |folder: &Path| {
            let entries = fs::read_dir(folder).unwrap();
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!((names(dir.path()), names(&folder)), (vec!["adapter".to_owned()], vec!["new".to_owned()]));
        let failed = write_folder(&folder, |_| Err(std::io::Error::other("a full disk")));
        assert!(failed.is_err());
        assert_eq!((names(dir.path()), names(&folder)), (vec!["adapter".to_owned()], vec!["new".to_owned()]));
    }
}
