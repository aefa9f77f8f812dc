//! One conversation as candidates for rows: what should be learnt, after the prompt it would have been said to.

use std::collections::HashMap;

use unicode_segmentation::UnicodeSegmentation;

use super::report::{Reason, Report};
use super::{Serving, Settings, wants};
use crate::domain::prompt::{Message, Role};
use crate::domain::recipe::{StoreRecipe, TargetKind};
use crate::domain::run::RowMessage;
use crate::domain::{ConvId, Ended, Event, EventKind, Head, Seq, ShopperId, Speaker, Status, Thumb};
use crate::prompt::Budget;

/// Events a prompt is made from when serving.
const HISTORY: Seq = 200;
/// Tokens of a message's frame in the model's template, as the playbook counts them.
const FRAME: usize = 8;

/// One answer to be learnt.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Candidate {
    pub(super) conv: ConvId,
    pub(super) shopper: Option<ShopperId>,
    /// The event that was answered well.
    pub(super) seq: Seq,
    /// When, in milliseconds.
    pub(super) at: u64,
    pub(super) kind: TargetKind,
    pub(super) question: String,
    pub(super) answer: String,
    /// The prompt, then the answer.
    pub(super) messages: Vec<RowMessage>,
    /// Events whose text is in the messages.
    pub(super) events: Vec<Seq>,
}

impl Candidate {
    pub(super) fn id(&self) -> String {
        format!("{}#{}", self.conv, self.seq)
    }
}

/// Makes the candidates of one conversation. `events` are free of personal data.
pub(super) struct Maker<'a> {
    pub(super) conv: ConvId,
    pub(super) head: &'a Head,
    pub(super) events: &'a [Event],
    pub(super) recipe: &'a StoreRecipe,
    pub(super) settings: &'a Settings,
    pub(super) serving: &'a Serving<'a>,
}

/// The number of a correction, and what it says.
type Right<'a> = (Seq, &'a str);

/// An answer to be learnt, before it has a prompt.
struct Answer {
    kind: TargetKind,
    seq: Seq,
    at: u64,
    text: String,
    /// Events whose text it is.
    events: Vec<Seq>,
}

impl Maker<'_> {
    pub(super) fn candidates(&self, report: &mut Report) -> Vec<Candidate> {
        let mut walk = Walk {
            maker: self,
            report,
            shown: Vec::new(),
            spoilt: false,
            burst: Vec::new(),
            made: Vec::new(),
            answers: 0,
        };
        let (thumbs, corrections) = self.judgements();
        for event in self.events {
            walk.step(event, thumbs.get(&event.seq).copied(), corrections.get(&event.seq).copied());
        }
        walk.flush();
        if walk.answers == 0 {
            walk.report.leave_out(Reason::NoTarget, self.conv, None);
        }
        walk.made
    }

    /// The newest thumb and the newest correction of each event.
    fn judgements(&self) -> (HashMap<Seq, Thumb>, HashMap<Seq, Right<'_>>) {
        let (mut thumbs, mut corrections) = (HashMap::new(), HashMap::new());
        for event in self.events {
            match &event.kind {
                EventKind::Rating { of, value, .. } => drop(thumbs.insert(*of, *value)),
                EventKind::Correction { of, text, .. } => {
                    corrections.insert(*of, (event.seq, text.as_str()));
                }
                _ => {}
            }
        }
        (thumbs, corrections)
    }

    /// `answer` after the prompt that the model would be given for the last question in `shown`.
    fn candidate(&self, answer: Answer, shown: &[Event]) -> Result<Candidate, Reason> {
        if answer.text.unicode_words().count() < self.settings.min_words {
            return Err(Reason::TooShort);
        }
        let asked = shown.iter().rposition(is_question).ok_or(Reason::NoQuestion)?;
        let newest = shown[asked].seq;
        let context: Vec<Event> =
            shown[..=asked].iter().filter(|event| event.seq + HISTORY > newest).cloned().collect();
        let prompt = self.prompt(&context, &answer.text).ok_or(Reason::TooLong)?;
        let (mut events, question) = last_turns(&context, prompt.len() - 1);
        events.extend(answer.events);
        events.sort_unstable();
        let mut messages: Vec<RowMessage> = prompt.into_iter().map(context_message).collect();
        let content = answer.text.clone();
        messages.push(RowMessage { role: "assistant".to_owned(), content, train: None });
        Ok(Candidate {
            conv: self.conv,
            shopper: self.head.shopper,
            seq: answer.seq,
            at: answer.at,
            kind: answer.kind,
            question,
            answer: answer.text,
            messages,
            events,
        })
    }

    /// The prompt as it is when serving, with fewer earlier turns if the row would be too long; `None` if even the question
    /// alone leaves no room for the answer.
    fn prompt(&self, context: &[Event], answer: &str) -> Option<Vec<Message>> {
        let Serving { playbook, budget, count, row_tokens } = *self.serving;
        let room = row_tokens.checked_sub(count(answer) + FRAME)?;
        let served = playbook.render(context, budget, count);
        let cost: usize = served.iter().map(|message| count(&message.content) + FRAME).sum();
        if cost <= room {
            return Some(served);
        }
        let shorter = playbook.render(context, Budget { tokens: room, ..budget }, count);
        let cost: usize = shorter.iter().map(|message| count(&message.content) + FRAME).sum();
        // A question that had to be cut is not what would be asked.
        (cost <= room && shorter.last() == served.last()).then_some(shorter)
    }
}

