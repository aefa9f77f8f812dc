//! The desk: everything anybody may do to a conversation, and how to listen to one.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, RwLock};

use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::admission::Admission;
use super::guard::Guard;
use super::handoff::HandOffs;
use super::hub::{Hub, Notice};
use super::limits::{Limits, Who as Asker};
use super::live::Live;
use super::lives::{Lives, Place};
use super::mood;
use super::summary;
use super::words::InForce;
use super::{DeskError, Settings, turn};
use crate::clock::{Clock, Millis};
use crate::domain::{
    Cmid, Command, ConvId, EventKind, Head, Opening, Owner, Refusal, Said, Seq, ShopperId, Speaker, StaffId,
};
use crate::model::SharedModel;
use crate::model::adapters::Adapters;
use crate::prompt::Playbook;
use crate::store::{Committed, Store};

/// Conversations that a task has to look at.
type Kicks = mpsc::UnboundedSender<(ConvId, Arc<Live>)>;

/// What a desk is made of.
pub struct Parts {
    pub store: Store,
    pub model: SharedModel,
    /// Of the same model: which of them answers a conversation.
    pub adapters: Adapters,
    pub playbook: Playbook,
    pub settings: Settings,
    pub clock: Clock,
    /// The multi-thread runtime on which answers are made; web workers come and go.
    pub runtime: Handle,
}

/// One message to be said.
#[derive(Clone, Debug, PartialEq)]
pub struct Say {
    pub conv: ConvId,
    pub cmid: Cmid,
    pub by: Speaker,
    pub text: Said,
    /// Where it came from, for the limits.
    pub address: Option<IpAddr>,
}

/// A message is on the disk under this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    pub seq: Seq,
    /// It had been there before.
    pub duplicate: bool,
}

/// See the module.
#[derive(Clone)]
pub struct Desk(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) store: Store,
    pub(super) model: SharedModel,
    pub(super) adapters: Adapters,
    /// The owner may word it anew while the server runs, and products and policies change.
    pub(super) in_force: RwLock<InForce>,
    pub(super) settings: Settings,
    pub(super) clock: Clock,
    pub(super) hub: Hub,
    pub(super) lives: Lives,
    pub(super) line: Admission,
    pub(super) limits: Limits,
    pub(super) guard: Guard,
    /// Held while something of a shopper changes that the store does not decide; which one its id says.
    pub(super) shoppers: [tokio::sync::Mutex<()>; 32],
    /// Where shoppers' messages go whose mood is read.
    pub(super) mood: OnceLock<mood::Feed>,
    /// Where conversations go that are summed up for a person.
    pub(super) summaries: OnceLock<summary::Feed>,
    /// What brings a person besides being asked for one.
    pub(super) rules: RwLock<Arc<HandOffs>>,
    pub(super) runtime: Handle,
    /// When the desk opened: what is older was left by the run before.
    pub(super) opened_at: Millis,
    kicks: Kicks,
    pub(super) warm: AtomicBool,
    /// Takes no new messages.
    pub(super) draining: AtomicBool,
    /// Makes no answers any more.
    pub(super) closing: AtomicBool,
}

impl Desk {
    /// Opens the desk: listens to the store, and goes on with what a stop left unanswered.
    pub fn open_with(parts: Parts) -> Result<Self, DeskError> {
        let Parts { store, model, adapters, playbook, settings, clock, runtime } = parts;
        let parallel = model.facts().parallel;
        let guard = Guard::new(&model.facts().control_tokens);
        let owed = store.open_jobs_and_waiting()?;
        let (kicks, kicked) = mpsc::unbounded_channel();
        let desk = Self(Arc::new(Inner {
            line: Admission::new(parallel),
            limits: Limits::new(&settings, clock.clone()),
            hub: Hub::default(),
            lives: Lives::new(parallel.max(1).saturating_add(settings.queue)),
            warm: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            shoppers: Default::default(),
            opened_at: clock.now(),
            kicks,
            mood: OnceLock::new(),
            summaries: OnceLock::new(),
            rules: RwLock::default(),
            store,
            model,
            adapters,
            in_force: RwLock::new(InForce::of(playbook)),
            settings,
            clock,
            guard,
            runtime,
        }));
        for conv in owed {
            desk.0.kick(conv);
        }
        desk.listen();
        desk.watch_shop();
        desk.0.runtime.spawn(dispatch(Arc::downgrade(&desk.0), kicked));
        Ok(desk)
    }

