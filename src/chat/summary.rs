//! What a colleague should know who takes a conversation over: made when it leaves the model, or when somebody asks, while the
//! model has nothing else to do. Staff only.
//!
//! A small model would make things up: its summary consists of the conversation's own words and of what tools found in them.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::mpsc;

use super::ask;
use super::desk::{Desk, Inner};
use super::error::DeskError;
use super::gist::{self, Gist};
use super::guard::goes_in_circles;
use super::turn::LOOK;
use crate::domain::prompt::{Finish, Piece, Prompt};
use crate::domain::{About, Command, ConvId, Event, EventKind, Owner, Point, Refusal, Seq, Summary};
use crate::model::ModelError;
use crate::tools::{ExtractItem, SentimentItem, Tool, Toolbox};

/// Conversations that may wait; more are not summed up by themselves.
const WAITING: usize = 100;
/// The longest text of a model, in tokens and in characters.
const TOKENS: usize = 160;
const CHARS: usize = 800;
/// Below this a tool guesses.
const SURE: f32 = 0.5;

pub(super) type Feed = mpsc::Sender<ConvId>;

/// A conversation that a person gets, or is wanted for, is summed up; nothing else is.
pub(super) fn hear(feed: &Feed, event: &Event) {
    if let EventKind::Owner { owner: Owner::Queue | Owner::Staff, .. } = event.kind {
        // A full line means that the model never rests: a colleague can still ask.
        let _ = feed.try_send(event.conv);
    }
}

impl Desk {
    /// Sums up every conversation that goes to a person from now on. Only the first call counts.
    pub fn watch_handovers(&self, toolbox: Toolbox) {
        let (feed, heard) = mpsc::channel(WAITING);
        if self.0.summaries.set(feed).is_ok() {
            self.0.runtime.spawn(follow(Arc::downgrade(&self.0), toolbox, heard));
        }
    }

    /// Sums a conversation up now, and returns the number of the event. Shoppers come first: this waits for them.
    pub async fn summarize(&self, conv: ConvId, toolbox: &Toolbox) -> Result<Seq, DeskError> {
        let head = self.0.store.head(conv)?.ok_or(Refusal::Unknown)?;
        let events = ask::newest(&self.0, &head, conv)?;
        let gist = Gist::of(&events).ok_or(Refusal::NothingToDo)?;
        let summary = Maker { desk: &self.0, toolbox, conv }.make(gist).await;
        Ok(self.0.store.commit(conv, Command::Summarize(summary)).await?.head.seq)
    }
}

async fn follow(desk: Weak<Inner>, toolbox: Toolbox, mut heard: mpsc::Receiver<ConvId>) {
    while let Some(conv) = heard.recv().await {
        let Some(desk) = desk.upgrade().map(Desk) else { return };
        match desk.is_news(conv) {
            Ok(true) => {}
            Ok(false) => continue,
            Err(fault) => {
                tracing::warn!(%conv, code = fault.code(), %fault, "a conversation could not be summed up");
                continue;
            }
        }
        match desk.summarize(conv, &toolbox).await {
            Ok(_) | Err(DeskError::Refused(_)) => {}
            Err(fault) => {
                tracing::warn!(%conv, code = fault.code(), %fault, "a conversation could not be summed up")
            }
        }
    }
}

impl Desk {
    /// Something was said since the newest summary.
    fn is_news(&self, conv: ConvId) -> Result<bool, DeskError> {
        let Some(head) = self.0.store.head(conv)? else { return Ok(false) };
        let events = ask::newest(&self.0, &head, conv)?;
        let last = events.iter().rposition(|event| matches!(event.kind, EventKind::Summary(_)));
        Ok(events[last.map_or(0, |at| at + 1)..].iter().any(|event| {
            matches!(event.kind, EventKind::Said { .. } | EventKind::Owner { owner: Owner::Queue, .. })
        }))
    }
}

struct Maker<'a> {
    desk: &'a Inner,
    toolbox: &'a Toolbox,
    conv: ConvId,
}

