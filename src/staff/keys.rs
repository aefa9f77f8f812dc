//! Keys for programs: a secret shown once, kept as a hash, with the scopes it was given.

use serde::Serialize;

use super::StaffError;
use super::accounts::Accounts;
use super::data::{Key, Scope};
use super::secret::{Hashed, fresh, fresh_id};
use crate::clock::Millis;

/// What every key begins with.
pub const KEY_PREFIX: &str = "sk-";
const MAX_KEYS: usize = 100;

/// A key as admins see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct KeyView {
    pub id: String,
    pub name: String,
    pub scopes: Vec<Scope>,
    /// Who made it.
    pub by: String,
    pub created_at: Millis,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used_at: Option<Millis>,
}

/// A key that was shown to fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyGrant {
    pub id: String,
    pub name: String,
    pub scopes: Vec<Scope>,
}

fn view(id: &str, key: &Key) -> KeyView {
    KeyView {
        id: id.to_owned(),
        name: key.name.clone(),
        scopes: key.scopes.clone(),
        by: key.by.clone(),
        created_at: key.created_at,
        used_at: key.used_at,
    }
}

impl Accounts {
    /// A new key and its secret.
    pub fn make_key(&self, name: &str, scopes: &[Scope], by: &str) -> Result<(KeyView, String), StaffError> {
        let name = super::accounts::check_display(name).map_err(|_| StaffError::BadKey)?;
        let mut scopes = scopes.to_vec();
        scopes.sort_unstable();
        scopes.dedup();
        if scopes.is_empty() {
            return Err(StaffError::BadKey);
        }
        let (id, secret) = (fresh_id(), fresh(KEY_PREFIX));
        let key = Key {
            name,
            secret: Hashed::of(&secret),
            scopes,
            by: by.to_owned(),
            created_at: self.0.clock.now(),
            used_at: None,
        };
        let made = self.0.file.change(|data| {
            if data.keys.len() >= MAX_KEYS {
                return Err(StaffError::TooMany { what: "keys", limit: MAX_KEYS });
            }
            let made = view(&id, &key);
            data.keys.insert(id, key);
            Ok(made)
        })?;
        Ok((made, secret))
    }

    /// All keys, the oldest first.
    pub fn keys(&self) -> Vec<KeyView> {
        let seen = self.seen().clone();
        let data = self.0.file.get();
        let mut views: Vec<KeyView> = data
            .keys
            .iter()
            .map(|(id, key)| KeyView {
                used_at: key.used_at.max(seen.get(&key.secret).copied()),
                ..view(id, key)
            })
            .collect();
        views.sort_by_key(|key| key.created_at);
        views
    }

    /// Ends a key.
    pub fn drop_key(&self, id: &str) -> Result<KeyView, StaffError> {
        self.0.file.change(|data| {
            let key = data.keys.remove(id).ok_or(StaffError::NoSuchKey)?;
            Ok(view(id, &key))
        })
    }

    /// What the key with this secret may do; counts as use.
    pub fn key(&self, secret: &str) -> Option<KeyGrant> {
        if !secret.starts_with(KEY_PREFIX) || secret.len() > 128 {
            return None;
        }
        // Hashes are compared: how long it takes tells nothing about the secret.
        let secret = Hashed::of(secret);
        let data = self.0.file.get();
        let (id, key) = data.keys.iter().find(|(_, key)| key.secret == secret)?;
        self.touch(&secret);
        Some(KeyGrant { id: id.clone(), name: key.name.clone(), scopes: key.scopes.clone() })
    }

    /// True while the key `id` has not been ended.
    pub fn has_key(&self, id: &str) -> bool {
        self.0.file.get().keys.contains_key(id)
    }
}
