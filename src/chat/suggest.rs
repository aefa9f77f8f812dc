//! A draft of a reply, for a member of staff to edit and send. It reaches only the listener who asked for it and is never
//! kept: what becomes of it is [`Desk::say_drafted`].

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::ask;
use super::desk::{Desk, Inner};
use super::error::DeskError;
use super::guard::goes_in_circles;
use super::hub::{Notice, Outlet};
use super::turn::LOOK;
use crate::domain::prompt::{Finish, Piece, Prompt};
use crate::domain::{ConvId, MessageId, Refusal};

/// Pieces are gathered this long.
const GATHER: Duration = Duration::from_millis(50);

/// A piece of a draft: what the reader has from its character `off` on gives way to `text`.
#[derive(Clone, Debug, PartialEq)]
pub struct Suggestion {
    pub conv: ConvId,
    /// Which request it answers; see [`Suggesting::id`].
    pub id: MessageId,
    pub off: usize,
    pub text: String,
    /// With the last piece: why there are no more.
    pub ended: Option<Suggested>,
}

/// Why a draft ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum Suggested {
    Complete,
    /// It reached the length or time limit.
    Length,
    /// Whoever asked for it wants no more.
    Stopped,
    /// The model failed.
    Failed,
    /// There is nothing to suggest: no question, or nothing in the shop's facts that would answer it.
    Nothing,
}

/// A draft being made; dropping it ends it without a word.
#[derive(Debug)]
pub struct Suggesting {
    pub conv: ConvId,
    pub id: MessageId,
    stop: Arc<Notify>,
    task: AbortHandle,
}

impl Suggesting {
    /// Ends it; the reader is told, and keeps what it has.
    pub fn stop(&self) {
        self.stop.notify_one();
    }
}

impl Drop for Suggesting {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Desk {
    /// Drafts an answer to the shopper's newest message and tells it to `outlet` only. Shoppers come first: it waits behind all
    /// of them, and begins again when one has to wait for it.
    pub fn suggest(&self, conv: ConvId, outlet: &Outlet) -> Result<Suggesting, DeskError> {
        if self.0.draining.load(Ordering::Acquire) {
            return Err(DeskError::Draining);
        }
        if self.0.store.head(conv)?.is_none() {
            return Err(Refusal::Unknown.into());
        }
        let id = MessageId(self.0.clock.fresh_id());
        let stop = Arc::<Notify>::default();
        let draft = Draft { desk: self.0.clone(), conv, id, outlet: outlet.clone(), shown: 0 };
        let task = self.0.runtime.spawn(draft.run(stop.clone())).abort_handle();
        Ok(Suggesting { conv, id, stop, task })
    }
}

struct Draft {
    desk: Arc<Inner>,
    conv: ConvId,
    id: MessageId,
    outlet: Outlet,
    /// Characters the reader has.
    shown: usize,
}

/// Why an attempt is over.
enum Over {
    /// A shopper waits for the place.
    Pressed,
    Ended(Suggested),
}

impl Draft {
    async fn run(mut self, stop: Arc<Notify>) {
        let ended = tokio::select! {
            biased;
            () = stop.notified() => Suggested::Stopped,
            ended = self.make() => ended,
        };
        self.tell(self.shown, "", Some(ended));
    }

    async fn make(&mut self) -> Suggested {
        let desk = self.desk.clone();
        let deadline = tokio::time::sleep(Duration::from_secs(desk.settings.reply_seconds));
        tokio::pin!(deadline);
        loop {
            // Held to the end of the attempt, so that an adapter which is replaced meanwhile still finishes it.
            let lease = desk.adapters.for_chat(self.conv.0.as_bytes()).await;
            let by = ask::provenance(&desk, self.id, &lease);
            let prompt = match desk.store.head(self.conv) {
                Ok(Some(head)) => {
                    ask::newest(&desk, &head, self.conv).map(|events| ask::draft(&desk, events, &by))
                }
                Ok(None) => Ok(None),
                Err(fault) => Err(fault),
            };
            let prompt = match prompt {
                Ok(Some(prompt)) => prompt,
                Ok(None) => return Suggested::Nothing,
                Err(fault) => {
                    tracing::error!(conv = %self.conv, code = fault.code(), %fault, "no suggestion could be made");
                    return Suggested::Failed;
                }
            };
            let permit = desk.line.enter_behind().await;
            let over = tokio::select! {
                biased;
                () = &mut deadline => Over::Ended(Suggested::Length),
                () = desk.line.pressed() => Over::Pressed,
                over = self.attempt(prompt) => Over::Ended(over),
            };
            drop(permit);
            match over {
                Over::Ended(ended) => return ended,
                Over::Pressed => self.tell(0, "", None),
            }
        }
    }

    /// Streams one attempt to the reader.
    async fn attempt(&mut self, prompt: Prompt) -> Suggested {
        let desk = self.desk.clone();
        let mut filter = desk.guard.outbound();
        let mut answer = desk.model.stream(prompt);
        let (mut text, mut pieces, mut due) = (String::new(), 0, Instant::now());
        while let Some(piece) = answer.next().await {
            match piece {
                Ok(Piece::Text { text: fresh, .. }) => {
                    let fresh = filter.pass(&fresh);
                    text.push_str(if text.is_empty() { fresh.trim_start() } else { &fresh });
                    pieces += 1;
                    if pieces % LOOK == LOOK - 1
                        && let Some(end) = goes_in_circles(&text)
                    {
                        return self.end(text[..end].trim_end(), Suggested::Complete);
                    }
                    if Instant::now() >= due {
                        self.show(&text);
                        due = Instant::now() + GATHER;
                    }
                }
                // A draft is offered no tools.
                Ok(Piece::ToolCall(_)) => {}
                Ok(Piece::End(usage)) => {
                    text.push_str(&filter.rest());
                    let how =
                        if usage.finish == Finish::Length { Suggested::Length } else { Suggested::Complete };
                    return self.end(text.trim_end(), how);
                }
                Err(fault) => {
                    tracing::error!(conv = %self.conv, code = fault.code(), %fault, "the model failed at a suggestion");
                    return Suggested::Failed;
                }
            }
        }
        Suggested::Failed
    }

    /// The reader has all of `text` and no more.
    fn end(&mut self, text: &str, how: Suggested) -> Suggested {
        if text.is_empty() {
            return Suggested::Nothing;
        }
        if text.chars().count() < self.shown {
            self.tell(0, text, None);
        } else {
            self.show(text);
        }
        how
    }

    /// Tells what of `text` the reader does not have yet.
    fn show(&mut self, text: &str) {
        let fresh: String = text.chars().skip(self.shown).collect();
        if !fresh.is_empty() {
            self.tell(self.shown, &fresh, None);
        }
    }

    fn tell(&mut self, off: usize, text: &str, ended: Option<Suggested>) {
        self.shown = off + text.chars().count();
        let (conv, id) = (self.conv, self.id);
        // A reader that is gone ends this task with its socket.
        self.outlet.tell(Notice::Suggestion(Box::new(Suggestion {
            conv,
            id,
            off,
            text: text.to_owned(),
            ended,
        })));
    }
}