    /// The store's writer tells of every commit, in order, once it is on the disk: listeners hear it, and the model
    /// goes to work on what it owes. No caller that goes away in the meantime can undo that.
    fn listen(&self) {
        let weak = Arc::downgrade(&self.0);
        self.0.store.listen(Box::new(move |committed: &Committed| {
            let Some(inner) = weak.upgrade() else { return };
            // Before anybody hears of a new owner: a take-over between the decision to answer and the first word would
            // else be followed by that answer.
            if let Some(event) = committed.events.first()
                && let Some(live) = inner.lives.get(event.conv)
            {
                live.hear(&committed.head);
            }
            for event in &committed.events {
                inner.hub.publish(event.conv, Notice::Event(Arc::new(event.clone())));
                if let Some(feed) = inner.mood.get() {
                    mood::hear(feed, event);
                }
                if let Some(feed) = inner.summaries.get() {
                    summary::hear(feed, event);
                }
            }
            Self(inner.clone()).hear_mood(committed);
            if committed.head.awaits_model()
                && let Some(event) = committed.events.last()
            {
                inner.kick(event.conv);
            }
        }));
    }

    /// The shopper's newest conversation, or a new one. Two tabs that open at once get the same.
    pub async fn open(&self, shopper: ShopperId) -> Result<ConvId, DeskError> {
        let newest = || Ok::<_, DeskError>(self.0.store.conversations_of(shopper)?.last().copied());
        if let Some(conv) = newest()? {
            return Ok(conv);
        }
        let _one = self.one_at_a_time(shopper).await;
        if let Some(conv) = newest()? {
            return Ok(conv);
        }
        let conv = ConvId(self.0.clock.fresh_id());
        self.0.store.commit(conv, Command::Open(Opening { shopper })).await?;
        Ok(conv)
    }

    /// True if the conversation is this shopper's.
    pub fn owns(&self, shopper: ShopperId, conv: ConvId) -> Result<bool, DeskError> {
        Ok(self.0.store.head(conv)?.is_some_and(|head| head.shopper == Some(shopper)))
    }

    /// Puts a message on the disk; the answer, if the model owes one, comes by subscription. Sending the same `cmid` again
    /// has no effect: what is on the disk is acknowledged whatever else is refused now.
    pub async fn say(&self, say: Say) -> Result<Ack, DeskError> {
        if let Some(seq) = self.0.store.said(say.conv, say.cmid)? {
            return Ok(Ack { seq, duplicate: true });
        }
        if self.0.draining.load(Ordering::Acquire) {
            return Err(DeskError::Draining);
        }
        if say.by != Speaker::Shopper {
            let text = self.stripped(&say.text)?;
            return self.put(say.conv, Command::Say { cmid: say.cmid, by: say.by, text }).await;
        }
        let (head, place) = self.admit(&say)?;
        let text = self.stripped(&say.text)?;
        let Say { conv, cmid, by, .. } = say;
        let said = match self.rule(&head, conv, &text)? {
            Some(why) => self
                .silencing(conv, |cut| Command::SayAndHandOff { cmid, text, why, cut })
                .await
                .map(acknowledge),
            None => self.put(conv, Command::Say { cmid, by, text }).await,
        };
        // By now the task that answers has it.
        drop(place);
        said
    }

    pub(super) async fn put(&self, conv: ConvId, command: Command) -> Result<Ack, DeskError> {
        Ok(acknowledge(self.0.store.commit(conv, command).await?))
    }

    /// `text` without the model's control tokens.
    pub(super) fn stripped(&self, text: &Said) -> Result<Said, DeskError> {
        Ok(Said::parse(&self.0.guard.strip(text.as_str()))?)
    }

