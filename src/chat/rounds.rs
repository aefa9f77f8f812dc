//! Rounds of tool calls in one reply: what the model calls is looked up with the shopper's own rights, kept as an event for the
//! staff, and handed back to the model, which goes on with the same reply.

use super::ask;
use super::hub::{Notice, Who};
use super::turn::{Made, Watch, ended};
use super::words::InForce;
use crate::domain::prompt::{Message, Prompt, ToolCall, Usage};
use crate::domain::text::clean;
use crate::domain::{Command, Cut, Ended, Provenance, ShopperId};
use crate::store::StoreError;
use crate::telemetry::metric;
use crate::tools::lookup::{Lookup, Outcome, Refused, View};

/// Calls of one round that are run.
const CALLS: usize = 3;
/// Calls of one round that are heard at all; each becomes an event.
const HEARD: usize = 6;
/// The longest outcome, in characters.
const MAX_FOUND: usize = 1_200;
/// The most of a call's arguments that is kept, in characters.
const MAX_KEPT: usize = 300;
/// Below so many characters an outcome says nothing any more.
const MIN_FOUND: usize = 100;
/// Under this name an event keeps a call of something that is not there.
const UNKNOWN: &str = "unknown_tool";

/// The rounds of one reply so far.
pub(super) struct Rounds {
    prompt: Prompt,
    /// Called in this round.
    calls: Vec<ToolCall>,
    /// This round has said something.
    speaks: bool,
    done: u32,
    /// Bytes of the reply that earlier rounds have shown.
    shown: usize,
    /// Tokens of the rounds before.
    asked: u32,
    said: u32,
}

impl Rounds {
    pub(super) fn new(prompt: Prompt) -> Self {
        Self { prompt, calls: Vec::new(), speaks: false, done: 0, shown: 0, asked: 0, said: 0 }
    }

    pub(super) fn prompt(&self) -> Prompt {
        self.prompt.clone()
    }

    pub(super) fn hear(&mut self, call: ToolCall) {
        if self.calls.len() < HEARD {
            self.calls.push(call);
        }
    }

    /// `piece` as it follows what the reply has so far: nothing, if `first`. What a later round says begins on a line of its own.
    pub(super) fn follow(&mut self, piece: &str, first: bool) -> String {
        if self.speaks {
            return piece.to_owned();
        }
        let piece = piece.trim_start();
        self.speaks = !piece.is_empty();
        if first || piece.is_empty() { piece.to_owned() } else { format!("\n{piece}") }
    }

    /// The tokens of all rounds, once this one is over.
    pub(super) fn count(&mut self, usage: Usage, provenance: &mut Provenance) -> Usage {
        self.asked += usage.prompt_tokens;
        self.said += usage.completion_tokens;
        provenance.prompt_tokens = self.asked;
        provenance.completion_tokens = self.said;
        Usage { prompt_tokens: self.asked, completion_tokens: self.said, finish: usage.finish }
    }

    /// False if the model has given its answer.
    pub(super) fn calls_something(&self) -> bool {
        !self.calls.is_empty() && !self.prompt.tools.is_empty()
    }
}

