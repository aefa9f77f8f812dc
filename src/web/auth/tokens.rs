//! Shoppers' tokens: short-lived, signed by this server (HS256, nothing else), renewed with the old one.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::domain::{ConvId, ShopperId};

/// Names what the token is for, so that no other token of the same secret is taken for one.
const AUDIENCE: &str = "shopclerk/shopper";
/// How long the shop's word on who a shopper is holds, in seconds. Whoever sits at that browser next must not find the
/// customer's chat and orders for as long as it is renewed.
const VOUCHED: u64 = 86_400;
/// The longest token that is looked at, in bytes.
pub const MAX_TOKEN: usize = 2_048;

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    aud: String,
    pub sub: ShopperId,
    /// The conversation the session began with.
    pub conv: ConvId,
    /// Seconds since the Unix epoch: the token opens nothing from then on.
    pub exp: u64,
    /// Seconds since the Unix epoch: until then it can be exchanged for a new one.
    pub renew: u64,
    /// True if the shop vouched for who this is.
    pub verified: bool,
    /// Seconds since the Unix epoch: from then on the shop has to vouch for a verified shopper again. Tokens of before there
    /// was this end without being renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    vouched_until: Option<u64>,
}

impl Claims {
    /// Until when the shop's word holds; `None` for a shopper whom nobody vouched for.
    pub fn vouched_until(&self) -> Option<u64> {
        self.verified.then(|| self.vouched_until.unwrap_or(self.exp))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("the token is not one of this server's; ask for a new session")]
    Invalid,
    #[error("the token has expired; renew it with POST /v1/shopper/session")]
    Expired,
    #[error(
        "the shop vouched for this shopper too long ago; send a new `identity`, or begin without the token"
    )]
    IdentityNeeded,
}

impl TokenError {
    /// The stable code a client sees.
    pub fn code(self) -> &'static str {
        match self {
            Self::Invalid => "token_invalid",
            Self::Expired => "token_expired",
            Self::IdentityNeeded => "identity_needed",
        }
    }
}

