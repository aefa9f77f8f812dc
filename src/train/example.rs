//! One tokenised row: what the network reads and which of its tokens it learns.

/// Token ids of one row, without padding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Example {
    pub ids: Vec<u32>,
    /// As long as `ids`: whether token `i` is learnt (predicted from the tokens before it). `targets[0]` is never set, since
    /// nothing stands before it.
    pub targets: Vec<bool>,
}

impl Example {
    /// How many tokens are learnt.
    pub fn trained(&self) -> usize {
        self.targets.iter().filter(|t| **t).count()
    }
}
