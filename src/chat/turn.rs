//! One reply, from the place in the line to the event on the disk.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{FutureExt, StreamExt};

use super::admission::Permit;
use super::ask::{self, Ask};
use super::desk::{Inner, askers};
use super::guard::goes_in_circles;
use super::hub::{Notice, Who};
use super::live::Live;
use super::rounds::Rounds;
use crate::domain::prompt::{Finish, Piece, Usage};
use crate::domain::{Command, ConvId, Ended, Head, Job, MessageId, Provenance, ShopperId};
use crate::store::StoreError;
use crate::telemetry::metric;

/// A question that was older than this at the server's start is marked interrupted: its shopper has gone.
const STALE: Duration = Duration::from_secs(15 * 60);
/// After so many crashes in the middle of the same answer, it is given up.
const ATTEMPTS: u32 = 2;
/// After a write that the store could not do just now: waits this long, then twice as long each time ...
const PAUSE: Duration = Duration::from_millis(500);
/// ... and no longer than this.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Pieces between two looks for an answer that goes in circles.
pub(super) const LOOK: usize = 8;

/// Answers until nothing is owed. Exactly one task does this for a conversation at a time.
pub(super) async fn work(desk: Arc<Inner>, conv: ConvId, live: Arc<Live>) {
    let mut pause = PAUSE;
    loop {
        let mut again = false;
        let answered = AssertUnwindSafe(answer(&desk, conv, &live)).catch_unwind().await;
        match answered {
            Ok(Ok(())) => {}
            Ok(Err(fault)) => {
                again = fault.is_passing() && !desk.is_closing();
                tracing::error!(%conv, code = fault.code(), %fault, again, "no answer could be given");
            }
            Err(_) => tracing::error!(%conv, "the answer broke off. This is a bug"),
        }
        live.silence();
        if again {
            // It is owed still, and nobody else would think of it before the next message.
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = live.stop.notified() => {}
            }
            pause = LONGEST_PAUSE.min(pause * 2);
        } else if desk.lives.leave(conv) {
            return;
        }
    }
}

/// What became of one attempt.
pub(super) enum Made {
    /// It ended, with the text as it should be kept if that differs from what was shown.
    Ended { ended: Ended, usage: Option<Usage>, text: Option<String> },
    /// The shopper wrote again before the first word: both are one question.
    AskedAgain,
    /// Somebody took over, who kept what was shown.
    Silenced,
}

async fn answer(desk: &Arc<Inner>, conv: ConvId, live: &Arc<Live>) -> Result<(), StoreError> {
    if owed(desk, conv)?.is_none() || desk.is_closing() {
        return Ok(());
    }
    let asked_at = Instant::now();
    let permit = line_up(desk, conv, live).await?;
    live.set_place(0);
    while let Some(head) = owed(desk, conv)? {
        // Without a place at the model there is only one thing to say: that it was stopped.
        if desk.is_closing() || (permit.is_none() && !live.is_stopped()) {
            return Ok(());
        }
        let begin = Command::Begin { mid: MessageId(desk.clock.fresh_id()), epoch: head.epoch };
        let job = match desk.store.commit(conv, begin).await {
            Ok(committed) => committed.job,
            Err(StoreError::Refused(_)) => None,
            Err(fault) => return Err(fault),
        };
        let Some(job) = job else { return Ok(()) };
        // Held until the answer has ended: an adapter that is replaced meanwhile still finishes it.
        let lease = desk.adapters.for_chat(conv.0.as_bytes()).await;
        let mut provenance = ask::provenance(desk, job.mid, &lease);
        let started = Instant::now();
        if !live.begin(job, &provenance).await {
            return Ok(());
        }
        let made = match no_need(desk, &head, job, live)? {
            Some((ended, text)) => Made::Ended { ended, usage: None, text: Some(text) },
            None => {
                if desk.hands_off(conv, &head, &lease).await? {
                    return Ok(());
                }
                desk.hub.publish(conv, Notice::Typing { conv, who: Who::Ai, by: None });
                let watch = Watch { desk, conv, live, job, asked_at, started };
                watch.generate(ask(desk, &head, conv, &provenance)?, head.shopper, &mut provenance).await?
            }
        };
        match made {
            Made::AskedAgain => continue,
            Made::Silenced => return Ok(()),
            Made::Ended { ended, usage, text } => {
                provenance.total_ms = millis(started);
                note(desk, &head, conv, ended, usage.as_ref(), &mut provenance);
                let text = text.unwrap_or_else(|| live.text());
                let finish = Command::Finish { job, text, ended, provenance: Some(provenance) };
                match desk.store.commit(conv, finish).await {
                    // Taken over at the last moment: whoever did kept what was shown.
                    Ok(_) | Err(StoreError::Refused(_)) => return Ok(()),
                    Err(fault) => return Err(fault),
                }
            }
        }
    }
    Ok(())
}

