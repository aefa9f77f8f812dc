//! Any version, for somebody who wants to try it out.

use super::{AdapterError, AdapterId, Adapters, Lease};

impl Adapters {
    /// Has `id` in memory until the lease is dropped, whether it serves or not; loads it if need be, in the place of one that
    /// nobody uses.
    ///
    /// # Errors
    /// Anything the check finds, or [`AdapterError::Load`].
    pub async fn for_trial(&self, id: &AdapterId) -> Result<Lease, AdapterError> {
        if let Some(lease) = self.lease(id) {
            return Ok(lease);
        }
        let _one = self.0.one.lock().await;
        if self.lease(id).is_none() {
            self.make_room().await;
            self.load(id).await?;
        }
        let gone = || AdapterError::Load { id: id.clone(), fault: "it left again at once".to_owned() };
        self.lease(id).ok_or_else(gone)
    }
}
