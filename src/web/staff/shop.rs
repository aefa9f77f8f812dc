//! What the owner sets in place of the files: the look of the widget, who may open a chat, how long conversations are kept, and
//! the shop's words, which are in the next prompt.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Asker, Body, json, ok, on_disk};
use crate::domain::ShopWords;
use crate::prompt::Playbook;
use crate::staff::{ShopSettings, StaffError};
use crate::web::auth::Action;
use crate::web::error::{ApiError, ErrorBody};
use crate::web::state::State;

#[derive(Serialize, ToSchema)]
pub(in crate::web) struct ShopView {
    /// What is set here.
    set: ShopSettings,
    /// What the files say where nothing is set.
    files: FilesSay,
}

#[derive(Serialize, ToSchema)]
struct FilesSay {
    /// `store.retention_days`; 0 is for ever.
    retention_days: u64,
    /// `web.origins`: they are allowed besides those set here.
    origins: Vec<String>,
    color: String,
    title: String,
    greeting: BTreeMap<String, String>,
    suggestions: BTreeMap<String, Vec<String>>,
    /// All of it set.
    words: ShopWords,
}

fn view(state: &State, set: ShopSettings) -> ShopView {
    let playbook = state.desk.playbook();
    let profile = &playbook.files().profile;
    let words = ShopWords {
        name: profile.name.clone(),
        assistant: profile.assistant.clone(),
        about: profile.about.clone(),
        tone: profile.tone.clone(),
        language: profile.language.clone(),
        email: profile.email.clone(),
        facts: Some(profile.facts.clone()),
    };
    let files = FilesSay {
        retention_days: state.keep.configured_days(),
        origins: state.settings.origins.clone(),
        color: profile.look.color.clone(),
        title: profile.assistant.clone(),
        greeting: profile.look.greeting.clone(),
        suggestions: profile.look.suggestions.clone(),
        words,
    };
    ShopView { set, files }
}

/// What is set, and what the files say.
#[utoipa::path(get, path = "/v1/staff/shop", tag = "staff", responses((status = 200, body = ShopView)))]
pub(in crate::web) async fn shop(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    Asker::of(&request, &state, Action::Browse)?;
    Ok(ok().json(view(&state, (*state.staff.shop.get()).clone())))
}

/// Sets all of it; it is in force at once.
#[utoipa::path(
    put, path = "/v1/staff/shop", tag = "staff", request_body = ShopSettings,
    responses((status = 200, body = ShopView), (status = 400, body = ErrorBody)),
)]
pub(in crate::web) async fn set_shop(
    request: HttpRequest,
    state: web::Data<State>,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    let asker = Asker::of(&request, &state, Action::Administer)?;
    let wanted: ShopSettings = json::<ShopSettings>(body)?.checked()?;
    let playbook = worded(&state, &wanted.words)?;
    let (staff, entry) = (state.staff.clone(), asker.did("shop_changed"));
    let (before, kept) = on_disk(move || {
        let before = staff.shop.get();
        let kept = staff.shop.set(&wanted)?;
        staff.audit.note(entry.detail(&changed(&before, &kept)))?;
        Ok((before, kept))
    })
    .await?;
    if before.words != kept.words {
        state.desk.put_in_force(playbook);
        // Shoppers are not kept waiting for it, and nobody for them: the answer does not tell of it.
        let desk = state.desk.clone();
        actix_web::rt::spawn(async move {
            if let Err(fault) = desk.warm().await {
                tracing::warn!(code = fault.code(), %fault, "the shop's new words could not be warmed up");
            }
        });
    }
    Ok(ok().json(view(&state, kept)))
}

/// The playbook with the owner's words, if a prompt has room for them.
fn worded(state: &State, words: &ShopWords) -> Result<Playbook, ApiError> {
    let fault = |what: String| ApiError::from(StaffError::BadShop(what));
    let playbook = state.desk.worded(words).map_err(|wrong| fault(wrong.to_string()))?;
    let (tokens, room) = state.desk.room_for(playbook.system());
    if tokens > room {
        return Err(fault(format!(
            "the shop's words would be {tokens} tokens of every prompt, at most {room} fit: leave some facts out"
        )));
    }
    Ok(playbook)
}

#[derive(Serialize, ToSchema)]
pub(in crate::web) struct Begins {
    /// What every prompt would begin with.
    system: String,
    tokens: usize,
    /// How many tokens fit.
    room: usize,
}

/// What the model would be told with these words; nothing is kept.
#[utoipa::path(
    post, path = "/v1/staff/shop/preview", tag = "staff", request_body = ShopWords,
    responses((status = 200, body = Begins), (status = 400, body = ErrorBody)),
)]
pub(in crate::web) async fn preview(
    request: HttpRequest,
    state: web::Data<State>,
    body: Body,
) -> Result<HttpResponse, ApiError> {
    Asker::of(&request, &state, Action::Administer)?;
    let words = json::<ShopWords>(body)?.checked().map_err(StaffError::BadShop)?;
    let playbook = state.desk.worded(&words).map_err(|fault| StaffError::BadShop(fault.to_string()))?;
    let (tokens, room) = state.desk.room_for(playbook.system());
    Ok(ok().json(Begins { system: playbook.system().to_owned(), tokens, room }))
}

/// Which parts are other than before, in words.
fn changed(before: &ShopSettings, now: &ShopSettings) -> String {
    let mut parts = Vec::new();
    if before.look != now.look {
        parts.push("look".to_owned());
    }
    if before.words != now.words {
        parts.push("words".to_owned());
    }
    if before.origins != now.origins {
        parts.push(format!("origins {}", now.origins.join(" ")));
    }
    if before.retention_days != now.retention_days {
        parts.push(match now.retention_days {
            Some(days) => format!("retention {days} days"),
            None => "retention as configured".to_owned(),
        });
    }
    parts.join(", ")
}