/// Waits in the line for a place at the model; `None` if none is needed any more.
async fn line_up(desk: &Arc<Inner>, conv: ConvId, live: &Arc<Live>) -> Result<Option<Permit>, StoreError> {
    let tell = {
        let (desk, live) = (desk.clone(), live.clone());
        Box::new(move |position| {
            live.set_place(position);
            desk.hub.publish(conv, Notice::Queued { conv, position });
        })
    };
    let mut place = pin!(desk.line.enter(tell));
    loop {
        tokio::select! {
            permit = &mut place => return Ok(Some(permit)),
            () = live.stop.notified() => {
                if live.is_stopped() || desk.is_closing() || owed(desk, conv)?.is_none() {
                    return Ok(None);
                }
            }
        }
    }
}

pub(super) fn owed(desk: &Inner, conv: ConvId) -> Result<Option<Head>, StoreError> {
    Ok(desk.store.head(conv)?.filter(Head::awaits_model))
}

/// Endings that need no model.
fn no_need(desk: &Inner, head: &Head, job: Job, live: &Live) -> Result<Option<(Ended, String)>, StoreError> {
    if live.take_stop() {
        return Ok(Some((Ended::Stopped, String::new())));
    }
    // What was said since has met no crash: its other attempts were taken away, or the store could not keep them.
    let age = desk.opened_at.checked_sub(head.updated_at);
    if age.is_some_and(|age| job.attempt > ATTEMPTS || u128::from(age) > STALE.as_millis()) {
        return Ok(Some((Ended::Interrupted, String::new())));
    }
    Ok(None)
}

/// What the shop's words or the model should answer now.
fn ask(desk: &Inner, head: &Head, conv: ConvId, provenance: &Provenance) -> Result<Ask, StoreError> {
    Ok(Ask::of(desk, &ask::newest(desk, head, conv)?, provenance))
}

/// Counts what the answer cost, for the limits, the metrics and the record.
fn note(
    desk: &Inner,
    head: &Head,
    conv: ConvId,
    ended: Ended,
    usage: Option<&Usage>,
    provenance: &mut Provenance,
) {
    if let Some(usage) = usage {
        provenance.prompt_tokens = usage.prompt_tokens;
        provenance.completion_tokens = usage.completion_tokens;
    }
    let spent = u64::from(provenance.prompt_tokens) + u64::from(provenance.completion_tokens);
    desk.limits.spend(&askers(head.shopper, desk.lives.address(conv)), spent);
    let seconds = f64::from(provenance.total_ms.saturating_sub(provenance.first_ms)) / 1000.0;
    if seconds > 0.0 && provenance.completion_tokens > 1 {
        metrics::histogram!(metric::TOKEN_RATE).record(f64::from(provenance.completion_tokens) / seconds);
    }
    let name =
        serde_json::to_value(ended).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default();
    let by = provenance.adapter.clone().unwrap_or_else(|| provenance.model.clone());
    metrics::counter!(metric::REPLIES, "ended" => name, "by" => by).increment(1);
}

fn millis(since: Instant) -> u32 {
    since.elapsed().as_millis().try_into().unwrap_or(u32::MAX)
}

/// One attempt being watched over.
pub(super) struct Watch<'a> {
    pub(super) desk: &'a Inner,
    pub(super) conv: ConvId,
    pub(super) live: &'a Live,
    pub(super) job: Job,
    asked_at: Instant,
    started: Instant,
}

