//! The second factor: codes of an authenticator app (RFC 6238: SHA-1, 6 digits, 30 s, one step of leeway), and recovery codes.
//! A code is good once.

use qrcode::QrCode;
use qrcode::render::svg;
use subtle::ConstantTimeEq;
use totp_rs::{Algorithm, Secret, TOTP};

use super::StaffError;
use super::accounts::Accounts;
use super::data::Totp;
use super::secret::{Hashed, plain_recovery, recovery_codes};
use crate::clock::Millis;

/// Seconds a code is for.
const STEP: u64 = 30;

/// A second factor to be put into an app.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Enrolment {
    /// Base32, to be typed.
    pub secret: String,
    /// `otpauth://`, to be opened.
    pub uri: String,
    /// The same as a picture (SVG).
    pub qr: String,
}

impl Accounts {
    /// Makes a secret for `name`; it counts only once confirmed with a code. `issuer` is shown in the app.
    pub fn begin_totp(&self, name: &str, issuer: &str) -> Result<Enrolment, StaffError> {
        let secret = Secret::generate_secret().to_encoded().to_string();
        let totp = totp_of(&secret, issuer, name).ok_or(StaffError::TotpNotBegun)?;
        let uri = totp.get_url();
        let qr = QrCode::new(uri.as_bytes())
            .map_err(|_| StaffError::TotpNotBegun)?
            .render::<svg::Color<'_>>()
            .min_dimensions(240, 240)
            .build();
        self.0.file.change(|data| {
            let account = data.account_mut(name).ok_or(StaffError::NoSuchAccount)?;
            account.pending = Some(secret.clone());
            Ok(())
        })?;
        Ok(Enrolment { secret, uri, qr })
    }

    /// Turns the second factor on; returns the recovery codes, which nobody can be shown again.
    pub fn confirm_totp(&self, name: &str, code: &str) -> Result<Vec<String>, StaffError> {
        let codes = recovery_codes();
        let now = self.0.clock.now();
        self.0.file.change(|data| {
            let account = data.account_mut(name).ok_or(StaffError::NoSuchAccount)?;
            let secret = account.pending.clone().ok_or(StaffError::TotpNotBegun)?;
            let last_step = step_of(&secret, code, 0, now).ok_or(StaffError::CodeWrong)?;
            let recovery = codes.iter().map(|code| Hashed::of(code)).collect();
            account.totp = Some(Totp { secret, last_step, recovery });
            account.pending = None;
            Ok(())
        })?;
        Ok(codes)
    }

    /// Turns the second factor off.
    pub fn end_totp(&self, name: &str) -> Result<(), StaffError> {
        self.0.file.change(|data| {
            let account = data.account_mut(name).ok_or(StaffError::NoSuchAccount)?;
            account.totp = None;
            account.pending = None;
            Ok(())
        })
    }
}

/// Accepts a code of the app or a recovery code, once.
pub(super) fn consume(totp: &mut Totp, code: &str, now: Millis) -> Result<(), StaffError> {
    if let Some(step) = step_of(&totp.secret, code, totp.last_step, now) {
        totp.last_step = step;
        return Ok(());
    }
    let recovery = Hashed::of(&plain_recovery(code));
    let left = totp.recovery.len();
    totp.recovery.retain(|known| *known != recovery);
    if totp.recovery.len() < left { Ok(()) } else { Err(StaffError::CodeWrong) }
}

/// The step after `last` that `code` belongs to, if it is near `now`.
fn step_of(secret: &str, code: &str, last: u64, now: Millis) -> Option<u64> {
    let totp = totp_of(secret, "", "")?;
    let digits: String = code.chars().filter(|c| !c.is_whitespace()).take(8).collect();
    let step = now / 1000 / STEP;
    let mut found = None;
    for near in step.saturating_sub(1)..=step + 1 {
        let fits: bool = totp.generate(near * STEP).as_bytes().ct_eq(digits.as_bytes()).into();
        if fits && near > last {
            found = Some(near);
        }
    }
    found
}

fn totp_of(secret: &str, issuer: &str, account: &str) -> Option<TOTP> {
    let bytes = Secret::Encoded(secret.to_owned()).to_bytes().ok()?;
    // A colon would end the issuer in the middle.
    let issuer = issuer.replace(':', " ");
    Some(TOTP::new_unchecked(Algorithm::SHA1, 6, 1, STEP, bytes, Some(issuer), account.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B: the SHA-1 vectors, last six of their eight digits.
    #[test]
    fn the_vectors_of_the_rfc() {
        let secret = Secret::Raw(b"12345678901234567890".to_vec()).to_encoded().to_string();
        for (seconds, code) in [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000, "353130")] {
            assert_eq!(step_of(&secret, code, 0, seconds * 1000), Some(seconds / STEP), "{seconds}");
        }
    }

    #[test]
    fn a_code_is_good_once_and_near_its_time() {
        let secret = Secret::generate_secret().to_encoded().to_string();
        let codes = recovery_codes();
        let mut totp = Totp {
            secret: secret.clone(),
            last_step: 0,
            recovery: codes.iter().map(|c| Hashed::of(c)).collect(),
        };
        let now = 1_700_000_000_000;
        let code_at = |millis: u64| totp_of(&secret, "", "").unwrap().generate(millis / 1000);
        let (code, next, far) = (code_at(now), code_at(now + 30_000), code_at(now + 60_000));
        assert_eq!(consume(&mut totp, &far, now), Err(StaffError::CodeWrong));
        assert_eq!(consume(&mut totp, &code, now), Ok(()));
        assert_eq!(consume(&mut totp, &code, now), Err(StaffError::CodeWrong), "replayed");
        assert_eq!(consume(&mut totp, &next, now), Ok(()), "a clock that is half a minute ahead");
        assert_eq!(consume(&mut totp, &code, now + 30_000), Err(StaffError::CodeWrong), "an older one");
        let recovery = codes[3].to_uppercase();
        assert_eq!(consume(&mut totp, &recovery, now), Ok(()));
        assert_eq!(consume(&mut totp, &recovery, now), Err(StaffError::CodeWrong), "replayed");
        assert_eq!(totp.recovery.len(), 9);
    }
}
