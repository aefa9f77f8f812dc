//! One shopper's data: found, given out as a file, erased everywhere. For admins.

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::transcript::all;
use super::{Asker, nothing_known, ok, on_disk};
use crate::domain::ShopperId;
use crate::keep::{Found, KeepError};
use crate::web::auth::Action;
use crate::web::error::{ApiError, ErrorBody};
use crate::web::state::State;
use crate::web::wire::{Viewer, WireEvent};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct FindQuery {
    /// The e-mail address, the number in the shop's books, or the id.
    word: String,
}

#[derive(Serialize, ToSchema)]
pub(in crate::web) struct FoundList {
    /// Each with `shopper` (`id`, `name`?, `email`?, `external`?, `verified`, `created_at`) and the number of `conversations`.
    #[schema(value_type = Vec<Object>)]
    shoppers: Vec<Found>,
}

/// The shoppers of this e-mail address, customer number or id.
#[utoipa::path(
    get, path = "/v1/staff/shoppers", tag = "staff", params(FindQuery), responses((status = 200, body = FoundList)),
)]
pub(in crate::web) async fn find(
    request: HttpRequest,
    state: web::Data<State>,
    query: web::Query<FindQuery>,
) -> Result<HttpResponse, ApiError> {
    Asker::of(&request, &state, Action::Administer)?;
    let word = query.into_inner().word;
    if word.trim().is_empty() || word.len() > 320 {
        return Err(ApiError::bad_request(
            "bad_query",
            "`word` is an e-mail address, a customer number or an id",
        ));
    }
    Ok(ok().json(FoundList { shoppers: state.keep.find(&word)? }))
}

fn shopper_of(text: &str) -> Result<ShopperId, ApiError> {
    text.parse().map_err(|_| nothing_known())
}

/// Everything that is kept of a shopper, as a file: profile, conversations with notes, rows of training data.
#[utoipa::path(
    get, path = "/v1/staff/shoppers/{shopper}/export", tag = "staff", params(("shopper" = String, Path)),
    responses((status = 200, description = "A JSON file"), (status = 404, body = ErrorBody)),
)]
pub(in crate::web) async fn export(
    request: HttpRequest,
    state: web::Data<State>,
    shopper: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let asker = Asker::of(&request, &state, Action::Administer)?;
    let id = shopper_of(&shopper)?;
    let known = state.keep.known(id)?.ok_or_else(nothing_known)?;
    let mut conversations = Vec::new();
    for conv in state.keep.conversations(id)? {
        let events: Vec<WireEvent> =
            all(&state, conv, usize::MAX)?.iter().map(|event| WireEvent::of(event, Viewer::Staff)).collect();
        conversations.push(json!({ "conv": conv, "events": events }));
    }
    let keep = state.keep.clone();
    let rows = web::block(move || keep.rows_of(id)).await.map_err(|_| KeepError::Broken)??;
    let rows: Vec<Value> = rows.into_iter().map(|(run, row)| json!({ "run": run, "row": row })).collect();
    let (staff, entry) = (state.staff.clone(), asker.did("shopper_exported").on(&id.to_string()));
    on_disk(move || staff.audit.note(entry)).await?;
    let body = json!({
        "exported_at": state.clock.now(),
        "shopper": known,
        "blocked": state.staff.team.is_blocked(id),
        "conversations": conversations,
        "training_rows": rows,
    });
    let text = serde_json::to_string_pretty(&body).unwrap_or_default();
    Ok(ok()
        .insert_header((CONTENT_TYPE, "application/json"))
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"shopper-{id}.json\"")))
        .body(text))
}

#[derive(Serialize, ToSchema)]
pub(in crate::web) struct ErasedReply {
    conversations: usize,
    /// Rows removed from past runs.
    rows: u64,
    runs: Vec<String>,
    /// `name@version` of the adapters that learnt from them, now marked as tainted.
    adapters: Vec<String>,
}

/// Erases all that is kept of a shopper. There is no way back.
#[utoipa::path(
    delete, path = "/v1/staff/shoppers/{shopper}", tag = "staff", params(("shopper" = String, Path)),
    responses((status = 200, body = ErasedReply), (status = 404, body = ErrorBody), (status = 503, body = ErrorBody)),
)]
pub(in crate::web) async fn erase(
    request: HttpRequest,
    state: web::Data<State>,
    shopper: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let asker = Asker::of(&request, &state, Action::Administer)?;
    let id = shopper_of(&shopper)?;
    let erased = state.keep.erase(id, asker.did("shopper_erased").on(&id.to_string())).await?;
    // Whom nobody knows nobody has to refuse.
    super::upkeep::block(&state);
    Ok(ok().json(ErasedReply {
        conversations: erased.erasure.conversations.len(),
        rows: erased.forgotten.rows,
        runs: erased.forgotten.runs,
        adapters: erased.forgotten.adapters,
    }))
}

impl From<KeepError> for ApiError {
    fn from(fault: KeepError) -> Self {
        match fault {
            KeepError::NoSuchShopper => nothing_known(),
            KeepError::Staff(fault) => fault.into(),
            fault => {
                tracing::error!(code = fault.code(), %fault, "what is kept could not be read or erased");
                let what = "this did not work just now; the server's log says why. What was begun is finished at the next start";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, fault.code(), what)
                    .retry_in(std::time::Duration::from_secs(5))
            }
        }
    }
}
