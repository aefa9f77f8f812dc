//! What the shop knows of a shopper besides what they say: whom the shop vouches for, an address they left, where they are.

use std::net::IpAddr;

use super::desk::{Desk, askers};
use super::error::DeskError;
use crate::domain::{ConvId, Email, Page, Refusal, Shopper, ShopperId};

impl Desk {
    /// Keeps what the shop vouched for, beside what the shopper said.
    pub async fn remember(&self, shopper: Shopper) -> Result<(), DeskError> {
        self.know(shopper.id, |known| {
            let (contact, page) = (known.contact.take(), known.page.take());
            *known = Shopper { contact, page, ..shopper };
        })
        .await
    }

    /// Keeps an address the shopper of `conv` gave, for an answer when somebody is there again.
    pub async fn contact(
        &self,
        conv: ConvId,
        email: Email,
        address: Option<IpAddr>,
    ) -> Result<(), DeskError> {
        let id = self.shopper_of(conv)?;
        self.0.limits.admit(&askers(Some(id), address))?;
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

    fn shopper_of(&self, conv: ConvId) -> Result<ShopperId, DeskError> {
        Ok(self.0.store.head(conv)?.and_then(|head| head.shopper).ok_or(Refusal::Unknown)?)
    }

    /// Changes what is known of a shopper. Two changes at once come one after the other: neither is lost.
    async fn know(&self, id: ShopperId, change: impl FnOnce(&mut Shopper)) -> Result<(), DeskError> {
        let desk = &self.0;
        let lock = &desk.profiles[usize::from(id.as_bytes()[15]) % desk.profiles.len()];
        let _one = lock.lock().await;
        let mut shopper = desk.store.shopper(id)?.unwrap_or_else(|| Shopper::unknown(id, desk.clock.now()));
        change(&mut shopper);
        Ok(desk.store.remember_shopper(shopper).await?)
    }
}
