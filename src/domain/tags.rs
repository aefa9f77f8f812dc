//! What staff file a conversation under.

use serde::{Deserialize, Serialize};

use super::text::clean;

/// The most tags of one conversation.
pub const MAX_TAGS: usize = 10;
/// The longest tag, in characters.
pub const MAX_TAG_CHARS: usize = 40;

/// The tags of one conversation: lower-case, sorted, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tags(Vec<String>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    #[error("a conversation has at most {MAX_TAGS} tags; leave some out")]
    TooMany,
    #[error("a tag has 1 to {MAX_TAG_CHARS} characters on one line")]
    Length,
}

impl Tags {
    /// Makes tags lower-case, with single blanks between words, sorted, each once.
    ///
    /// # Errors
    /// `TooMany` if more than [`MAX_TAGS`] are left; `Length` for one that is empty or longer than [`MAX_TAG_CHARS`].
    pub fn parse<T: AsRef<str>>(raw: &[T]) -> Result<Self, TagError> {
        // Far more than any client shows: not worth the work of cleaning.
        if raw.len() > 8 * MAX_TAGS {
            return Err(TagError::TooMany);
        }
        let mut tags = raw.iter().map(|tag| parse_one(tag.as_ref())).collect::<Result<Vec<_>, _>>()?;
        tags.sort_unstable();
        tags.dedup();
        if tags.len() > MAX_TAGS { Err(TagError::TooMany) } else { Ok(Self(tags)) }
    }

    pub fn as_slice(&self) -> &[String] {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn contains(&self, tag: &str) -> bool {
        self.0.iter().any(|own| own == tag)
    }
}

fn parse_one(raw: &str) -> Result<String, TagError> {
    if raw.len() > 16 * MAX_TAG_CHARS {
        return Err(TagError::Length);
    }
    let tag = clean(raw).split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    if (1..=MAX_TAG_CHARS).contains(&tag.chars().count()) { Ok(tag) } else { Err(TagError::Length) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_made_alike() {
        let tags = Tags::parse(&["Refund", " late  Parcel\u{200B}", "refund", "退货"]).expect("valid");
        assert_eq!(tags.as_slice(), ["late parcel", "refund", "退货"]);
        assert!(Tags::parse::<&str>(&[]).expect("none").is_empty());
    }

    #[test]
    fn bad_tags_are_refused() {
        assert_eq!(Tags::parse(&[" "]), Err(TagError::Length));
        assert_eq!(Tags::parse(&["a".repeat(MAX_TAG_CHARS + 1)]), Err(TagError::Length));
        assert!(Tags::parse(&["界".repeat(MAX_TAG_CHARS)]).is_ok());
        let many: Vec<String> = (0..=MAX_TAGS).map(|n| n.to_string()).collect();
        assert_eq!(Tags::parse(&many), Err(TagError::TooMany));
        assert!(Tags::parse(&many[1..]).is_ok());
    }
}
