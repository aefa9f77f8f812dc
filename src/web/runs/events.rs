//! A run as server-sent events: `run` when its state changes, `step` for every step. Ends when the run does.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use utoipa::IntoParams;

use super::look::WireRun;
use super::{admit, aside};
use crate::domain::run::{Run, StepLog};
use crate::runs::{RunEvent, Runs};
use crate::web::error::{ApiError, ErrorBody};
use crate::web::state::State;

/// A proxy closes a connection on which nothing is said for a minute.
const BEAT: Duration = Duration::from_secs(15);

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsQuery {
    /// Steps after this one are sent at once; all if absent. A reconnecting browser says it in `Last-Event-ID`.
    after: Option<usize>,
}

/// What happens to a run, as it happens: first its state and the steps so far, then changes.
#[utoipa::path(
    get, path = "/v1/staff/runs/{id}/events", tag = "training", security(("bearer" = [])),
    params(("id" = String, Path), EventsQuery),
    responses(
        (status = 200, description = "`text/event-stream`; events `run` and `step`, the id of a step is its number"),
        (status = 404, description = "`run_unknown`", body = ErrorBody),
    ),
)]
pub(super) async fn events(
    request: HttpRequest,
    state: web::Data<State>,
    id: web::Path<String>,
    query: web::Query<EventsQuery>,
) -> Result<HttpResponse, ApiError> {
    let (_, runs) = admit(&request, &state)?;
    let last = request.headers().get("Last-Event-ID").and_then(|v| v.to_str().ok()?.parse().ok());
    let mut feed = Feed {
        events: runs.listen(),
        runs,
        id: id.into_inner(),
        last: last.or(query.after),
        sent: BTreeMap::new(),
        waiting: VecDeque::new(),
        over: false,
        drain: state.drain.subscribe(),
    };
    feed.catch_up().await?;
    let body = stream::unfold(feed, |mut feed| async { Some((feed.next().await?, feed)) });
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream; charset=utf-8")
        .insert_header(("Cache-Control", "no-store"))
        // Neither we nor a proxy may hold events back.
        .insert_header(("Content-Encoding", "identity"))
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(body.map(Ok::<_, actix_web::Error>)))
}

struct Feed {
    runs: Runs,
    id: String,
    events: broadcast::Receiver<RunEvent>,
    /// The newest step that was sent.
    last: Option<usize>,
    /// What was sent of each step: one that is on the disk may be announced as well.
    sent: BTreeMap<usize, StepLog>,
    waiting: VecDeque<Bytes>,
    over: bool,
    drain: watch::Receiver<bool>,
}

impl Feed {
    /// The state and the steps as they are on the disk.
    async fn catch_up(&mut self) -> Result<(), ApiError> {
        let (runs, id, after) = (self.runs.clone(), self.id.clone(), self.last);
        let (run, steps) = aside(move || Ok((runs.get(&id)?, runs.folder(&id)?.steps(after)?))).await?;
        for log in steps {
            self.step(&log);
        }
        self.run(run);
        Ok(())
    }

    fn run(&mut self, run: Run) {
        self.over = run.state.is_over();
        self.waiting.push_back(event("run", None, &WireRun::from(run)));
    }

    fn step(&mut self, log: &StepLog) {
        self.last = Some(log.step);
        if self.sent.insert(log.step, log.clone()).as_ref() != Some(log) {
            self.waiting.push_back(event("step", Some(log.step), log));
        }
    }

    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(bytes) = self.waiting.pop_front() {
                return Some(bytes);
            }
            if self.over {
                return None;
            }
            let draining = async { drop(self.drain.wait_for(|on| *on).await) };
            let heard = tokio::select! {
                heard = self.events.recv() => heard,
                () = draining => return None,
                () = tokio::time::sleep(BEAT) => return Some(Bytes::from_static(b": still here\n\n")),
            };
            match heard {
                Ok(RunEvent::Changed { run }) if run.id == self.id => self.run(run),
                Ok(RunEvent::Step { id, log }) if id == self.id => self.step(&log),
                Ok(_) => {}
                // Too slow to hear everything: the files know.
                Err(RecvError::Lagged(_)) => self.catch_up().await.ok()?,
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

fn event(name: &str, id: Option<usize>, data: &impl Serialize) -> Bytes {
    let data = serde_json::to_string(data).expect("plain data becomes JSON. This is a bug.");
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    format!("event: {name}\n{id}data: {data}\n\n").into()
}
