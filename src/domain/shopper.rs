//! Who writes to the shop.

use serde::{Deserialize, Serialize};

use super::ids::ShopperId;
use super::page::Page;
use crate::clock::Millis;

/// What the shop knows about a shopper. Everything but the id may be missing: most are anonymous.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shopper {
    pub id: ShopperId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// An address they gave in the chat; nobody vouched for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    /// The shop's own id of this customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<String>,
    /// True if the shop vouched for name, email and id with its signature.
    pub verified: bool,
    pub created_at: Millis,
    /// The page they were on last, as their browser said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<Page>,
}

impl Shopper {
    /// Of whom nothing is known but that they are there.
    pub fn unknown(id: ShopperId, created_at: Millis) -> Self {
        Self {
            id,
            name: None,
            email: None,
            contact: None,
            external: None,
            verified: false,
            created_at,
            page: None,
        }
    }
}

/// An e-mail address as somebody typed it, that mail could be sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email(String);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not an e-mail address")]
pub struct EmailError;

impl Email {
    /// Checks the form (RFC 5321 without quoted names and address literals): `name@host.domain`, at most 254 bytes.
    pub fn parse(raw: &str) -> Result<Self, EmailError> {
        let text = raw.trim();
        let (name, host) = text.split_once('@').ok_or(EmailError)?;
        let in_name = |c: char| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
        let dots = |part: &str| part.starts_with('.') || part.ends_with('.') || part.contains("..");
        let label = |part: &str| {
            (1..=63).contains(&part.len())
                && part.chars().all(|c| c.is_alphanumeric() || c == '-')
                && !part.starts_with('-')
                && !part.ends_with('-')
        };
        let top = host.rsplit('.').next().unwrap_or_default();
        let sound = text.len() <= 254
            && (1..=64).contains(&name.len())
            && name.chars().all(in_name)
            && !dots(name)
            && host.contains('.')
            && host.split('.').all(label)
            && !top.chars().all(|c| c.is_ascii_digit());
        if sound { Ok(Self(text.to_owned())) } else { Err(EmailError) }
    }

    pub fn into_string(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_mail_could_be_sent_to_is_an_address_and_nothing_else() {
        let long = format!("{}@example.com", "a".repeat(65));
        let good = ["ada@example.com", " a.b+c@mail.example.co.uk ", "o'neil@exämple.de", "1@2.io"];
        for text in good {
            assert_eq!(Email::parse(text).map(Email::into_string).as_deref(), Ok(text.trim()));
        }
        let bad = [
            "",
            "ada",
            "ada@",
            "@example.com",
            "ada@example",
            "a@b@c.de",
            "a b@c.de",
            ".a@c.de",
            "a..b@c.de",
            "<script>@c.de",
            "a@-c.de",
            "a@c..de",
            "a@127.0.0.1",
            "a@c.de\nBcc: b@d.ef",
            "\"a\"@c.de",
            &long,
        ];
        for text in bad {
            assert_eq!(Email::parse(text), Err(EmailError), "{text}");
        }
    }
}
