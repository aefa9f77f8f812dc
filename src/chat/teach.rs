//! What staff teach the model while they work: drafts they edited, replies they corrected, tags to choose by.

use std::sync::atomic::Ordering;

use super::desk::{Ack, Desk, Say};
use super::error::DeskError;
use crate::domain::{Command, ConvId, Refusal, Replied, Said, Seq, Speaker, StaffId, Tags};

impl Desk {
    /// [`Desk::say`] for a member of staff who sends what the model suggested, as it was or edited. The suggestion is kept
    /// beside the message, in the same commit: the pair teaches the model. A shopper has no drafts: theirs is ignored.
    pub async fn say_drafted(&self, say: Say, draft: Said) -> Result<Ack, DeskError> {
        let Speaker::Staff(by) = say.by.clone() else { return self.say(say).await };
        if self.0.draining.load(Ordering::Acquire) {
            return Err(DeskError::Draining);
        }
        let text = self.stripped(&say.text)?;
        let draft = self.stripped(&draft)?;
        self.put(say.conv, Command::SayDrafted { cmid: say.cmid, by, text, draft }).await
    }

    /// A member of staff says what the model should have answered in its reply `of`. Nothing the shopper sees changes.
    pub async fn correct(&self, conv: ConvId, by: StaffId, of: Seq, text: Said) -> Result<(), DeskError> {
        let text = self.stripped(&text)?;
        let event = self.0.store.events(conv, of.saturating_sub(1), 1)?.pop();
        let of = event.as_ref().and_then(Replied::of).ok_or(Refusal::NoSuchMessage)?;
        self.run(conv, Command::Correct { of, by, text }).await
    }

    /// From now on the conversation has these tags and no others.
    pub async fn tag(&self, conv: ConvId, by: StaffId, tags: Tags) -> Result<(), DeskError> {
        self.run(conv, Command::Tag { by, tags }).await
    }
}
