//! The API document at `/openapi.json`.

use actix_web::HttpResponse;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::staff::{
    admin, backup, conversations, door, numbers, own, privacy, search, shop, team, tools as on_messages,
    transcript, webhooks,
};
use super::{health, openai, runs, shopper, tools};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Shopclerk",
        description = "Customer-service chat for online shops. The WebSocket at `/v1/ws` is described in docs/protocol.md.",
        license(name = "MIT OR Apache-2.0")
    ),
    paths(
        shopper::session,
        shopper::look,
        shopper::history,
        door::door,
        door::check,
        door::set_up,
        door::accept,
        door::login,
        door::logout,
        own::me,
        own::password,
        own::begin_totp,
        own::confirm_totp,
        own::end_totp,
        own::sessions,
        own::end_sessions,
        own::ticket,
        admin::agents,
        admin::invite,
        admin::edit,
        admin::remove,
        admin::reset,
        admin::keys,
        admin::make_key,
        admin::drop_key,
        admin::audit,
        conversations::list,
        conversations::one,
        conversations::events,
        transcript::export,
        on_messages::call,
        on_messages::summarize,
        conversations::block,
        conversations::unblock,
        privacy::find,
        privacy::export,
        privacy::erase,
        shop::shop,
        shop::set_shop,
        shop::preview,
        backup::backup,
        webhooks::webhooks,
        webhooks::add,
        webhooks::change,
        webhooks::remove,
        webhooks::secret,
        webhooks::test,
        webhooks::retry,
        conversations::gathered,
        search::search,
        numbers::numbers,
        numbers::file,
        team::settings,
        team::set_settings,
        team::canned,
        team::add_canned,
        team::change_canned,
        team::drop_canned,
        openai::completions,
        openai::models,
        tools::extract,
        tools::sentiment,
        tools::qa,
        health::healthz,
        health::readyz,
        health::metrics
    ),
    modifiers(&Bearer)
)]
struct Document;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        document.components.get_or_insert_default().add_security_scheme("bearer", scheme);
    }
}

/// `GET /openapi.json`.
pub(super) async fn document() -> HttpResponse {
    let mut document = Document::openapi();
    document.merge(runs::Document::openapi());
    HttpResponse::Ok().json(document)
}
