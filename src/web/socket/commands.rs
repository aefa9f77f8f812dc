//! What a client says, turned into calls of the desk.

use std::collections::BTreeMap;

use super::End;
use super::follow::Follow;
use super::session::Socket;
use crate::chat::{DeskError, Judgement, Replay, Say};
use crate::domain::{Cmid, ConvId, Email, Page, Said, Seq, Speaker, StaffId, Tags};
use crate::web::auth::{Action, Denied, Principal, Resource, authorize};
use crate::web::error::{said, whole_seconds};
use crate::web::wire::{ClientFrame, ResumePoint, ServerFrame};

/// What is left to read after a page.
#[derive(Debug, PartialEq, Eq)]
enum Rest {
    Nothing,
    More,
}

impl Socket {
    /// Does what `frame` asks for, or says why not.
    pub(super) async fn obey(&mut self, frame: ClientFrame) -> Result<(), End> {
        if let ClientFrame::Hello { resume, epoch } = frame {
            return self.hello(resume, epoch).await;
        }
        let cmid = frame.cmid();
        let allowed = match (action_of(&frame), frame.conv()) {
            (Action::Browse, _) | (_, None) => authorize(&self.principal, Action::Browse, Resource::Shop),
            (action, Some(conv)) => self.may(action, conv),
        };
        if let Err(denied) = allowed {
            return self.deny(denied, cmid).await;
        }
        if let Principal::Shopper(shopper) = self.principal
            && self.state.desk.is_blocked(shopper)
        {
            return match frame {
                // Nobody wrote these: the widget sends them by itself.
                ClientFrame::Page { .. } | ClientFrame::Typing { .. } => Ok(()),
                _ => self.fail(&DeskError::Blocked, cmid).await,
            };
        }
        let frame = match frame {
            ClientFrame::List { .. } => return Box::pin(self.list(frame)).await,
            ClientFrame::Open { conv, seq } => return Box::pin(self.open(conv, seq)).await,
            frame => frame,
        };
        match self.call(frame).await {
            Ok(Some(answer)) => self.send(&answer).await,
            Ok(None) => Ok(()),
            Err(fault) => self.fail(&fault, cmid).await,
        }
    }

    async fn fail(&mut self, fault: &DeskError, cmid: Option<Cmid>) -> Result<(), End> {
        let frame = ServerFrame::Error {
            code: fault.code().to_owned(),
            message: said(fault),
            cmid,
            retry_after: fault.retry_after().map(whole_seconds),
        };
        self.send(&frame).await
    }

