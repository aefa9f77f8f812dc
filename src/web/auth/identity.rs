//! The shop's word on who a shopper is: a JWT (HS256) that its own server signs and that lives ten minutes at most.

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::tokens::MAX_TOKEN;
use crate::clock::Clock;
use crate::domain::{ShopperId, text};

/// The longest life of an identity, in seconds: a stolen one is soon worthless.
const MAX_LIFE: u64 = 600;
/// The longest customer id, in bytes.
const MAX_SUBJECT: usize = 256;

/// The longest name or e-mail address that is kept, in characters.
const MAX_LABEL: usize = 200;

/// The claims of an identity.
#[derive(Debug, Deserialize)]
struct Claims {
    sub: String,
    exp: u64,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    email: Option<String>,
}

/// A shopper the shop vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The same customer id always gives the same shopper.
    pub shopper: ShopperId,
    /// The shop's own id of this customer.
    pub external: String,
    pub name: Option<String>,
    pub email: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    #[error("this server has no `web.identity_secrets`; set one, or leave `identity` out")]
    NotConfigured,
    #[error("the identity is not signed (HS256) with one of this server's secrets")]
    Invalid,
    #[error("the identity has expired; the shop's page has to ask its server for a new one")]
    Expired,
    #[error("the identity lives longer than ten minutes; let `exp` be at most 600 s ahead")]
    TooLong,
    #[error("the identity's `aud` is not this server's `web.identity_audience`")]
    Audience,
    #[error("the identity lacks a claim: it needs `sub` (1 to 256 bytes), `aud` and `exp`")]
    Incomplete,
}

impl IdentityError {
    /// The stable code a client sees.
    pub fn code(self) -> &'static str {
        match self {
            Self::NotConfigured => "identity_not_configured",
            Self::Invalid => "identity_invalid",
            Self::Expired => "identity_expired",
            Self::TooLong => "identity_too_long",
            Self::Audience => "identity_audience",
            Self::Incomplete => "identity_incomplete",
        }
    }
}

/// Checks identities against the active secrets.
pub struct Identities {
    keys: Vec<DecodingKey>,
    validation: Validation,
    clock: Clock,
    audience: String,
}

impl std::fmt::Debug for Identities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identities").field("keys", &self.keys.len()).finish_non_exhaustive()
    }
}

impl Identities {
    pub fn new(secrets: &[String], audience: &str, clock: Clock) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["exp", "aud", "sub"]);
        // Time is checked below, by the injected clock and without leeway.
        validation.validate_exp = false;
        let keys = secrets.iter().map(|s| DecodingKey::from_secret(s.as_bytes())).collect();
        Self { keys, validation, clock, audience: audience.to_owned() }
    }

    /// The shopper `token` vouches for.
    pub fn check(&self, token: &str) -> Result<Identity, IdentityError> {
        if self.keys.is_empty() {
            return Err(IdentityError::NotConfigured);
        }
        if token.len() > MAX_TOKEN {
            return Err(IdentityError::Invalid);
        }
        let identity = self.decode(token)?;
        let now = self.clock.now() / 1000;
        if identity.exp <= now {
            return Err(IdentityError::Expired);
        }
        if identity.exp - now > MAX_LIFE {
            return Err(IdentityError::TooLong);
        }
        if identity.sub.is_empty() || identity.sub.len() > MAX_SUBJECT {
            return Err(IdentityError::Incomplete);
        }
        Ok(Identity {
            shopper: shopper_of(&self.audience, &identity.sub),
            external: identity.sub,
            name: label(identity.name),
            email: label(identity.email),
        })
    }

    fn decode(&self, token: &str) -> Result<Claims, IdentityError> {
        let mut fault = IdentityError::Invalid;
        for key in &self.keys {
            match decode::<Claims>(token, key, &self.validation) {
                Ok(data) => return Ok(data.claims),
                // Another secret may fit.
                Err(wrong) if matches!(wrong.kind(), ErrorKind::InvalidSignature) => {}
                Err(wrong) => {
                    fault = match wrong.kind() {
                        ErrorKind::InvalidAudience => IdentityError::Audience,
                        ErrorKind::MissingRequiredClaim(_) | ErrorKind::Json(_) => IdentityError::Incomplete,
                        _ => IdentityError::Invalid,
                    };
                }
            }
        }
        Err(fault)
    }
}

/// A name or address without hidden characters; nothing if it is empty or too long to be one.
fn label(raw: Option<String>) -> Option<String> {
    let clean = text::clean(&raw?).trim().to_owned();
    (!clean.is_empty() && clean.chars().count() <= MAX_LABEL).then_some(clean)
}

/// A UUID made from a hash, version 8 (RFC 9562, section 5.8).
fn shopper_of(audience: &str, subject: &str) -> ShopperId {
    let mut hash = Sha256::new();
    hash.update(b"shopclerk shopper\0");
    hash.update((audience.len() as u64).to_be_bytes());
    hash.update(audience.as_bytes());
    hash.update(subject.as_bytes());
    let digest = hash.finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    ShopperId(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::{Value, json};

    use super::*;

    const NOW: u64 = 1_700_000_000;
    const NEW: &str = "a new secret of thirty-two bytes";
    const OLD: &str = "the old secret, still valid today";

    fn sign(secret: &str, claims: &Value) -> String {
        encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
    }

    #[test]
    fn identities_good_and_bad() {
        let secrets = [NEW.to_owned(), OLD.to_owned()];
        let identities = Identities::new(&secrets, "shopclerk", Clock::manual(NOW * 1000));
        let good = json!({"sub": "customer-1", "aud": "shopclerk", "exp": NOW + 600, "name": "A", "email": "a@example.com"});
        let with = |key: &str, value: Value| {
            let mut claims = good.clone();
            claims[key] = value;
            claims
        };
        let first = identities.check(&sign(NEW, &good)).unwrap();
        assert_eq!(first.name.as_deref(), Some("A"));
        assert_eq!(identities.check(&sign(OLD, &good)), Ok(first.clone()));
        let second = identities.check(&sign(NEW, &with("sub", json!("customer-2")))).unwrap();
        assert_ne!(second.shopper, first.shopper);
        for (claims, expected) in [
            (with("exp", json!(NOW)), IdentityError::Expired),
            (with("exp", json!(NOW + 601)), IdentityError::TooLong),
            (with("aud", json!("other")), IdentityError::Audience),
            (with("sub", json!("")), IdentityError::Incomplete),
            (with("sub", json!("x".repeat(257))), IdentityError::Incomplete),
            (json!({"sub": "customer-1", "aud": "shopclerk"}), IdentityError::Incomplete),
            (json!({"sub": "customer-1", "exp": NOW + 60}), IdentityError::Incomplete),
        ] {
            assert_eq!(identities.check(&sign(NEW, &claims)), Err(expected), "{claims}");
        }
        let stranger = sign("somebody else's secret of 32 bytes", &good);
        assert_eq!(identities.check(&stranger), Err(IdentityError::Invalid));
        assert_eq!(identities.check("x"), Err(IdentityError::Invalid));
        let none = Identities::new(&[], "shopclerk", Clock::manual(NOW * 1000));
        assert_eq!(none.check(&sign(NEW, &good)), Err(IdentityError::NotConfigured));
    }
}
