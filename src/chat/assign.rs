//! A conversation is given to a colleague, by whoever sees that it is theirs to answer.

use super::desk::Desk;
use super::error::DeskError;
use crate::domain::{Command, ConvId, Refusal, StaffId};

impl Desk {
    /// A colleague gets it from whoever answers now, if that is still `from`; nothing more of the model's answer reaches anybody.
    pub async fn assign(
        &self,
        conv: ConvId,
        to: StaffId,
        from: Option<StaffId>,
        by: StaffId,
    ) -> Result<(), DeskError> {
        // What comes too late must not cost a shopper the answer being made.
        if self.head(conv)?.is_some_and(|head| head.staff != from) {
            return Err(Refusal::NotOwner.into());
        }
        self.silencing(conv, |cut| Command::Assign { to, from, by, cut }).await?;
        Ok(())
    }
}
