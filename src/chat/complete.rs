//! Answers outside any conversation, for programs and for those who try an adapter out.

use std::net::IpAddr;
use std::sync::atomic::Ordering;

use futures_util::StreamExt;

use super::DeskError;
use super::admission::Permit;
use super::desk::{Desk, askers};
use super::lives::Place;
use crate::domain::prompt::{Piece, Prompt};
use crate::model::Answer;
use crate::model::adapters::Lease;

/// An answer with its place at the model; dropping it stops the model.
pub struct Completion {
    pub answer: Answer,
    _permit: Permit,
    _lease: Lease,
    _place: Place,
}

impl Desk {
    /// An answer outside any conversation, for programs. It waits in the same line as the shoppers, and is made by the same
    /// adapter unless the prompt names one.
    pub async fn complete(&self, prompt: Prompt, address: Option<IpAddr>) -> Result<Completion, DeskError> {
        let named = prompt.adapter.clone();
        let lease = self.0.adapters.current();
        let adapter = named.or_else(|| lease.name());
        self.answer(Prompt { adapter, ..prompt }, lease, address).await
    }

    /// As [`Desk::complete`], by whoever holds the lease: the base model, or an adapter that nobody is served with yet.
    pub async fn complete_as(
        &self,
        prompt: Prompt,
        lease: Lease,
        address: Option<IpAddr>,
    ) -> Result<Completion, DeskError> {
        self.answer(Prompt { adapter: lease.name(), ..prompt }, lease, address).await
    }

    async fn answer(
        &self,
        mut prompt: Prompt,
        lease: Lease,
        address: Option<IpAddr>,
    ) -> Result<Completion, DeskError> {
        if self.0.draining.load(Ordering::Acquire) {
            return Err(DeskError::Draining);
        }
        self.0.limits.admit(&askers(None, address))?;
        let place = self.0.lives.reserve_for_program().ok_or(DeskError::BUSY)?;
        for message in &mut prompt.messages {
            message.content = self.0.guard.strip(&message.content);
            for call in &mut message.calls {
                call.arguments = self.0.guard.strip(&call.arguments);
            }
        }
        let permit = self.0.line.enter(Box::new(|_| {})).await;
        let desk = self.0.clone();
        let answer = self.0.model.stream(prompt).inspect(move |piece| {
            if let Ok(Piece::End(usage)) = piece {
                let tokens = u64::from(usage.prompt_tokens) + u64::from(usage.completion_tokens);
                desk.limits.spend(&askers(None, address), tokens);
            }
        });
        Ok(Completion { answer: answer.boxed(), _permit: permit, _lease: lease, _place: place })
    }
}
