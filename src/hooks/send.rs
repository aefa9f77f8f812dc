//! Posts what is due: one delivery at a time to each endpoint, several endpoints at once.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use reqwest::Client;
use reqwest::header::{CONTENT_TYPE, USER_AGENT};
use reqwest::redirect::Policy;
use serde::Serialize;
use serde_json::json;
use tokio::sync::Semaphore;

use super::endpoint::Endpoint;
use super::queue::Delivery;
use super::{Inner, Last, address, kind, sign};

/// Endpoints that are posted to at once.
const AT_ONCE: usize = 8;
/// The longest wait between two tries.
const LONGEST: u64 = 60 * 60 * 1000;
/// A disabled endpoint is looked at again after this many milliseconds, and whenever it is changed.
const DISABLED: u64 = 60_000;
/// The longest part of a fault that is kept, in characters.
const WORDS: usize = 200;

/// What became of a test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Tested {
    pub ok: bool,
    /// The HTTP status that was answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    pub ms: u64,
}

/// Works until the service is gone.
pub(super) async fn work(weak: Weak<Inner>) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let Some(inner) = weak.upgrade() else { return };
        let now = inner.clock.now();
        let taken = inner.queue().take(now);
        match taken {
            Ok(delivery) => {
                tokio::spawn(async move {
                    deliver(&inner, delivery).await;
                    drop(place);
                    // Its endpoint is free for the next one.
                    inner.wake.notify_one();
                });
            }
            Err(due) => {
                drop(place);
                let wait = due.map_or(DISABLED, |due| due.saturating_sub(now).clamp(1, DISABLED));
                let woken = tokio::time::timeout(Duration::from_millis(wait), inner.wake.notified()).await;
                drop(woken);
            }
        }
    }
}

async fn deliver(inner: &Inner, delivery: Delivery) {
    let id = delivery.id.as_str();
    let now = inner.clock.now();
    let Some(endpoint) = inner.endpoints.get(&delivery.hook) else {
        return settle(id, inner.queue().done(id));
    };
    if !endpoint.enabled {
        return inner.queue().later(id, now + DISABLED);
    }
    let body = match kind::body(&inner.store, id, (delivery.kind, delivery.conv, delivery.seq)) {
        Ok(Some(body)) => body,
        // Erased since: there is nothing to tell any more.
        Ok(None) => return settle(id, inner.queue().done(id)),
        Err(fault) => return settle(id, inner.queue().failed(id, &fault.to_string(), Some(now + DISABLED))),
    };
    let outcome = post(inner, &endpoint, (id, delivery.kind.name(), body)).await;
    let now = inner.clock.now();
    match &outcome {
        Ok(_) => {
            inner.last().insert(delivery.hook.clone(), Last { delivered_at: Some(now), ..Last::default() });
            settle(id, inner.queue().done(id));
        }
        Err((_, error)) => {
            let tries = delivery.tries + 1;
            tracing::warn!(hook = delivery.hook, tries, "a webhook was not delivered");
            let delivered_at = inner.last().get(&delivery.hook).and_then(|last| last.delivered_at);
            let last = Last { delivered_at, failed_at: Some(now), error: Some(error.clone()) };
            inner.last().insert(delivery.hook.clone(), last);
            let again =
                (tries < inner.settings.tries).then(|| now + wait(inner.settings.first_retry_ms, tries));
            settle(id, inner.queue().failed(id, error, again));
        }
    }
}

fn settle(id: &str, kept: Result<(), super::HooksError>) {
    if let Err(fault) = kept {
        tracing::error!(id, code = fault.code(), %fault, "what became of a webhook could not be written down");
    }
}

/// Milliseconds until the next try after `tries` of them: twice as long each time, give or take a quarter.
fn wait(first: u64, tries: u32) -> u64 {
    let plain = first.saturating_mul(1 << (tries - 1).min(30)).min(LONGEST);
    (plain as f64 * rand::random_range(0.75..1.25)) as u64
}

/// A `ping`, once and now.
pub(super) async fn ping(inner: &Inner, hook: &str, endpoint: &Endpoint) -> Tested {
    let started = Instant::now();
    let id = format!("ping.{}", inner.clock.fresh_id());
    let body = json!({ "id": id, "event": "ping", "at": inner.clock.now(), "webhook": hook }).to_string();
    let outcome = post(inner, endpoint, (&id, "ping", body)).await;
    let ms = started.elapsed().as_millis() as u64;
    match outcome {
        Ok(status) => Tested { ok: true, status: Some(status), error: None, ms },
        Err((status, error)) => Tested { ok: false, status, error: Some(error), ms },
    }
}

/// Posts one body; the status of success, or the status, if there was one, and the fault in words. The answer's body is not read.
async fn post(
    inner: &Inner,
    endpoint: &Endpoint,
    (id, event, body): (&str, &str, String),
) -> Result<u16, (Option<u16>, String)> {
    let settings = &inner.settings;
    let none = |error: String| (None, error.chars().take(WORDS).collect());
    let url = address::url(&endpoint.url, settings.allow_private).map_err(|fault| none(fault.to_string()))?;
    let patience = Duration::from_millis(settings.timeout_ms);
    let resolved = tokio::time::timeout(patience, address::resolve(&url, settings.allow_private)).await;
    let address =
        resolved.map_err(|_| none("the name was not looked up in time".to_owned()))?.map_err(none)?;
    let host = url.host_str().unwrap_or_default().to_owned();
    // A client of its own: it knows one address for one name, no proxy, and follows nobody elsewhere.
    let client = Client::builder()
        .resolve(&host, address)
        .redirect(Policy::none())
        .no_proxy()
        .https_only(!settings.allow_private)
        .timeout(patience)
        .connect_timeout(patience)
        .pool_max_idle_per_host(0)
        .build()
        .map_err(|_| none("no connection can be made".to_owned()))?;
    let signature = sign::header(&endpoint.secret, inner.clock.now() / 1000, body.as_bytes());
    let answered = client
        .post(url)
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, concat!("shopclerk/", env!("CARGO_PKG_VERSION")))
        .header(sign::HEADER, signature)
        .header("Shopclerk-Event", event)
        .header("Shopclerk-Delivery", id)
        .body(body)
        .send()
        .await
        .map_err(|fault| none(words(&fault)))?;
    let status = answered.status();
    if status.is_success() {
        return Ok(status.as_u16());
    }
    let what = if status.is_redirection() { "redirects are not followed" } else { "it answered" };
    Err((Some(status.as_u16()), format!("{what}: status {}", status.as_u16())))
}

/// A fault without the address: that may hold a secret of the receiver's.
fn words(fault: &reqwest::Error) -> String {
    let what = if fault.is_timeout() {
        "no answer in time"
    } else if fault.is_connect() {
        "no connection"
    } else {
        "the answer could not be read"
    };
    let mut cause = std::error::Error::source(fault);
    while let Some(deeper) = cause.and_then(std::error::Error::source) {
        cause = Some(deeper);
    }
    cause.map_or_else(|| what.to_owned(), |cause| format!("{what} ({cause})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_an_hour_and_are_not_all_alike() {
        for (tries, plain) in [(1, 10_000), (2, 20_000), (5, 160_000), (10, LONGEST), (99, LONGEST)] {
            let waits: Vec<u64> = (0..50).map(|_| wait(10_000, tries)).collect();
            let bounds = (plain * 3 / 4, plain * 5 / 4);
            assert!(waits.iter().all(|one| (bounds.0..=bounds.1).contains(one)), "{tries}: {waits:?}");
            assert!(waits.iter().any(|one| *one != waits[0]), "{tries}");
        }
    }
}
