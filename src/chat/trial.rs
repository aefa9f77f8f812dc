//! A question tried out before shoppers are served so: asked exactly as a chat would ask it, outside any conversation.

use futures_util::StreamExt;

use super::DeskError;
use super::ask::{self, Ask};
use super::desk::Desk;
use super::guard::goes_in_circles;
use crate::domain::prompt::{Grammar, Piece, Prompt};
use crate::domain::{Cmid, ConvId, Event, EventKind, MessageId, Said, Speaker};
use crate::model::ModelError;
use crate::model::adapters::Lease;

/// What a trial does otherwise than a chat; nothing, if all is left out.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trial {
    pub seed: u64,
    pub max_tokens: Option<usize>,
    pub temperature: Option<f64>,
}

/// What a shopper would have been told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    pub text: String,
    pub how: How,
    pub prompt_tokens: u32,
    pub completion_tokens: u32,
}

/// Where the words come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// The model's own words.
    Model,
    /// The shop's sentences, from which the model chose.
    Sentences,
    /// The shop's words for what its facts say nothing about; the model was not asked.
    Shop,
}

impl Desk {
    /// Asks `question` of whoever the lease is for, as the first message of a chat.
    pub async fn try_out(&self, question: &Said, lease: Lease, trial: Trial) -> Result<Tried, DeskError> {
        let text = self.stripped(question)?.into_string();
        let kind = EventKind::Said { cmid: Cmid(uuid::Uuid::nil()), by: Speaker::Shopper, text };
        let event = Event { conv: ConvId(uuid::Uuid::nil()), seq: 1, at: self.0.clock.now(), kind };
        let mut by = ask::provenance(&self.0, MessageId(self.0.clock.fresh_id()), &lease);
        by.seed = trial.seed;
        let prompt = match Ask::without_tools(&self.0, &[event], &by) {
            Ask::Model(prompt) => *prompt,
            Ask::Nobody(text) => {
                return Ok(Tried { text, how: How::Shop, prompt_tokens: 0, completion_tokens: 0 });
            }
        };
        let how = if prompt.grammar == Grammar::Free { How::Model } else { How::Sentences };
        let mut sampling = prompt.sampling.clone();
        sampling.temperature = trial.temperature.or(sampling.temperature);
        let max_tokens = trial.max_tokens.unwrap_or(prompt.max_tokens);
        self.listen_to(Prompt { sampling, max_tokens, ..prompt }, lease, how).await
    }

    async fn listen_to(&self, prompt: Prompt, lease: Lease, how: How) -> Result<Tried, DeskError> {
        let mut completion = self.complete_as(prompt, lease, None).await?;
        let mut filter = self.0.guard.outbound();
        let mut text = String::new();
        let usage = loop {
            match completion.answer.next().await {
                Some(Ok(Piece::Text { text: piece, .. })) => text.push_str(&filter.pass(&piece)),
                // Nothing was offered that could be called.
                Some(Ok(Piece::ToolCall(_))) => {}
                Some(Ok(Piece::End(usage))) => break usage,
                Some(Err(fault)) => return Err(fault.into()),
                None => return Err(ModelError::Incomplete.into()),
            }
        };
        text.push_str(&filter.rest());
        if let Some(end) = goes_in_circles(&text) {
            text.truncate(end);
        }
        let text = text.trim().to_owned();
        Ok(Tried {
            text,
            how,
            prompt_tokens: usage.prompt_tokens,
            completion_tokens: usage.completion_tokens,
        })
    }
}