    async fn call(&mut self, frame: ClientFrame) -> Result<Option<ServerFrame>, DeskError> {
        let desk = self.state.desk.clone();
        match frame {
            // Answered above: it needs no conversation.
            ClientFrame::Hello { .. } | ClientFrame::List { .. } | ClientFrame::Open { .. } => {}
            ClientFrame::Say { conv, cmid, text, draft } => {
                let say =
                    Say { conv, cmid, by: self.speaker(), text: Said::parse(&text)?, address: Some(self.ip) };
                let ack = match draft {
                    Some(draft) => desk.say_drafted(say, Said::parse(&draft)?).await?,
                    None => desk.say(say).await?,
                };
                return Ok(Some(ServerFrame::Ack { cmid, seq: ack.seq }));
            }
            ClientFrame::Stop { conv } => desk.stop(conv),
            ClientFrame::Retry { conv } => desk.retry(conv, Some(self.ip)).await?,
            ClientFrame::Rate { conv, seq, value, comment } => {
                // An empty comment is none.
                let comment = comment.and_then(|raw| Said::parse(&raw).ok());
                desk.rate(conv, Judgement { of: seq, value, comment }, Some(self.ip)).await?;
            }
            ClientFrame::Person { conv } => desk.person(conv, Some(self.ip)).await?,
            ClientFrame::Assistant { conv } => desk.assistant(conv, Some(self.ip)).await?,
            ClientFrame::Contact { conv, email } => {
                let email = Email::parse(&email)?;
                desk.contact(conv, email.clone(), Some(self.ip)).await?;
                self.state.staff.board.touch(conv);
                return Ok(Some(ServerFrame::Contact { conv, email: email.into_string() }));
            }
            ClientFrame::Page { conv, address, title } => {
                let page = Page::parse(&address, title.as_deref(), self.state.clock.now())?;
                if desk.visits(conv, page).await? {
                    self.state.staff.board.touch(conv);
                }
            }
            ClientFrame::Typing { conv } => desk.typing(conv, self.principal.staff().cloned()),
            ClientFrame::Take { conv } => desk.take(conv, self.staff()).await?,
            ClientFrame::Assign { conv, staff, from } => self.assign(conv, staff, from).await?,
            ClientFrame::Release { conv } => desk.release(conv, self.staff()).await?,
            ClientFrame::Note { conv, text } => desk.note(conv, self.staff(), Said::parse(&text)?).await?,
            ClientFrame::Correct { conv, seq, text } => {
                desk.correct(conv, self.staff(), seq, Said::parse(&text)?).await?;
            }
            ClientFrame::Tag { conv, tags } => desk.tag(conv, self.staff(), Tags::parse(&tags)?).await?,
            ClientFrame::Resolve { conv } => desk.resolve(conv).await?,
            ClientFrame::Reopen { conv } => desk.reopen(conv).await?,
            ClientFrame::Suggest { conv } => self.suggesting = Some(desk.suggest(conv, &self.outlet)?),
            ClientFrame::Unsuggest { conv } => self.unsuggest(conv),
            ClientFrame::Close { conv } => self.close(conv),
            ClientFrame::Seen { conv, seq } => self.state.staff.board.seen(conv, seq),
        }
        Ok(None)
    }

    /// Listens first, then reads, so that nothing falls between; then says what was missed.
    async fn hello(&mut self, mut resume: Vec<ResumePoint>, epoch: Option<String>) -> Result<(), End> {
        if let Some(claims) = &self.claims
            && resume.iter().all(|point| point.conv != claims.conv)
        {
            resume.push(ResumePoint { conv: claims.conv, seq: 0 });
        }
        // Numbers of another epoch may mean other events in this store.
        let ours = self.state.desk.epoch().to_owned();
        let restored = epoch.is_some_and(|theirs| theirs != ours);
        let mut heads = BTreeMap::new();
        let mut followed = Vec::with_capacity(resume.len());
        let mut refused = None;
        for point in resume {
            if heads.contains_key(&point.conv) {
                continue;
            }
            if let Err(denied) = self.may(Action::Read, point.conv) {
                refused = Some(denied);
                continue;
            }
            match self.state.desk.attach(point.conv, &self.outlet) {
                Ok(head) => {
                    heads.insert(point.conv, head);
                    followed.push(point);
                }
                Err(fault) => {
                    self.greet();
                    self.refuse(fault.code(), fault.to_string()).await?;
                }
            }
        }
        self.greet();
        self.send(&ServerFrame::Welcome { epoch: ours, heads }).await?;
        if let Some(denied) = refused {
            self.deny(denied, None).await?;
        }
        for ResumePoint { conv, seq } in followed {
            self.start_following(conv, if restored { 0 } else { seq });
            if restored && seq > 0 {
                self.send(&ServerFrame::Reset { conv }).await?;
            }
            self.catch_up(conv).await?;
        }
        Ok(())
    }

    pub(super) fn start_following(&mut self, conv: ConvId, after: Seq) {
        match self.follow(conv) {
            Some(follow) => follow.restart(after),
            None => {
                // Most sockets follow one; a vector would make room for four.
                self.follows.reserve_exact(1);
                self.follows.push(Follow::new(conv, after));
                self.enter(conv);
            }
        }
    }

