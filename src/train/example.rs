//! One row as the network sees it.

/// One row: token ids and which of them are learnt (targets[i] true: token i is predicted from the ones before; targets[0] is never true).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    pub ids: Vec<u32>,
    pub targets: Vec<bool>,
}
