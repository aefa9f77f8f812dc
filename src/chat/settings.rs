//! How chats are admitted and answered; the `[chat]` table of the configuration.

use serde::{Deserialize, Serialize};

use crate::domain::prompt::Sampling;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The longest answer, in tokens.
    pub max_reply_tokens: usize,
    /// The longest prompt, in tokens: older turns are left out first.
    pub prompt_tokens: usize,
    /// Earlier exchanges the model is reminded of. Unset: none for a small model (weights under 1 GB: half a billion parameters in
    /// 16 bits, a quarter of a billion in float32), which would repeat itself, all that fit for a larger one.
    pub remember: Option<usize>,
    /// Answers to questions the shop's facts are about consist of the shop's own sentences; the model chooses which. Unset:
    /// for a small model (as in `remember`) without an adapter, which would get them wrong.
    pub grounded: Option<bool>,
    /// Whether the model looks up products, policies and the shopper's own orders by itself, and may call a person: `auto` for one
    /// whose chat template knows tools and that answers in its own words; `on` also for one that would be held to the shop's own
    /// sentences; `off`.
    pub tools: Tools,
    /// Rounds of such calls in one reply; then it has to answer.
    pub tool_rounds: u32,
    /// Seconds after which a reply is cut.
    pub reply_seconds: u64,
    /// Shoppers who may wait for the model; the next one is told that it is busy.
    pub queue: usize,
    /// Messages a shopper may send in a minute; a thumb, asking again or for a person count as one.
    pub messages_per_minute: u32,
    /// Messages that may come from one address in a minute.
    pub address_messages_per_minute: u32,
    /// Tokens (asked and answered) a shopper may use in an hour.
    pub tokens_per_hour: u32,
    /// Tokens that one address may use in an hour.
    pub address_tokens_per_hour: u32,
    /// Temperature, top_p, top_k, min_p and penalties; greedy if there is no temperature.
    pub sampling: Sampling,
    /// Who answers a question the shop's facts say nothing about: `person` says so and offers one, `model` lets the model try.
    /// Unset: a person for a small model (as in `remember`) without an adapter, which would make things up.
    pub unknown: Option<Unknown>,
    /// The name of the adapter that answers chats, once a version of it is promoted; empty for none.
    pub adapter: String,
}

/// See [`Settings::unknown`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    Person,
    Model,
}

/// See [`Settings::tools`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tools {
    #[default]
    Auto,
    On,
    Off,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_reply_tokens: 160,
            prompt_tokens: 3000,
            remember: None,
            grounded: None,
            tools: Tools::Auto,
            tool_rounds: 3,
            reply_seconds: 120,
            queue: 64,
            messages_per_minute: 20,
            address_messages_per_minute: 120,
            tokens_per_hour: 40_000,
            address_tokens_per_hour: 400_000,
            sampling: Sampling::default(),
            unknown: None,
            adapter: "shop".to_owned(),
        }
    }
}

impl Settings {
    /// What cannot work, each with its key and its fix.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.max_reply_tokens == 0 {
            faults.push("max_reply_tokens: 0 would leave every answer empty; use 1 or more".to_owned());
        }
        if self.prompt_tokens < 256 {
            faults.push(format!(
                "prompt_tokens: {} is too few for the shop's instructions; use 256 or more",
                self.prompt_tokens
            ));
        }
        if self.messages_per_minute == 0 || self.address_messages_per_minute == 0 {
            faults.push("messages_per_minute: 0 would refuse every message; use 1 or more".to_owned());
        }
        if !(1..=8).contains(&self.tool_rounds) {
            faults.push(format!(
                "tool_rounds: {} is not a number from 1 to 8; use tools = \"off\" for none",
                self.tool_rounds
            ));
        }
        if self.sampling.temperature.is_some_and(|t| !(0.0..=2.0).contains(&t)) {
            faults.push("sampling.temperature: use a number from 0 to 2".to_owned());
        }
        faults
    }
}
