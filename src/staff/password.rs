//! Passwords: argon2id with OWASP's parameters (19 MiB, 2 passes, 1 lane), off the async threads and few at a time, so that
//! logins can take neither all memory nor all cores.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use argon2::password_hash::{PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, PasswordHash, Version};
use tokio::sync::Semaphore;

use super::StaffError;

/// Hashes made at once.
const AT_ONCE: usize = 2;
/// Callers that may wait for one; the next is told to come back.
const WAITING: usize = 64;
/// OWASP Password Storage Cheat Sheet: m in KiB, t passes, p lanes.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Makes and checks hashes. Clones share their limits.
#[derive(Clone, Debug)]
pub struct Passwords {
    permits: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    /// What the password of an unknown account is checked against, so that it takes as long.
    dummy: Arc<str>,
}

/// Counts a waiting caller until dropped.
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Default for Passwords {
    fn default() -> Self {
        Self {
            permits: Arc::new(Semaphore::new(AT_ONCE)),
            waiting: Arc::default(),
            dummy: hash("nobody has this password").into(),
        }
    }
}

impl Passwords {
    /// A hash of `password` in PHC form, with a fresh salt.
    pub async fn hash(&self, password: String) -> Result<String, StaffError> {
        self.run(move || hash(&password)).await
    }

    /// True if `password` is the one of `known`; takes the same time if there is none.
    pub async fn fits(&self, known: Option<String>, password: String) -> Result<bool, StaffError> {
        let exists = known.is_some();
        let known = known.unwrap_or_else(|| self.dummy.to_string());
        let fits = self.run(move || fits(&known, &password)).await?;
        Ok(fits && exists)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, StaffError> {
        let place = Place(self.waiting.clone());
        if self.waiting.fetch_add(1, Ordering::AcqRel) >= WAITING {
            return Err(StaffError::Busy);
        }
        let permit = self.permits.clone().acquire_owned().await.map_err(|_| StaffError::Busy)?;
        // The permit goes with the work: a caller that goes away does not make room for another hash.
        let done = tokio::task::spawn_blocking(move || {
            let outcome = work();
            drop((permit, place));
            outcome
        });
        done.await.map_err(|_| StaffError::Busy)
    }
}

fn argon2id() -> Argon2<'static> {
    let params =
        Params::new(MEMORY_KIB, PASSES, LANES, None).expect("the parameters are valid. This is a bug.");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn hash(password: &str) -> String {
    let salt =
        SaltString::encode_b64(&rand::random::<[u8; 16]>()).expect("16 bytes make a salt. This is a bug.");
    argon2id()
        .hash_password(password.as_bytes(), &salt)
        .expect("a bounded password has a hash. This is a bug.")
        .to_string()
}

fn fits(known: &str, password: &str) -> bool {
    // The hash names its own parameters, so that older hashes still fit when ours change.
    PasswordHash::new(known).is_ok_and(|hash| argon2id().verify_password(password.as_bytes(), &hash).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_fits() {
        let passwords = Passwords::default();
        let known = passwords.hash("correct horse battery".into()).await.unwrap();
        assert!(known.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{known}");
        for (hash, guess, expected) in [
            (Some(known.clone()), "correct horse battery", true),
            (Some(known.clone()), "correct horse batterz", false),
            (Some("garbage".to_owned()), "garbage", false),
            (None, "nobody has this password", false),
        ] {
            assert_eq!(passwords.fits(hash, guess.into()).await, Ok(expected), "{guess}");
        }
    }

    #[tokio::test]
    async fn too_many_at_once_are_told_to_come_back() {
        let passwords = Passwords::default();
        let all = (0..WAITING + 4)
            .map(|_| passwords.run(|| std::thread::sleep(std::time::Duration::from_millis(1))));
        let outcomes = futures_util::future::join_all(all).await;
        assert_eq!(outcomes.iter().filter(|o| **o == Err(StaffError::Busy)).count(), 4);
        assert_eq!(passwords.run(|| 1).await, Ok(1), "places are given back");
    }
}
