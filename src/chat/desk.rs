//! The desk: everything anybody may do to a conversation, and how to listen to one.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, RwLock};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::admission::Admission;
use super::guard::Guard;
use super::handoff::HandOffs;
use super::hub::{Hub, Notice};
use super::limits::{Limits, Who as Asker};
use super::live::Lives;
use super::mood;
use super::summary;
use super::{DeskError, Settings, turn};
use crate::clock::Clock;
use crate::domain::prompt::Prompt;
use crate::domain::{
    Cmid, Command, ConvId, Cut, EventKind, Head, Opening, Reason, Refusal, Said, Seq, ShopperId, Speaker,
    StaffId, Thumb,
};
use crate::model::adapters::Adapters;
use crate::model::{Health, SharedModel};
use crate::prompt::{Orders, Playbook, Shop};
use crate::store::{Committed, Store, StoreHealth};

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

/// Whether shoppers can be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readiness {
    pub model: bool,
    pub store: bool,
    pub draining: bool,
}

/// See the module.
#[derive(Clone)]
pub struct Desk(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) store: Store,
    pub(super) model: SharedModel,
    pub(super) adapters: Adapters,
    pub(super) playbook: Playbook,
    pub(super) settings: Settings,
    pub(super) clock: Clock,
    pub(super) hub: Hub,
    pub(super) lives: Lives,
    pub(super) line: Admission,
    pub(super) limits: Limits,
    pub(super) guard: Guard,
    /// Where the open question of a conversation came from, for the limits.
    pub(super) addresses: Mutex<HashMap<ConvId, IpAddr>>,
    /// Held while what is known of a shopper changes; which one its id says.
    pub(super) profiles: [tokio::sync::Mutex<()>; 32],
    /// Where shoppers' messages go whose mood is read.
    pub(super) mood: OnceLock<mood::Feed>,
    /// Where conversations go that are summed up for a person.
    pub(super) summaries: OnceLock<summary::Feed>,
    /// What brings a person besides being asked for one.
    pub(super) rules: RwLock<Arc<HandOffs>>,
    pub(super) runtime: Handle,
    warm: AtomicBool,
    pub(super) draining: AtomicBool,
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
            line: Admission::new(parallel, settings.queue),
            limits: Limits::new(&settings, clock.clone()),
            hub: Hub::default(),
            lives: Lives::default(),
            warm: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            addresses: Mutex::default(),
            profiles: Default::default(),
            mood: OnceLock::new(),
            summaries: OnceLock::new(),
            rules: RwLock::default(),
            store,
            model,
            adapters,
            playbook,
            settings,
            clock,
            guard,
            runtime,
        }));
        for conv in owed {
            // The receiver lives until the desk goes.
            let _ = kicks.send(conv);
        }
        desk.listen(kicks);
        desk.0.runtime.spawn(dispatch(Arc::downgrade(&desk.0), kicked));
        Ok(desk)
    }

    /// The store's writer tells of every commit, in order, once it is on the disk: listeners hear it, and the model
    /// goes to work on what it owes. No caller that goes away in the meantime can undo that.
    fn listen(&self, kicks: mpsc::UnboundedSender<ConvId>) {
        let weak = Arc::downgrade(&self.0);
        self.0.store.listen(Box::new(move |committed: &Committed| {
            let Some(inner) = weak.upgrade() else { return };
            // Before anybody hears of a new owner: a take-over between the decision to answer and the first word would
            // else be followed by that answer.
            if let Some(event) = committed.events.first()
                && let Some(live) = inner.lives.get(event.conv)
            {
                live.raise(committed.head.epoch);
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
                let _ = kicks.send(event.conv);
            }
        }));
    }

    /// Runs the part that all prompts share, so that the first shopper does not pay for it.
    pub async fn warm(&self) -> Result<(), DeskError> {
        let messages = self.0.playbook.prefix();
        let prompt = Prompt { messages, max_tokens: 1, ..Prompt::default() };
        self.0.model.warm(prompt).await?;
        self.0.warm.store(true, Ordering::Release);
        Ok(())
    }

    pub fn ready(&self) -> Readiness {
        Readiness {
            model: self.0.warm.load(Ordering::Acquire) && self.0.model.health() == Health::Ready,
            store: self.0.store.health() == StoreHealth::Writable,
            draining: self.0.draining.load(Ordering::Acquire),
        }
    }

    /// The shopper's newest conversation, or a new one.
    pub async fn open(&self, shopper: ShopperId) -> Result<ConvId, DeskError> {
        if let Some(conv) = self.0.store.conversations_of(shopper)?.last() {
            return Ok(*conv);
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
    /// has no effect.
    pub async fn say(&self, say: Say) -> Result<Ack, DeskError> {
        if self.0.draining.load(Ordering::Acquire) {
            return Err(DeskError::Draining);
        }
        let head = if say.by == Speaker::Shopper { Some(self.admit(&say)?) } else { None };
        if let (Some(address), Ok(mut map)) = (say.address, self.0.addresses.lock()) {
            map.insert(say.conv, address);
        }
        let text = self.stripped(&say.text)?;
        if let Some(head) = head
            && let Some(why) = self.rule(&head, say.conv, &text)?
        {
            let cut = self.silence(say.conv);
            return self.put(say.conv, Command::SayAndHandOff { cmid: say.cmid, text, why, cut }).await;
        }
        self.put(say.conv, Command::Say { cmid: say.cmid, by: say.by, text }).await
    }

    pub(super) async fn put(&self, conv: ConvId, command: Command) -> Result<Ack, DeskError> {
        let committed = self.0.store.commit(conv, command).await?;
        if let Some(seq) = committed.duplicate {
            return Ok(Ack { seq, duplicate: true });
        }
        let said = committed.events.iter().rfind(|event| matches!(event.kind, EventKind::Said { .. }));
        Ok(Ack { seq: said.map_or(committed.head.seq, |event| event.seq), duplicate: false })
    }

    /// `text` without the model's control tokens.
    pub(super) fn stripped(&self, text: &Said) -> Result<Said, DeskError> {
        Ok(Said::parse(&self.0.guard.strip(text.as_str()))?)
    }

    /// The conversation, if its shopper may write now.
    fn admit(&self, say: &Say) -> Result<Head, DeskError> {
        let Some(head) = self.0.store.head(say.conv)? else {
            return Err(Refusal::Unknown.into());
        };
        self.0.limits.admit(&askers(head.shopper, say.address))?;
        if head.owner == crate::domain::Owner::Ai && !self.0.line.has_room() {
            return Err(DeskError::Busy { retry_after: Duration::from_secs(10) });
        }
        Ok(head)
    }

    /// Ends the answer being made, or the wait for it. What was shown is kept.
    pub fn stop(&self, conv: ConvId) {
        if let Some(live) = self.0.lives.get(conv) {
            live.press_stop();
        }
    }

    /// Makes the last answer again, if it was cut short.
    pub async fn retry(&self, conv: ConvId) -> Result<(), DeskError> {
        self.run(conv, Command::Retry).await
    }

    /// The shopper asks for a person: the model falls silent.
    pub async fn person(&self, conv: ConvId) -> Result<(), DeskError> {
        self.hand_off(conv, Reason::Asked).await
    }

    /// The shopper, still waiting for a person, goes back to the model.
    pub async fn assistant(&self, conv: ConvId) -> Result<(), DeskError> {
        self.run(conv, Command::Assistant).await
    }

    pub async fn rate(
        &self,
        conv: ConvId,
        of: Seq,
        value: Thumb,
        comment: Option<Said>,
    ) -> Result<(), DeskError> {
        let comment = comment.map(Said::into_string);
        self.run(conv, Command::Rate { of, value, comment }).await?;
        self.count_rating(conv, of, value);
        Ok(())
    }

    /// A member of staff takes over: when this returns, nothing more of the model's answer reaches anybody.
    pub async fn take(&self, conv: ConvId, by: StaffId) -> Result<(), DeskError> {
        let cut = self.silence(conv);
        self.run(conv, Command::Take { by, cut }).await
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

    pub async fn resolve(&self, conv: ConvId) -> Result<(), DeskError> {
        self.silence(conv);
        self.run(conv, Command::Resolve).await
    }

    pub(super) fn silence(&self, conv: ConvId) -> Option<Cut> {
        let live = self.0.lives.get(conv)?;
        let cut = live.silence();
        live.stop.notify_one();
        cut
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

    pub fn shop(&self) -> &Shop {
        self.0.playbook.shop()
    }

    /// The shop's orders; who may see which is for the caller to say.
    pub fn orders(&self) -> &Orders {
        self.0.playbook.orders()
    }

    pub fn model(&self) -> &SharedModel {
        &self.0.model
    }

    /// Which adapters there are and which serve.
    pub fn adapters(&self) -> &Adapters {
        &self.0.adapters
    }

    /// Takes no new messages, and waits at most `patience` for the answers being made. What is unfinished then is
    /// finished after the next start.
    pub async fn drain(&self, patience: Duration) {
        self.0.draining.store(true, Ordering::Release);
        let quiet = async {
            while self.0.lives.len() > 0 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let _ = tokio::time::timeout(patience, quiet).await;
    }
}

/// Whom a message counts for.
pub(super) fn askers(shopper: Option<ShopperId>, address: Option<IpAddr>) -> Vec<Asker> {
    let shopper = shopper.map(Asker::Shopper);
    shopper.into_iter().chain(address.map(Asker::address)).collect()
}

/// Starts a task for each conversation that the model owes an answer, unless one is at it.
async fn dispatch(desk: std::sync::Weak<Inner>, mut kicked: mpsc::UnboundedReceiver<ConvId>) {
    while let Some(conv) = kicked.recv().await {
        let Some(inner) = desk.upgrade() else { return };
        if let Some(live) = inner.lives.enter(conv) {
            inner.runtime.clone().spawn(turn::work(inner, conv, live));
        }
    }
}
