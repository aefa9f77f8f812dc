//! What the shop knows of a shopper besides what they say: whom the shop vouches for, an address they left, where they are.

use std::net::IpAddr;

use super::desk::{Desk, askers};
use super::error::DeskError;
use crate::domain::{ConvId, Email, Page, Refusal, Shopper, ShopperId};

impl Desk {
    /// Keeps what the shop vouched for, beside what the shopper said and since when they are known.
    pub async fn remember(&self, shopper: Shopper) -> Result<(), DeskError> {
        self.know(shopper.id, |known| {
            let (contact, page, created_at) = (known.contact.take(), known.page.take(), known.created_at);
            *known = Shopper { contact, page, created_at, ..shopper };
        })
        .await
    }

    /// Keeps an address the shopper of `conv` gave, for an answer when somebody is there again; it asks for no tokens.
    pub async fn contact(
        &self,
        conv: ConvId,
        email: Email,
        address: Option<IpAddr>,
    ) -> Result<(), DeskError> {
        let id = self.shopper_of(conv)?;
        self.0.limits.admit_choice(&askers(Some(id), address))?;
        self.know(id, |shopper| shopper.contact = Some(email.into_string())).await
    }

    /// The shopper of `conv` looks at `page` now. False if nothing was kept: it was known, or they turn pages faster than
    /// anybody reads them.
    pub async fn visits(&self, conv: ConvId, page: Page) -> Result<bool, DeskError> {
        let id = self.shopper_of(conv)?;
        let known = self.0.store.shopper(id)?.and_then(|shopper| shopper.page);
        if known.is_some_and(|known| known.is_same(&page)) || !self.0.limits.may_turn(id) {
            return Ok(false);
        }
        self.know(id, |shopper| shopper.page = Some(page)).await?;
        Ok(true)
    }

    pub(super) fn shopper_of(&self, conv: ConvId) -> Result<ShopperId, DeskError> {
        Ok(self.0.store.head(conv)?.and_then(|head| head.shopper).ok_or(Refusal::Unknown)?)
    }

    /// Held while something of a shopper changes: two changes at once come one after the other.
    pub(super) async fn one_at_a_time(&self, id: ShopperId) -> tokio::sync::MutexGuard<'_, ()> {
        let locks = &self.0.shoppers;
        locks[usize::from(id.as_bytes()[15]) % locks.len()].lock().await
    }

    /// Changes what is known of a shopper: of two changes at once neither is lost. What changes nothing is not written.
    async fn know(&self, id: ShopperId, change: impl FnOnce(&mut Shopper)) -> Result<(), DeskError> {
        let desk = &self.0;
        let _one = self.one_at_a_time(id).await;
        let known = desk.store.shopper(id)?;
        let mut shopper = known.clone().unwrap_or_else(|| Shopper::unknown(id, desk.clock.now()));
        change(&mut shopper);
        if known.as_ref() == Some(&shopper) {
            return Ok(());
        }
        Ok(desk.store.remember_shopper(shopper).await?)
    }
}