/// A walk over one conversation.
struct Walk<'a> {
    maker: &'a Maker<'a>,
    report: &'a mut Report,
    /// What a model may be shown of what was said so far.
    shown: Vec<Event>,
    /// A bad answer was given to what is shown: it ends with the shopper's next message.
    spoilt: bool,
    /// Messages of staff without the shopper answering: one answer, as the prompt joins them.
    burst: Vec<Event>,
    made: Vec<Candidate>,
    /// Answers of the wanted kinds, rows or not.
    answers: usize,
}

impl Walk<'_> {
    fn step(&mut self, event: &Event, thumb: Option<Thumb>, correction: Option<Right<'_>>) {
        match &event.kind {
            EventKind::Said { by: Speaker::Shopper, .. } => {
                self.flush();
                if std::mem::take(&mut self.spoilt) {
                    self.shown.clear();
                }
                self.shown.push(event.clone());
            }
            EventKind::Said { .. } if thumb == Some(Thumb::Down) => self.spoil(event),
            EventKind::Said { .. } => self.burst.push(event.clone()),
            EventKind::Reply { .. } => {
                self.flush();
                self.reply(event, thumb, correction);
            }
            EventKind::Status { status: Status::Retry, .. } => {
                self.flush();
                self.shown.push(event.clone());
            }
            _ => {}
        }
    }

    fn reply(&mut self, event: &Event, thumb: Option<Thumb>, correction: Option<Right<'_>>) {
        let EventKind::Reply { text, ended, .. } = &event.kind else { return };
        let (seq, at) = (event.seq, event.at);
        if let Some((by, right)) = correction {
            let (kind, text) = (TargetKind::Corrected, right.to_owned());
            self.learn(Answer { kind, seq, at, text, events: vec![seq, by] });
            self.shown.push(corrected(event, right));
            return;
        }
        match thumb {
            Some(Thumb::Down) => return self.spoil(event),
            Some(Thumb::Up) if *ended == Ended::Complete => {
                let (kind, text) = (TargetKind::Liked, text.clone());
                self.learn(Answer { kind, seq, at, text, events: vec![seq] });
            }
            Some(Thumb::Up) => self.report.leave_out(Reason::CutShort, self.maker.conv, Some(seq)),
            None => {}
        }
        self.shown.push(event.clone());
    }

    /// A bad answer is never shown: not it, nor what came before its question. The question itself stays until the shopper
    /// writes again, for somebody may have answered it better.
    fn spoil(&mut self, event: &Event) {
        self.flush();
        self.report.leave_out(Reason::RatedDown, self.maker.conv, Some(event.seq));
        let asked = self.shown.iter().rposition(is_question).map_or(0, |last| last + 1);
        self.shown.truncate(asked);
        let begins = self.shown.iter().rposition(|event| !is_question(event)).map_or(0, |before| before + 1);
        self.shown.drain(..begins);
        self.spoilt = true;
    }

    /// Ends what staff were saying.
    fn flush(&mut self) {
        let burst = std::mem::take(&mut self.burst);
        let Some(first) = burst.first() else { return };
        let texts: Vec<&str> = burst.iter().filter_map(text_of).collect();
        let (kind, text) = (TargetKind::Staff, texts.join("\n"));
        let events = burst.iter().map(|event| event.seq).collect();
        self.learn(Answer { kind, seq: first.seq, at: first.at, text, events });
        self.shown.extend(burst);
    }

    fn learn(&mut self, answer: Answer) {
        if !wants(self.maker.recipe, answer.kind) {
            return;
        }
        self.answers += 1;
        let seq = answer.seq;
        match self.maker.candidate(answer, &self.shown) {
            Ok(candidate) => self.made.push(candidate),
            Err(reason) => self.report.leave_out(reason, self.maker.conv, Some(seq)),
        }
    }
}

fn is_question(event: &Event) -> bool {
    matches!(event.kind, EventKind::Said { by: Speaker::Shopper, .. })
}

fn text_of(event: &Event) -> Option<&str> {
    match &event.kind {
        EventKind::Said { text, .. } | EventKind::Reply { text, .. } => Some(text),
        _ => None,
    }
}

/// The reply as it should have been.
fn corrected(event: &Event, right: &str) -> Event {
    let mut event = event.clone();
    if let EventKind::Reply { text, ended, .. } = &mut event.kind {
        right.clone_into(text);
        *ended = Ended::Complete;
    }
    event
}

fn context_message(message: Message) -> RowMessage {
    let role = serde_json::to_value(message.role).ok().and_then(|role| role.as_str().map(str::to_owned));
    let train = (message.role == Role::Assistant).then_some(false);
    RowMessage { role: role.unwrap_or_default(), content: message.content, train }
}

/// The events of the last `turns` turns of `context`, and the text of the last one, the question. An answer that was made again
/// counts with the one in its place: rather one event too many.
fn last_turns(context: &[Event], turns: usize) -> (Vec<Seq>, String) {
    let (mut events, mut question) = (Vec::new(), Vec::new());
    let (mut sides, mut side) = (0, None);
    for event in context.iter().rev() {
        let Some(text) = text_of(event) else { continue };
        let asks = is_question(event);
        if side != Some(asks) {
            side = Some(asks);
            sides += 1;
        }
        if sides > turns {
            break;
        }
        if sides == 1 {
            question.push(text);
        }
        events.push(event.seq);
    }
    question.reverse();
    (events, question.join("\n"))
}
