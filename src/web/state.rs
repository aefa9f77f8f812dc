//! What every handler shares.

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;

use super::auth::extract::ApiKey;
use super::auth::tickets::Tickets;
use super::auth::{Identities, Tokens};
use super::limits::Limits;
use super::socket::Sessions;
use super::{Parts, Settings};
use crate::chat::Desk;
use crate::clock::Clock;
use crate::hooks::Hooks;
use crate::keep::Keep;
use crate::runs::Runs;
use crate::staff::Staff;
use crate::tools::Toolbox;

pub struct State {
    pub desk: Desk,
    pub tools: Toolbox,
    pub settings: Settings,
    pub clock: Clock,
    pub staff: Staff,
    pub keep: Keep,
    pub hooks: Hooks,
    pub tickets: Tickets,
    pub tokens: Tokens,
    pub identities: Identities,
    pub api_key: Option<ApiKey>,
    pub limits: Limits,
    pub(super) sessions: Sessions,
    /// True once the server is going down: nobody new comes in.
    pub leaving: watch::Sender<bool>,
    /// True once everybody has to go. Every socket holds a receiver, so that the drain knows when the last is gone.
    pub drain: watch::Sender<bool>,
    pub metrics: Option<PrometheusHandle>,
    pub runs: Option<Runs>,
}

impl State {
    pub fn new(parts: Parts) -> Self {
        let Parts { desk, tools, staff, keep, hooks, settings, clock, secret, api_key, metrics, runs } =
            parts;
        let identities =
            Identities::new(&settings.identity_secrets, &settings.identity_audience, clock.clone());
        Self {
            desk,
            tools,
            staff,
            keep,
            hooks,
            tickets: Tickets::new(clock.clone()),
            tokens: Tokens::new(&secret, clock.clone(), settings.token_minutes, settings.renew_days),
            identities,
            api_key: api_key.as_deref().map(ApiKey::new),
            limits: Limits::new(&settings),
            leaving: watch::Sender::new(false),
            sessions: Sessions::new(settings.sockets_per_session),
            drain: watch::Sender::new(false),
            metrics,
            runs,
            clock,
            settings,
        }
    }

    pub fn is_draining(&self) -> bool {
        *self.leaving.borrow()
    }
}
