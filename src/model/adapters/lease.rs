//! The right to have an adapter answer: while one is held, its adapter stays in memory.

use std::sync::Arc;

use tokio::sync::Notify;

use super::AdapterId;

/// Hold it from before the prompt is made until the answer has ended.
#[derive(Debug, Default)]
pub struct Lease {
    id: Option<AdapterId>,
    held: Option<Arc<()>>,
    freed: Option<Arc<Notify>>,
}

impl Lease {
    /// The base model, which is always there.
    pub fn base() -> Self {
        Self::default()
    }

    pub(super) fn new(id: AdapterId, held: Arc<()>, freed: Arc<Notify>) -> Self {
        Self { id: Some(id), held: Some(held), freed: Some(freed) }
    }

    /// `None` is the base model.
    pub fn id(&self) -> Option<&AdapterId> {
        self.id.as_ref()
    }

    /// `name@version`, as prompts and provenances have it.
    pub fn name(&self) -> Option<String> {
        self.id.as_ref().map(ToString::to_string)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.held = None;
        if let Some(freed) = &self.freed {
            freed.notify_waiters();
        }
    }
}