    /// The conversation, if its shopper may write now, and its place if the model is to answer.
    fn admit(&self, say: &Say) -> Result<(Head, Option<Place>), DeskError> {
        let Some(head) = self.0.store.head(say.conv)? else {
            return Err(Refusal::Unknown.into());
        };
        self.0.limits.admit(&askers(head.shopper, say.address))?;
        let place = match head.owner {
            Owner::Ai => Some(self.reserve(say.conv, say.address)?),
            Owner::Queue | Owner::Staff => None,
        };
        Ok((head, place))
    }

    pub(super) fn reserve(&self, conv: ConvId, address: Option<IpAddr>) -> Result<Place, DeskError> {
        self.0.lives.reserve(conv, address).ok_or(DeskError::BUSY)
    }

    /// A member of staff takes over: when this returns, nothing more of the model's answer reaches anybody.
    pub async fn take(&self, conv: ConvId, by: StaffId) -> Result<(), DeskError> {
        self.silencing(conv, |cut| Command::Take { by, cut }).await?;
        Ok(())
    }

    pub async fn release(&self, conv: ConvId, by: StaffId) -> Result<(), DeskError> {
        self.run(conv, Command::Release(by)).await
    }

    pub async fn note(&self, conv: ConvId, by: StaffId, text: Said) -> Result<(), DeskError> {
        self.run(conv, Command::Note { by, text }).await
    }

    /// A resolved conversation is open again; the model answers what comes next.
    pub async fn reopen(&self, conv: ConvId) -> Result<(), DeskError> {
        self.run(conv, Command::Reopen).await
    }

    /// The conversation is done with. What was shown of an answer in the making is kept.
    pub async fn resolve(&self, conv: ConvId) -> Result<(), DeskError> {
        self.silencing(conv, |cut| Command::Resolve { cut }).await?;
        Ok(())
    }

    pub(super) async fn run(&self, conv: ConvId, command: Command) -> Result<(), DeskError> {
        self.0.store.commit(conv, command).await?;
        Ok(())
    }

    /// How many shoppers and programs are answered or wait for it.
    pub fn busy(&self) -> tokio::sync::watch::Receiver<usize> {
        self.0.line.present()
    }

    pub fn head(&self, conv: ConvId) -> Result<Option<Head>, DeskError> {
        Ok(self.0.store.head(conv)?)
    }

    pub fn model(&self) -> &SharedModel {
        &self.0.model
    }

    /// Which adapters there are and which serve.
    pub fn adapters(&self) -> &Adapters {
        &self.0.adapters
    }
}

impl Inner {
    /// Has a task look at what the model owes `conv`, unless one is at it, which will.
    pub(super) fn kick(&self, conv: ConvId) {
        if let Some(live) = self.lives.enter(conv) {
            // The receiver lives until the desk goes.
            let _ = self.kicks.send((conv, live));
        }
    }
}

/// What whoever said something is told of it.
fn acknowledge(committed: Committed) -> Ack {
    if let Some(seq) = committed.duplicate {
        return Ack { seq, duplicate: true };
    }
    let said = committed.events.iter().rfind(|event| matches!(event.kind, EventKind::Said { .. }));
    Ack { seq: said.map_or(committed.head.seq, |event| event.seq), duplicate: false }
}

/// Whom a message counts for.
pub(super) fn askers(shopper: Option<ShopperId>, address: Option<IpAddr>) -> Vec<Asker> {
    let shopper = shopper.map(Asker::Shopper);
    shopper.into_iter().chain(address.map(Asker::address)).collect()
}

/// Starts a task for each conversation that the model owes an answer.
async fn dispatch(desk: std::sync::Weak<Inner>, mut kicked: mpsc::UnboundedReceiver<(ConvId, Arc<Live>)>) {
    while let Some((conv, live)) = kicked.recv().await {
        let Some(inner) = desk.upgrade() else { return };
        inner.runtime.clone().spawn(turn::work(inner, conv, live));
    }
}

#[cfg(test)]
#[path = "desk_tests.rs"]
mod tests;
