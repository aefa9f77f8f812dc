//! The signature of a delivery: HMAC-SHA256 over `TIMESTAMP.BODY` with the endpoint's secret.
//!
//! Header: `Shopclerk-Signature: t=TIMESTAMP,v1=HEX`, the timestamp in seconds since the Unix epoch. `docs/webhooks.md` shows how
//! a receiver checks it.

use hmac::{Hmac, Mac};
use sha2::Sha256;

pub const HEADER: &str = "Shopclerk-Signature";

/// The value of [`HEADER`] for `body`, sent at `seconds`.
pub fn header(secret: &str, seconds: u64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())
        .expect("HMAC takes keys of any length. This is a bug.");
    mac.update(seconds.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    format!("t={seconds},v1={}", hex::encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf '1764000000.{"a":1}' | openssl dgst -sha256 -hmac whsec_test`
    #[test]
    fn a_signature_is_what_openssl_makes() {
        assert_eq!(header("whsec_test", 1_764_000_000, br#"{"a":1}"#), EXPECTED);
        assert_ne!(header("whsec_test", 1_764_000_001, br#"{"a":1}"#), EXPECTED);
    }

    const EXPECTED: &str = "t=1764000000,v1=c862972147a4361237a5bcb4f74195e2e5d448641115622fe658a65985c5ae8c";
}
