//! Random secrets: made once, shown once, kept as a hash.

use sha2::{Digest, Sha256};

/// SHA-256 of a secret, as hex. Secrets have 256 random bits (recovery codes 50, and few tries), so that no slow hash is needed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Hashed(String);

impl Hashed {
    pub fn of(secret: &str) -> Self {
        Self(hex::encode(Sha256::digest(secret.as_bytes())))
    }

    /// Enough of the hash to name it, too little to guess it.
    pub fn short(&self) -> &str {
        &self.0[..16]
    }
}

/// A fresh secret: 256 bits as hex, with what it is for in front.
pub(super) fn fresh(prefix: &str) -> String {
    let bytes: [u8; 32] = rand::random();
    format!("{prefix}{}", hex::encode(bytes))
}

/// A fresh id: 64 bits as hex.
pub(super) fn fresh_id() -> String {
    hex::encode(rand::random::<[u8; 8]>())
}

/// Ten codes like `k3v9q-7mwx2`: 50 bits each, without letters that look like digits.
pub(super) fn recovery_codes() -> Vec<String> {
    const LETTERS: &[u8; 32] = b"23456789abcdefghjkmnpqrstuvwxyz1";
    (0..10)
        .map(|_| {
            let part = || -> String {
                let bytes: [u8; 5] = rand::random();
                bytes.iter().map(|b| char::from(LETTERS[usize::from(b % 32)])).collect()
            };
            format!("{}-{}", part(), part())
        })
        .collect()
}

/// A recovery code as somebody typed it, in the form it was hashed.
pub(super) fn plain_recovery(typed: &str) -> String {
    let letters: String = typed.to_lowercase().chars().filter(char::is_ascii_alphanumeric).take(10).collect();
    match letters.split_at_checked(5) {
        Some((a, b)) => format!("{a}-{b}"),
        None => letters,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_again_however_they_are_typed() {
        let codes = recovery_codes();
        assert_eq!(codes.iter().collect::<std::collections::HashSet<_>>().len(), 10);
        for code in codes {
            assert_eq!(plain_recovery(&format!(" {} ", code.to_uppercase().replace('-', " "))), code);
        }
        assert_eq!(plain_recovery("ab"), "ab");
    }
}