impl Watch<'_> {
    /// Streams the answer to the listeners until it ends, is stopped, or is silenced.
    async fn generate(
        &self,
        ask: Ask,
        shopper: Option<ShopperId>,
        provenance: &mut Provenance,
    ) -> Result<Made, StoreError> {
        let prompt = match ask {
            Ask::Model(prompt) => prompt,
            Ask::Nobody(text) => return Ok(ended(Ended::Refused, None, Some(text))),
        };
        let mut rounds = Rounds::new(*prompt);
        let mut answer = self.desk.model.stream(rounds.prompt());
        let mut filter = self.desk.guard.outbound();
        let mut pieces = 0;
        let deadline = tokio::time::sleep(Duration::from_secs(self.desk.settings.reply_seconds));
        tokio::pin!(deadline);
        loop {
            let piece = tokio::select! {
                biased;
                () = self.live.stop.notified() => match self.signalled() {
                    Some(made) => return Ok(made),
                    None => continue,
                },
                () = self.live.asked_again.notified(), if pieces == 0 => {
                    if owed(self.desk, self.conv)?.is_some_and(|head| head.asked > self.job.upto) {
                        return Ok(Made::AskedAgain);
                    }
                    continue;
                }
                () = &mut deadline => return Ok(ended(Ended::Length, None, None)),
                piece = answer.next() => piece,
            };
            match piece {
                Some(Ok(Piece::Text { text, .. })) => {
                    provenance.completion_tokens += 1;
                    let text = filter.pass(&rounds.follow(&text, pieces == 0));
                    if pieces == 0 && !text.is_empty() {
                        provenance.first_ms = millis(self.started);
                        metrics::histogram!(metric::FIRST_TOKEN)
                            .record(self.asked_at.elapsed().as_secs_f64());
                    }
                    if !self.live.show(&self.desk.hub, self.conv, &text) {
                        return Ok(Made::Silenced);
                    }
                    pieces += usize::from(!text.is_empty());
                    if pieces % LOOK == LOOK - 1
                        && let Some(end) = goes_in_circles(&self.live.text())
                    {
                        let text = self.live.text()[..end].trim_end().to_owned();
                        return Ok(ended(Ended::Complete, None, Some(text)));
                    }
                }
                Some(Ok(Piece::ToolCall(call))) => rounds.hear(call),
                Some(Ok(Piece::End(usage))) => {
                    self.live.show(&self.desk.hub, self.conv, &filter.rest());
                    if !self.live.speaks(&self.job) {
                        return Ok(Made::Silenced);
                    }
                    let usage = rounds.count(usage, provenance);
                    if rounds.calls_something() {
                        if let Some(made) = self.look_up(&mut rounds, shopper, provenance).await? {
                            return Ok(made);
                        }
                        filter = self.desk.guard.outbound();
                        answer = self.desk.model.stream(rounds.prompt());
                        continue;
                    }
                    let how = if usage.finish == Finish::Length { Ended::Length } else { Ended::Complete };
                    return Ok(ended(how, Some(usage), None));
                }
                Some(Err(fault)) => {
                    tracing::error!(conv = %self.conv, code = fault.code(), %fault, "the model failed");
                    return Ok(ended(Ended::Failed, None, None));
                }
                None => {
                    tracing::error!(conv = %self.conv, "the model stopped in the middle of an answer");
                    return Ok(ended(Ended::Failed, None, None));
                }
            }
        }
    }
}

impl Watch<'_> {
    /// What a signal to stop stands for; `None` if it is an old one.
    fn signalled(&self) -> Option<Made> {
        if self.live.take_stop() {
            return Some(ended(Ended::Stopped, None, None));
        }
        if !self.live.speaks(&self.job) {
            return Some(Made::Silenced);
        }
        let left = match self.live.text().is_empty() {
            // Nobody has read a word: the next start answers.
            true => Made::Silenced,
            false => ended(Ended::Interrupted, None, None),
        };
        self.desk.is_closing().then_some(left)
    }
}

pub(super) fn ended(ended: Ended, usage: Option<Usage>, text: Option<String>) -> Made {
    Made::Ended { ended, usage, text }
}
