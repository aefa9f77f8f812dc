//! What a shopper chooses besides writing: an end, the answer again, a person or the assistant, a thumb. Each is written to the
//! disk, so each counts as a message does.

use std::net::IpAddr;

use super::desk::{Desk, askers};
use super::error::DeskError;
use crate::domain::{Command, ConvId, EventKind, Reason, Refusal, Replied, Said, Seq, Thumb};

/// Events read at once.
const PAGE: usize = 200;

/// What a shopper thinks of the reply `of`.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    pub of: Seq,
    pub value: Thumb,
    pub comment: Option<Said>,
}

impl Desk {
    /// Ends the answer being made, or the wait for it. What was shown is kept.
    pub fn stop(&self, conv: ConvId) {
        if let Some(live) = self.0.lives.get(conv) {
            live.press_stop();
        }
    }

    /// Makes the last answer again, if it was cut short. It costs what a message costs.
    pub async fn retry(&self, conv: ConvId, address: Option<IpAddr>) -> Result<(), DeskError> {
        self.answer_again(conv, address, Command::Retry).await
    }

    /// The shopper asks for a person: the model falls silent. Whose tokens are used up may still ask for one.
    pub async fn person(&self, conv: ConvId, address: Option<IpAddr>) -> Result<(), DeskError> {
        self.0.limits.admit_choice(&askers(Some(self.shopper_of(conv)?), address))?;
        self.hand_off(conv, Reason::Asked).await
    }

    /// The shopper, still waiting for a person, goes back to the model.
    pub async fn assistant(&self, conv: ConvId, address: Option<IpAddr>) -> Result<(), DeskError> {
        self.answer_again(conv, address, Command::Assistant).await
    }

    /// A choice after which the model may have to answer.
    async fn answer_again(
        &self,
        conv: ConvId,
        address: Option<IpAddr>,
        command: Command,
    ) -> Result<(), DeskError> {
        self.0.limits.admit(&askers(Some(self.shopper_of(conv)?), address))?;
        let _place = self.reserve(conv, address)?;
        self.run(conv, command).await
    }

    /// The shopper judges a reply. The same judgement again has no effect.
    pub async fn rate(
        &self,
        conv: ConvId,
        judgement: Judgement,
        address: Option<IpAddr>,
    ) -> Result<(), DeskError> {
        let shopper = self.shopper_of(conv)?;
        self.0.limits.admit_choice(&askers(Some(shopper), address))?;
        let Judgement { of, value, comment } = judgement;
        let comment = comment.map(Said::into_string);
        // Two at once come one after the other: the second sees the first.
        let _one = self.one_at_a_time(shopper).await;
        let event = self.0.store.events(conv, of.saturating_sub(1), 1)?.pop();
        let reply = event.as_ref().and_then(Replied::of).ok_or(Refusal::NoSuchMessage)?;
        if self.judged(conv, of)? == Some((value, comment.clone())) {
            return Ok(());
        }
        self.run(conv, Command::Rate { of: reply, value, comment }).await?;
        self.count_rating(conv, of, value);
        Ok(())
    }

    /// The newest judgement of the reply `of`.
    fn judged(&self, conv: ConvId, of: Seq) -> Result<Option<(Thumb, Option<String>)>, DeskError> {
        let (mut after, mut newest) = (of, None);
        loop {
            let events = self.0.store.events(conv, after, PAGE)?;
            let Some(last) = events.last() else { return Ok(newest) };
            after = last.seq;
            for event in events {
                if let EventKind::Rating { of: judged, value, comment } = event.kind
                    && judged == of
                {
                    newest = Some((value, comment));
                }
            }
        }
    }
}
