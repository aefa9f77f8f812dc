//! The file: the tally, and how far each conversation was counted.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use fs_err as fs;
use serde::{Deserialize, Serialize};

use super::tally::Tally;
use crate::domain::ConvId;
use crate::staff::StaffError;

/// Another one is counted again.
const FORMAT: u32 = 2;

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Kept<'a> {
    pub(super) format: u32,
    pub(super) tally: Cow<'a, Tally>,
    pub(super) marks: BTreeMap<ConvId, u64>,
}

/// What is kept at `path`. One that cannot be read is moved aside: it is made again from the store.
pub(super) fn read(path: &Path) -> Result<Kept<'static>, StaffError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => return Ok(Kept::default()),
        Err(fault) => return Err(StaffError::io(path, &fault)),
    };
    match serde_json::from_slice::<Kept<'static>>(&bytes) {
        Ok(kept) if kept.format == FORMAT => Ok(kept),
        _ => {
            let aside = path.with_extension("json.broken");
            fs::rename(path, &aside).map_err(|fault| StaffError::io(path, &fault))?;
            tracing::warn!(
                file = %path.display(),
                moved_to = %aside.display(),
                "the numbers cannot be read and are counted again; those of erased conversations are lost"
            );
            Ok(Kept::default())
        }
    }
}

pub(super) fn text(tally: &Tally, marks: BTreeMap<ConvId, u64>) -> Vec<u8> {
    let kept = Kept { format: FORMAT, tally: Cow::Borrowed(tally), marks };
    serde_json::to_vec(&kept).expect("numbers become JSON. This is a bug.")
}