impl Maker<'_> {
    async fn make(&self, gist: Gist<'_>) -> Summary {
        let desk = self.desk;
        let mut points = Vec::new();
        let written = if desk.model.facts().small { None } else { self.write(gist.events).await };
        if written.is_none() {
            points.push(Point { about: About::Question, name: None, text: gist.question() });
        }
        let playbook = desk.playbook();
        let products = playbook.shop().named_in(&gist.words());
        points.extend(products.iter().map(|product| gist::product(&product.name)));
        points.extend(gist.attributes());
        gist::add(&mut points, self.attributes(&gist).await);
        points.extend(self.mood(&gist).await);
        points.extend(gist.reason());
        for point in &mut points {
            point.text = desk.guard.strip(&point.text);
        }
        points.retain(|point| !point.text.is_empty());
        let text = written.unwrap_or_else(|| gist::text(&points));
        Summary { text, points }
    }

    /// What the shopper said of a product. A small model finds that only if an adapter taught it to.
    async fn attributes(&self, gist: &Gist<'_>) -> Vec<Point> {
        if self.desk.model.facts().small && !self.toolbox.is_taught(Tool::Extract).await {
            return Vec::new();
        }
        let text = gist.newest_words(self.toolbox.settings().max_chars);
        match self.toolbox.extract(&ExtractItem { text, ..ExtractItem::default() }).await {
            Ok(found) => {
                let sure = found.attributes.into_iter().filter(|a| a.confidence.is_none_or(|c| c >= SURE));
                sure.map(|attribute| gist::attribute(&attribute.name, &attribute.value)).collect()
            }
            Err(fault) => {
                tracing::warn!(conv = %self.conv, code = fault.code(), %fault, "a summary has no attributes");
                Vec::new()
            }
        }
    }

    /// The mood of the newest message; of an older one if it cannot be read.
    async fn mood(&self, gist: &Gist<'_>) -> Option<Point> {
        let known = gist.mood();
        let (seq, text) = gist.newest();
        let label = match known {
            Some((of, label)) if of == seq => label.to_owned(),
            known if self.toolbox.settings().watch_sentiment => {
                let item = SentimentItem { text: text.to_owned(), ..SentimentItem::default() };
                let read = self.toolbox.sentiment(&item).await.ok();
                let read = read.and_then(|read| serde_json::to_value(read.label).ok());
                let read = read.and_then(|label| label.as_str().map(str::to_owned));
                read.or_else(|| known.map(|(_, label)| label.to_owned()))?
            }
            known => known?.1.to_owned(),
        };
        Some(Point { about: About::Mood, name: None, text: label })
    }

    /// The model's own words; none if it has nothing useful to say.
    async fn write(&self, events: &[Event]) -> Option<String> {
        let desk = self.desk;
        let room = desk.model.facts().context.saturating_sub(TOKENS).min(desk.settings.prompt_tokens);
        let count = |text: &str| desk.model.count_tokens(text);
        let prompt = Prompt {
            messages: desk.playbook().summary(events, room, &count)?,
            sampling: desk.settings.sampling.clone(),
            max_tokens: TOKENS,
            ..Prompt::default()
        };
        let deadline = tokio::time::sleep(Duration::from_secs(desk.settings.reply_seconds));
        tokio::pin!(deadline);
        loop {
            let permit = desk.line.enter_behind().await;
            let said = tokio::select! {
                biased;
                () = &mut deadline => return None,
                // A shopper waits for the place: this begins again behind them.
                () = desk.line.pressed() => None,
                said = self.collect(prompt.clone()) => Some(said),
            };
            drop(permit);
            match said {
                None => {}
                Some(Ok(text)) => return gist::bounded(&text, CHARS),
                Some(Err(fault)) => {
                    tracing::warn!(conv = %self.conv, code = fault.code(), %fault, "the model failed at a summary");
                    return None;
                }
            }
        }
    }

    async fn collect(&self, prompt: Prompt) -> Result<String, ModelError> {
        let mut answer = self.desk.model.stream(prompt);
        let (mut text, mut pieces) = (String::new(), 0);
        while let Some(piece) = answer.next().await {
            match piece? {
                Piece::Text { text: fresh, .. } => {
                    text.push_str(&fresh);
                    pieces += 1;
                    if pieces % LOOK == LOOK - 1
                        && let Some(end) = goes_in_circles(&text)
                    {
                        text.truncate(end);
                        return Ok(self.desk.guard.strip(&text));
                    }
                }
                // Nothing was offered that could be called.
                Piece::ToolCall(_) => {}
                Piece::End(usage) => {
                    let text = self.desk.guard.strip(&text);
                    return Ok(match usage.finish {
                        Finish::Length => gist::whole_sentences(&text),
                        Finish::Stop | Finish::ToolCalls => text,
                    });
                }
            }
        }
        Err(ModelError::Incomplete)
    }
}