impl Watch<'_> {
    /// Runs what was called in this round; `None` if the model goes on with the reply.
    pub(super) async fn look_up(
        &self,
        rounds: &mut Rounds,
        shopper: Option<ShopperId>,
        provenance: &mut Provenance,
    ) -> Result<Option<Made>, StoreError> {
        let calls = std::mem::take(&mut rounds.calls);
        let limit = self.desk.settings.tool_rounds;
        let over = rounds.done >= limit;
        rounds.done += u32::from(!over);
        provenance.rounds = rounds.done;
        let customer = self.customer(shopper)?;
        let mut found = Vec::with_capacity(calls.len());
        for (n, call) in calls.iter().enumerate() {
            let outcome = match n {
                _ if over => Outcome::Refused(Refused::TooManyRounds),
                CALLS.. => Outcome::Refused(Refused::TooManyCalls),
                _ => self.run(call, customer.as_deref()),
            };
            let text = self.harmless(&outcome.text(), MAX_FOUND);
            if !self.keep(rounds.done, call, &outcome, &text).await? {
                return Ok(Some(Made::Silenced));
            }
            if outcome == Outcome::Person {
                let from = Some(provenance.clone());
                let cut = self.live.silence().map(|cut| Cut { provenance: from, ..cut });
                self.desk.give_over(self.conv, cut).await?;
                return Ok(Some(Made::Silenced));
            }
            found.push(text);
        }
        if over {
            return Ok(Some(self.at_a_loss()));
        }
        let said = self.live.text();
        let said_now = said.get(rounds.shown..).unwrap_or_default().trim().to_owned();
        rounds.shown = said.len();
        rounds.speaks = false;
        self.hand_back(rounds, said_now, calls, found);
        self.desk.hub.publish(self.conv, Notice::Typing { conv: self.conv, who: Who::Ai, by: None });
        Ok(None)
    }

    /// The shop's own id of the shopper, if the shop vouched for who they are.
    fn customer(&self, shopper: Option<ShopperId>) -> Result<Option<String>, StoreError> {
        let Some(id) = shopper else { return Ok(None) };
        Ok(self
            .desk
            .store
            .shopper(id)?
            .filter(|shopper| shopper.verified)
            .and_then(|shopper| shopper.external))
    }

    fn run(&self, call: &ToolCall, customer: Option<&str>) -> Outcome {
        let InForce { playbook, catalogue } = self.desk.in_force();
        let view = View { shop: playbook.shop(), catalogue: &catalogue, orders: playbook.orders(), customer };
        Lookup::run(call, &view)
    }

    /// At most `most` characters of `text`, of which none means anything to the model's template.
    fn harmless(&self, text: &str, most: usize) -> String {
        let text = self.desk.guard.strip(&clean(text));
        match text.char_indices().nth(most) {
            // Cutting cannot make a token whole.
            Some((at, _)) => format!("{}…", &text[..at]),
            None => text,
        }
    }

    /// Keeps a call as an event for the staff, with what the model is told of it. False if the reply is not to be given any more.
    async fn keep(
        &self,
        round: u32,
        call: &ToolCall,
        outcome: &Outcome,
        text: &str,
    ) -> Result<bool, StoreError> {
        let known = Lookup::named(&call.name).map(Lookup::name);
        let name = known.unwrap_or(UNKNOWN);
        metrics::counter!(metric::TOOL_CALLS, "tool" => name, "outcome" => outcome.code()).increment(1);
        let mut kept = serde_json::json!({
            "round": round,
            "arguments": self.harmless(&call.arguments, MAX_KEPT),
            "result": outcome.code(),
            "found": text,
        });
        if known.is_none() {
            kept["called"] = self.harmless(&call.name, 64).into();
        }
        let command = Command::Call { job: self.job, name: name.to_owned(), outcome: kept };
        match self.desk.store.commit(self.conv, command).await {
            Ok(_) => Ok(true),
            // Taken over, or forgotten.
            Err(StoreError::Refused(_)) => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    /// The next prompt: what the model said and called, and what it came to, as far as there is room.
    fn hand_back(&self, rounds: &mut Rounds, said: String, calls: Vec<ToolCall>, found: Vec<String>) {
        let last = rounds.done >= self.desk.settings.tool_rounds;
        let strip = |text: &str| self.desk.guard.strip(text);
        let calls: Vec<ToolCall> = calls
            .into_iter()
            .map(|call| ToolCall { id: call.id, name: strip(&call.name), arguments: strip(&call.arguments) })
            .collect();
        rounds.prompt.messages.push(Message::calling(strip(&said), calls.clone()));
        for (call, mut text) in calls.iter().zip(found) {
            if last {
                text.push_str("\n(No more calls: answer the shopper now.)");
            }
            rounds.prompt.messages.push(Message::found(call, text));
        }
        let facts = self.desk.model.facts();
        let room = facts.context.saturating_sub(self.desk.settings.max_reply_tokens);
        while ask::taken(self.desk, &rounds.prompt) > room {
            let longest = rounds
                .prompt
                .messages
                .iter_mut()
                .filter(|message| message.answers.is_some())
                .max_by_key(|message| message.content.len());
            let Some(longest) = longest.filter(|message| message.content.chars().count() > MIN_FOUND) else {
                return;
            };
            let keep = longest.content.chars().count() * 3 / 4;
            longest.content = longest.content.chars().take(keep).collect();
        }
    }

    /// What ends a reply whose model only goes on calling: the shop's own words for not knowing.
    fn at_a_loss(&self) -> Made {
        let shown = self.live.text();
        let playbook = self.desk.playbook();
        let sorry = playbook.at_a_loss();
        let more = if shown.is_empty() { sorry.to_owned() } else { format!("\n{sorry}") };
        match self.live.show(&self.desk.hub, self.conv, &more) {
            true => ended(Ended::Refused, None, None),
            false => Made::Silenced,
        }
    }
}
