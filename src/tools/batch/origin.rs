//! What a batch was begun with.

use std::path::Path;

use fs_err::File;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Who answers, and how: answers of two doers do not belong into one file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Doer {
    /// The tool and its options.
    pub tool: String,
    pub model: String,
    /// `name@version`; the base if absent.
    pub adapter: Option<String>,
    /// The fingerprint of the wording, the lists of attributes and the limits.
    pub prompts: String,
}

/// How answers are written: those of another form are not gone on with. 2: lines are counted as they stand in the input. 3: an
/// item's `id` comes back.
const FORM: u32 = 3;

/// What a partial file belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Origin {
    form: u32,
    #[serde(flatten)]
    doer: Doer,
    pub(super) input_bytes: u64,
    input_sha256: String,
}

impl Origin {
    /// Reads the whole input once: a change far down in it is one too.
    pub(super) fn of(input: &Path, doer: Doer) -> std::io::Result<Self> {
        let (mut file, mut sum) = (File::open(input)?, Sha256::new());
        let input_bytes = std::io::copy(&mut file, &mut sum)?;
        Ok(Self { form: FORM, doer, input_bytes, input_sha256: hex::encode(sum.finalize()) })
    }

    /// `None` for a label that is not there or was written by another version of the program.
    pub(super) fn read(label: &Path) -> Option<Self> {
        let known: Self = serde_json::from_slice(&fs_err::read(label).ok()?).ok()?;
        (known.form == FORM).then_some(known)
    }

    /// What is not the same, in words; `None` if all is.
    pub(super) fn differs_from(&self, begun: &Self) -> Option<String> {
        let base = || "the base".to_owned();
        let (now, then) = (&self.doer, &begun.doer);
        let named = [
            ("tool or options", now.tool.clone(), then.tool.clone()),
            ("model", now.model.clone(), then.model.clone()),
            ("adapter", now.adapter.clone().unwrap_or_else(base), then.adapter.clone().unwrap_or_else(base)),
        ];
        if let Some((what, now, then)) = named.into_iter().find(|(_, now, then)| now != then) {
            return Some(format!("with another {what} ({then}; now it is {now})"));
        }
        if now.prompts != then.prompts {
            return Some("with other prompts, lists of attributes or limits".to_owned());
        }
        (self != begun).then(|| "with another input".to_owned())
    }
}
