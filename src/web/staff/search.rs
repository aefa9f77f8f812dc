//! Search over everything that was said, and whom it was said with.

use std::time::Instant;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{Asker, ok, on_disk};
use crate::staff::board::{People, Row};
use crate::staff::search::{Asked, By, Hit, MAX_HITS};
use crate::web::auth::{Action, Resource};
use crate::web::error::{ApiError, ErrorBody};
use crate::web::state::State;

/// Conversations found by whom they are with, at most.
const PEOPLE: usize = 3;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct SearchQuery {
    /// Words are joined by "and"; a quoted part is a phrase; the last word may be a beginning.
    q: String,
    /// `shopper`, `staff`, `ai` or `note`.
    #[param(value_type = Option<String>)]
    by: Option<By>,
    /// Milliseconds since the Unix epoch.
    from: Option<u64>,
    to: Option<u64>,
    /// The last page's `next`.
    after: Option<usize>,
    /// At most 100; 20 if left out.
    limit: Option<usize>,
}

#[derive(Serialize, ToSchema)]
pub(in crate::web) struct Found {
    #[serde(flatten)]
    hit: Hit,
    row: Row,
}

#[derive(Serialize, ToSchema)]
pub(in crate::web) struct SearchPage {
    hits: Vec<Found>,
    /// Conversations with whom, or tagged with, what was asked for; only beside the first page of everybody's messages.
    people: Vec<Row>,
    people_total: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<usize>,
    total: usize,
    /// How long it took, in milliseconds.
    ms: u64,
    /// Conversations that wait for the index.
    behind: usize,
}

/// Finds what was said, and with whom, the newest first.
#[utoipa::path(
    get, path = "/v1/staff/search", tag = "staff", params(SearchQuery),
    responses((status = 200, body = SearchPage), (status = 400, body = ErrorBody)),
)]
pub(in crate::web) async fn search(
    request: HttpRequest,
    state: web::Data<State>,
    query: web::Query<SearchQuery>,
) -> Result<HttpResponse, ApiError> {
    let asker = Asker::of(&request, &state, Action::Browse)?;
    asker.caller.may(Action::Read, Resource::OtherConversation)?;
    let asked = query.into_inner();
    let asked = Asked {
        text: asked.q,
        by: asked.by,
        from: asked.from,
        to: asked.to,
        after: asked.after.unwrap_or(0),
        limit: asked.limit.unwrap_or(20).min(MAX_HITS),
    };
    let started = Instant::now();
    let (search, board) = (state.staff.search.clone(), state.staff.board.clone());
    let whole = asked.by.is_none() && asked.from.is_none() && asked.to.is_none() && asked.after == 0;
    let (found, people) = on_disk(move || {
        let found = search.find(&asked)?;
        let people = if whole { board.find(&asked.text, PEOPLE)? } else { People::default() };
        Ok((found, people))
    })
    .await?;
    let dressed = |hit: Hit| state.staff.board.any_row(hit.conv).map(|row| Found { hit, row });
    let hits = found.hits.into_iter().filter_map(dressed).collect();
    let ms = started.elapsed().as_millis() as u64;
    Ok(ok().json(SearchPage {
        hits,
        people: people.rows,
        people_total: people.total,
        next: found.next,
        total: found.total,
        ms,
        behind: found.behind,
    }))
}