    /// Reads on from the last event the client was sent, a page at a time: a long history is never in memory whole.
    pub(super) async fn catch_up(&mut self, conv: ConvId) -> Result<(), End> {
        loop {
            let Some(last) = self.follow(conv).map(|f| f.last) else { return Ok(()) };
            let replay = match self.state.desk.subscribe(conv, last, &self.outlet) {
                Ok(replay) => replay,
                Err(fault) => return self.refuse(fault.code(), fault.to_string()).await,
            };
            if self.deliver(conv, replay).await? == Rest::Nothing {
                return Ok(());
            }
        }
    }

    async fn deliver(&mut self, conv: ConvId, replay: Replay) -> Result<Rest, End> {
        if replay.reset {
            // What comes next are the newest events, from wherever they begin.
            let before = replay.events.first().map_or(replay.head, |first| first.seq - 1);
            if let Some(follow) = self.follow(conv) {
                follow.restart(before);
            }
            self.send(&ServerFrame::Reset { conv }).await?;
        }
        for event in &replay.events {
            // A replay holds every number after the one it was asked for: a hole in it cannot be filled by asking again.
            if self.follow(conv).is_some_and(|f| event.seq > f.last + 1) {
                return Ok(Rest::Nothing);
            }
            Box::pin(self.event(event)).await?;
        }
        if replay.more {
            return Ok(Rest::More);
        }
        if let Some(partial) = &replay.partial
            && let Some(piece) = self.follow(conv).and_then(|f| f.partial(partial))
        {
            self.piece(conv, piece).await?;
        }
        if let Some(position) = replay.queued {
            self.send(&ServerFrame::Queued { conv, position }).await?;
        }
        Ok(Rest::Nothing)
    }

    fn may(&self, action: Action, conv: ConvId) -> Result<(), Denied> {
        let own = match &self.principal {
            Principal::Shopper(shopper) => self.state.desk.owns(*shopper, conv).unwrap_or(false),
            Principal::ApiKey(..) | Principal::Agent(_) | Principal::Admin(_) | Principal::Anonymous => false,
        };
        let on = if own { Resource::OwnConversation } else { Resource::OtherConversation };
        authorize(&self.principal, action, on)
    }

    async fn deny(&mut self, denied: Denied, cmid: Option<Cmid>) -> Result<(), End> {
        let frame = ServerFrame::Error {
            code: denied.code().to_owned(),
            message: denied.to_string(),
            cmid,
            retry_after: None,
        };
        self.send(&frame).await
    }

    fn speaker(&self) -> Speaker {
        self.principal.staff().map_or(Speaker::Shopper, |staff| Speaker::Staff(staff.clone()))
    }

    /// Only reached by those whom [`authorize`] let act as staff.
    fn staff(&self) -> StaffId {
        self.principal.staff().cloned().unwrap_or_else(|| StaffId(String::new()))
    }
}

/// What a frame needs the right to do.
pub(super) fn action_of(frame: &ClientFrame) -> Action {
    match frame {
        ClientFrame::Hello { .. } => Action::Read,
        ClientFrame::Say { draft: None, .. } => Action::Say,
        ClientFrame::Typing { .. } => Action::Typing,
        ClientFrame::Stop { .. } => Action::Stop,
        ClientFrame::Retry { .. }
        | ClientFrame::Rate { .. }
        | ClientFrame::Person { .. }
        | ClientFrame::Assistant { .. }
        | ClientFrame::Contact { .. }
        | ClientFrame::Page { .. } => Action::Choose,
        // Only staff have drafts.
        ClientFrame::Say { draft: Some(_), .. }
        | ClientFrame::Take { .. }
        | ClientFrame::Assign { .. }
        | ClientFrame::Release { .. }
        | ClientFrame::Note { .. }
        | ClientFrame::Correct { .. }
        | ClientFrame::Tag { .. }
        | ClientFrame::Resolve { .. }
        | ClientFrame::Reopen { .. }
        | ClientFrame::Suggest { .. }
        | ClientFrame::Unsuggest { .. }
        | ClientFrame::Seen { .. } => Action::Staff,
        ClientFrame::List { .. } | ClientFrame::Open { .. } | ClientFrame::Close { .. } => Action::Browse,
    }
}
