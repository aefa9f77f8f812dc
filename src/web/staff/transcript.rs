//! A conversation as a file: what the shopper saw, and for JSON everything staff see.

use std::fmt::Write;

use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, web};
use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use serde::Deserialize;
use utoipa::IntoParams;

use super::conversations::readable;
use super::{Asker, ok, on_disk};
use crate::domain::{ConvId, Event, EventKind, Owner, Speaker, Status};
use crate::web::auth::Action;
use crate::web::error::{ApiError, ErrorBody};
use crate::web::state::State;
use crate::web::wire::{Viewer, WireEvent};

/// Events that are read at once.
const CHUNK: usize = 1_000;
/// Events of one file, at most.
const MAX_EVENTS: usize = 20_000;

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Format {
    Text,
    Json,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct ExportQuery {
    /// `text` (as the shopper saw it) or `json` (all events).
    #[param(value_type = Option<String>)]
    format: Option<Format>,
    /// Minutes east of UTC, for the times in the text.
    offset: Option<i32>,
}

/// The transcript as a file.
#[utoipa::path(
    get, path = "/v1/staff/conversations/{conv}/export", tag = "staff",
    params(("conv" = String, Path), ExportQuery),
    responses((status = 200, description = "A file"), (status = 404, body = ErrorBody)),
)]
pub(in crate::web) async fn export(
    request: HttpRequest,
    state: web::Data<State>,
    conv: web::Path<String>,
    query: web::Query<ExportQuery>,
) -> Result<HttpResponse, ApiError> {
    let asker = Asker::of(&request, &state, Action::Browse)?;
    let conv = readable(&asker, &state, &conv)?;
    let events = all(&state, conv, MAX_EVENTS)?;
    let (staff, entry) = (state.staff.clone(), asker.did("exported").on(&conv.to_string()));
    on_disk(move || staff.audit.note(entry)).await?;
    let (kind, name, body) = match query.format.unwrap_or(Format::Text) {
        Format::Text => {
            let playbook = state.desk.playbook();
            let profile = &playbook.shop().profile;
            let names = (profile.name.as_str(), profile.assistant.as_str());
            ("text/plain; charset=utf-8", "txt", text(&events, names, query.offset.unwrap_or(0)))
        }
        Format::Json => {
            let events: Vec<WireEvent> = events.iter().map(|e| WireEvent::of(e, Viewer::Staff)).collect();
            let body = serde_json::json!({ "conv": conv, "events": events });
            ("application/json", "json", body.to_string())
        }
    };
    Ok(ok()
        .insert_header((CONTENT_TYPE, kind))
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"conversation-{conv}.{name}\"")))
        .body(body))
}

/// The events of a conversation, from the first one on, about `most` of them.
pub(super) fn all(state: &State, conv: ConvId, most: usize) -> Result<Vec<Event>, ApiError> {
    let mut events: Vec<Event> = Vec::new();
    loop {
        let after = events.last().map_or(0, |event| event.seq);
        let more = state.desk.history(conv, after, CHUNK)?;
        let whole = more.len() < CHUNK;
        events.extend(more);
        if whole || events.len() >= most {
            return Ok(events);
        }
    }
}

/// What the shopper saw, a paragraph each. `names` are the shop's and the assistant's.
fn text(events: &[Event], names: (&str, &str), offset: i32) -> String {
    let zone = Offset::from_seconds(offset.clamp(-840, 840) * 60).map_or(TimeZone::UTC, TimeZone::fixed);
    let mut page = String::new();
    for event in events {
        let (who, said) = match &event.kind {
            EventKind::Said { by: Speaker::Shopper, text, .. } => ("Shopper", text.as_str()),
            EventKind::Said { by: Speaker::Staff(staff), text, .. } => (staff.0.as_str(), text.as_str()),
            EventKind::Reply { text, .. } if !text.is_empty() => (names.1, text.as_str()),
            EventKind::Owner { owner: Owner::Queue, .. } => (names.0, "(a person was asked for)"),
            EventKind::Owner { owner: Owner::Staff, .. } => (names.0, "(a person took over)"),
            EventKind::Status { status: Status::Resolved, .. } => (names.0, "(resolved)"),
            _ => continue,
        };
        let at = Timestamp::from_millisecond(i64::try_from(event.at).unwrap_or(0)).unwrap_or_default();
        let at = at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string();
        let _ = write!(page, "[{at}] {who}:\n{said}\n\n");
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Cmid, StaffId};

    #[test]
    fn the_text_has_what_the_shopper_saw_in_local_time() {
        let said = |by: Speaker, text: &str| EventKind::Said {
            cmid: Cmid(uuid::Uuid::nil()),
            by,
            text: text.into(),
        };
        let anna = || StaffId("anna".into());
        let kinds = [
            said(Speaker::Shopper, "Hello\nthere"),
            EventKind::Note { by: anna(), text: "SECRET".into() },
            EventKind::Owner { owner: Owner::Staff, epoch: 1, staff: Some(anna()), why: None, by: None },
            said(Speaker::Staff(anna()), "Hi"),
        ];
        let events: Vec<Event> = (1..)
            .zip(kinds)
            .map(|(seq, kind)| Event { conv: ConvId::from_bytes([1; 16]), seq, at: 1_700_000_000_000, kind })
            .collect();
        assert_eq!(
            text(&events, ("Shop", "Mia"), 60),
            "[2023-11-14 23:13] Shopper:\nHello\nthere\n\n[2023-11-14 23:13] Shop:\n(a person took over)\n\n\
             [2023-11-14 23:13] anna:\nHi\n\n"
        );
    }
}