/// Makes and checks tokens.
pub struct Tokens {
    sign: EncodingKey,
    check: DecodingKey,
    validation: Validation,
    clock: Clock,
    seconds: u64,
    renew_seconds: u64,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

impl Tokens {
    pub fn new(secret: &[u8], clock: Clock, minutes: u64, renew_days: u64) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "aud", "sub"]);
        // Time is checked below, by the injected clock and without leeway.
        validation.validate_exp = false;
        Self {
            sign: EncodingKey::from_secret(secret),
            check: DecodingKey::from_secret(secret),
            validation,
            clock,
            seconds: minutes * 60,
            renew_seconds: renew_days * 86_400,
        }
    }

    /// Until when the shop's word holds that was given now.
    pub fn vouched_from_now(&self) -> u64 {
        self.clock.now() / 1000 + VOUCHED
    }

    /// A new token of `shopper` and what it says. It does not outlive the shop's word, if there is one.
    pub fn issue(&self, shopper: ShopperId, conv: ConvId, vouched_until: Option<u64>) -> (String, Claims) {
        let now = self.clock.now() / 1000;
        let bounded = |seconds: u64| (now + seconds).min(vouched_until.unwrap_or(u64::MAX));
        let claims = Claims {
            aud: AUDIENCE.to_owned(),
            sub: shopper,
            conv,
            exp: bounded(self.seconds),
            renew: bounded(self.seconds.max(self.renew_seconds)),
            verified: vouched_until.is_some(),
            vouched_until,
        };
        let token = encode(&Header::new(Algorithm::HS256), &claims, &self.sign)
            .expect("HS256 signs any claims with any key. This is a bug.");
        (token, claims)
    }

    /// What a valid token says. An expired one is an error that still proves who asks: see [`Tokens::renewable`].
    pub fn check(&self, token: &str) -> Result<Claims, TokenError> {
        let claims = self.signed(token)?;
        if self.is_expired(&claims) { Err(TokenError::Expired) } else { Ok(claims) }
    }

    /// What a token says that is valid, or expired but still within its time of renewal.
    pub fn renewable(&self, token: &str) -> Result<Claims, TokenError> {
        let claims = self.signed(token)?;
        let now = self.clock.now() / 1000;
        match claims.vouched_until() {
            Some(until) if now >= until.min(claims.renew) => Err(TokenError::IdentityNeeded),
            None if now >= claims.renew => Err(TokenError::Expired),
            _ => Ok(claims),
        }
    }

    pub fn is_expired(&self, claims: &Claims) -> bool {
        self.clock.now() / 1000 >= claims.exp
    }

    fn signed(&self, token: &str) -> Result<Claims, TokenError> {
        if token.len() > MAX_TOKEN {
            return Err(TokenError::Invalid);
        }
        decode::<Claims>(token, &self.check, &self.validation)
            .map(|data| data.claims)
            .map_err(|_| TokenError::Invalid)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_life_of_a_token() {
        let clock = Clock::manual(1_700_000_000_000);
        let tokens = Tokens::new(&[7; 32], clock.clone(), 60, 30);
        let shopper = ShopperId::from_bytes([1; 16]);
        let (token, claims) = tokens.issue(shopper, ConvId::from_bytes([2; 16]), None);
        assert_eq!(tokens.check(&token), Ok(claims.clone()));
        clock.advance(Duration::from_secs(3_600));
        assert_eq!(tokens.check(&token), Err(TokenError::Expired));
        assert_eq!(tokens.renewable(&token), Ok(claims));
        clock.advance(Duration::from_secs(30 * 86_400));
        assert_eq!(tokens.renewable(&token), Err(TokenError::Expired));
    }

    #[test]
    fn the_shops_word_ends_however_often_it_is_renewed() {
        let clock = Clock::manual(1_700_000_000_000);
        let tokens = Tokens::new(&[7; 32], clock.clone(), 60, 30);
        let (shopper, conv) = (ShopperId::from_bytes([1; 16]), ConvId::from_bytes([2; 16]));
        let (mut token, _) = tokens.issue(shopper, conv, Some(tokens.vouched_from_now()));
        for _ in 0..47 {
            clock.advance(Duration::from_secs(1_800));
            let claims = tokens.renewable(&token).expect("within a day");
            assert!(claims.verified);
            token = tokens.issue(shopper, conv, claims.vouched_until()).0;
        }
        assert!(tokens.check(&token).is_ok());
        clock.advance(Duration::from_secs(1_800));
        assert_eq!(tokens.check(&token), Err(TokenError::Expired), "the last token ends with it");
        assert_eq!(tokens.renewable(&token), Err(TokenError::IdentityNeeded));
        // A token of before the shop's word had an end.
        let (_, claims) = tokens.issue(shopper, conv, None);
        let old = Claims { verified: true, ..claims };
        let old = encode(&Header::new(Algorithm::HS256), &old, &EncodingKey::from_secret(&[7; 32])).unwrap();
        assert!(tokens.renewable(&old).is_ok());
        clock.advance(Duration::from_secs(3_600));
        assert_eq!(tokens.renewable(&old), Err(TokenError::IdentityNeeded));
    }

    #[test]
    fn forged_tokens_are_invalid() {
        let clock = Clock::manual(1_700_000_000_000);
        let ours = Tokens::new(&[7; 32], clock.clone(), 60, 30);
        let theirs = Tokens::new(&[8; 32], clock, 60, 30);
        let (token, claims) =
            theirs.issue(ShopperId::from_bytes([1; 16]), ConvId::from_bytes([2; 16]), Some(1_700_000_500));
        let hs384 =
            encode(&Header::new(Algorithm::HS384), &claims, &EncodingKey::from_secret(&[7; 32])).unwrap();
        let (good, _) = ours.issue(claims.sub, claims.conv, None);
        let parts: Vec<&str> = good.split('.').collect();
        // {"alg":"none"}
        let none = format!("eyJhbGciOiJub25lIn0.{}.", parts[1]);
        let unsigned = format!("{}.{}.", parts[0], parts[1]);
        let swapped = format!("{}.{}.{}", parts[0], token.split('.').nth(1).unwrap(), parts[2]);
        let long = "a".repeat(MAX_TOKEN + 1);
        for (name, bad) in [
            ("other key", token.as_str()),
            ("other algorithm", &hs384),
            ("no algorithm", &none),
            ("no signature", &unsigned),
            ("other claims", &swapped),
            ("empty", ""),
            ("not a token", "a.b.c"),
            ("too long", &long),
        ] {
            assert_eq!(ours.check(bad), Err(TokenError::Invalid), "{name}");
        }
    }
}
