//! What the owner sets in place of the files: the look of the widget, who may open a chat, how long conversations are kept.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Asker, Body, json, ok, on_disk};
use crate::staff::ShopSettings;
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
}

fn view(state: &State, set: ShopSettings) -> ShopView {
    let profile = &state.desk.shop().profile;
    let files = FilesSay {
        retention_days: state.keep.configured_days(),
        origins: state.settings.origins.clone(),
        color: profile.look.color.clone(),
        title: profile.assistant.clone(),
        greeting: profile.look.greeting.clone(),
        suggestions: profile.look.suggestions.clone(),
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
    let wanted: ShopSettings = json(body)?;
    let (staff, entry) = (state.staff.clone(), asker.did("shop_changed"));
    let kept = on_disk(move || {
        let before = staff.shop.get();
        let kept = staff.shop.set(&wanted)?;
        staff.audit.note(entry.detail(&changed(&before, &kept)))?;
        Ok(kept)
    })
    .await?;
    Ok(ok().json(view(&state, kept)))
}

/// Which parts are other than before, in words.
fn changed(before: &ShopSettings, now: &ShopSettings) -> String {
    let mut parts = Vec::new();
    if before.look != now.look {
        parts.push("look".to_owned());
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
