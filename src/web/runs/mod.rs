//! Fine-tuning over HTTP: submit a run, watch it, stop it, fetch what it made; choose which adapter serves.
//!
//! Every handler asks `auth::authorize` for [`Action::Train`] or [`Action::Promote`], and then [`Runs`] or the desk's adapters;
//! slow work is done off the web's threads. Decides nothing about a run.

mod act;
mod adapters;
mod compare;
mod events;
mod look;
mod rows;
mod submit;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use tokio::sync::broadcast::error::RecvError;
use utoipa::OpenApi;

use super::auth::Action;
use super::error::ApiError;
use super::routes::Route;
use super::staff::{Asker, note};
use super::state::State;
use crate::runs::{RunEvent, Runs, RunsError};
use crate::staff::Entry;

/// The longest recipe, in bytes.
const BODY: usize = 256 * 1024;

/// The documents of these routes.
#[derive(OpenApi)]
#[openapi(paths(
    submit::submit,
    submit::preview,
    look::list,
    look::one,
    look::metrics,
    look::log,
    rows::rows,
    look::artefact,
    act::cancel,
    act::pause,
    act::resume,
    events::events,
    adapters::list,
    adapters::show,
    adapters::promote,
    adapters::roll_back,
    adapters::remove,
    compare::compare
))]
pub(super) struct Document;

/// True for the paths of this room.
pub(super) fn owns(path: &str) -> bool {
    ["/v1/staff/runs", "/v1/staff/adapters", "/v1/staff/compare"].iter().any(|own| path.starts_with(own))
}

/// Puts one route of the table in place.
pub(super) fn attach(resource: actix_web::Resource, entry: &Route) -> actix_web::Resource {
    let resource = resource.app_data(web::PayloadConfig::new(BODY));
    match (entry.method, entry.path.trim_start_matches("/v1/staff/runs")) {
        ("GET", "/v1/staff/adapters") => resource.route(web::get().to(adapters::list)),
        ("GET", "/v1/staff/adapters/{name}/{version}") => resource.route(web::get().to(adapters::show)),
        ("DELETE", "/v1/staff/adapters/{name}/{version}") => {
            resource.route(web::delete().to(adapters::remove))
        }
        ("POST", "/v1/staff/adapters/{name}/promote") => resource.route(web::post().to(adapters::promote)),
        ("POST", "/v1/staff/adapters/{name}/rollback") => resource.route(web::post().to(adapters::roll_back)),
        ("POST", "/v1/staff/compare") => resource.route(web::post().to(compare::compare)),
        ("GET", "") => resource.route(web::get().to(look::list)),
        ("POST", "") => resource.route(web::post().to(submit::submit)),
        ("POST", "/preview") => resource.route(web::post().to(submit::preview)),
        ("GET", "/{id}") => resource.route(web::get().to(look::one)),
        ("GET", "/{id}/metrics") => resource.route(web::get().to(look::metrics)),
        ("GET", "/{id}/log") => resource.route(web::get().to(look::log)),
        ("GET", "/{id}/rows") => resource.route(web::get().to(rows::rows)),
        ("GET", "/{id}/events") => resource.route(web::get().to(events::events)),
        ("GET", "/{id}/artefacts/{file}") => resource.route(web::get().to(look::artefact)),
        ("POST", "/{id}/cancel") => resource.route(web::post().to(act::cancel)),
        ("POST", "/{id}/pause") => resource.route(web::post().to(act::pause)),
        ("POST", "/{id}/resume") => resource.route(web::post().to(act::resume)),
        (method, path) => unreachable!("{method} {path} has no handler. This is a bug."),
    }
}

/// Who trains, and the service; the answer to everybody else is an error.
fn admit(request: &HttpRequest, state: &State) -> Result<(Asker, Runs), ApiError> {
    let asker = Asker::of(request, state, Action::Train)?;
    let runs = state.runs.clone().ok_or_else(|| {
        ApiError::new(StatusCode::NOT_FOUND, "no_runs", "this server was started without training")
    })?;
    Ok((asker, runs))
}

/// Writes down what runs publish by themselves, for whom; until the server goes down.
pub(super) async fn chronicle(state: web::Data<State>) {
    let Some(runs) = state.runs.clone() else { return };
    let (mut heard, mut drain) = (runs.listen(), state.drain.subscribe());
    loop {
        let event = tokio::select! {
            event = heard.recv() => event,
            _ = drain.wait_for(|on| *on) => return,
        };
        let run = match event {
            Ok(RunEvent::Changed { run }) => run,
            Ok(RunEvent::Step { .. }) | Err(RecvError::Lagged(_)) => continue,
            Err(RecvError::Closed) => return,
        };
        let Some(published) = &run.published else { continue };
        let entry = Entry::new(&run.by, "adapter_published").on(published).detail(&run.id);
        if let Err(fault) = note(&state, entry).await {
            tracing::error!(run = run.id, code = fault.code, "the audit log misses what a run published");
        }
    }
}

/// Off the web's threads: it reads and writes files.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RunsError> + Send + 'static,
) -> Result<T, ApiError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|fault| ApiError::from(RunsError::Io(std::io::Error::other(fault))))?.map_err(ApiError::from)
}

impl From<RunsError> for ApiError {
    fn from(fault: RunsError) -> Self {
        let status = match &fault {
            RunsError::Unknown => StatusCode::NOT_FOUND,
            RunsError::Recipe(_) | RunsError::Base(_) | RunsError::Rows(_) => StatusCode::BAD_REQUEST,
            RunsError::State { .. }
            | RunsError::Foreign
            | RunsError::Memory { .. }
            | RunsError::Judging { .. }
            | RunsError::Full { .. } => StatusCode::CONFLICT,
            RunsError::Draining => return Self::draining(),
            RunsError::Io(_) | RunsError::Damaged { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, fault.code(), fault.to_string())
    }
}
