//! Every address of the server, in one table: what is not here is a 404.

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, ResponseError, web};

use super::auth::Action;
use super::error::ApiError;
use super::{assets, health, openai, openapi, runs, shopper, socket, staff, tools};

/// A route: method, pattern, and the right it needs. The test matrix is made from it.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    pub method: &'static str,
    pub path: &'static str,
    pub action: Action,
}

const fn route(method: &'static str, path: &'static str, action: Action) -> Route {
    Route { method, path, action }
}

/// The table.
pub const ROUTES: &[Route] = &[
    route("GET", "/v1/ws", Action::Connect),
    route("POST", "/v1/shopper/session", Action::Public),
    route("GET", "/v1/shopper/look", Action::Public),
    route("GET", "/v1/shopper/history", Action::Read),
    route("POST", "/v1/chat/completions", Action::Complete),
    route("GET", "/v1/models", Action::Complete),
    route("POST", "/v1/tools/extract", Action::Tools),
    route("POST", "/v1/tools/sentiment", Action::Tools),
    route("POST", "/v1/tools/qa", Action::Tools),
    route("GET", "/v1/staff/runs", Action::Train),
    route("POST", "/v1/staff/runs", Action::Train),
    route("POST", "/v1/staff/runs/preview", Action::Train),
    route("GET", "/v1/staff/runs/{id}", Action::Train),
    route("GET", "/v1/staff/runs/{id}/metrics", Action::Train),
    route("GET", "/v1/staff/runs/{id}/log", Action::Train),
    route("GET", "/v1/staff/runs/{id}/rows", Action::Train),
    route("GET", "/v1/staff/runs/{id}/events", Action::Train),
    route("GET", "/v1/staff/runs/{id}/artefacts/{file}", Action::Train),
    route("POST", "/v1/staff/runs/{id}/cancel", Action::Train),
    route("POST", "/v1/staff/runs/{id}/pause", Action::Train),
    route("POST", "/v1/staff/runs/{id}/resume", Action::Train),
    route("GET", "/v1/staff/adapters", Action::Train),
    route("POST", "/v1/staff/adapters/{name}/promote", Action::Promote),
    route("POST", "/v1/staff/adapters/{name}/rollback", Action::Promote),
    // Behind those whose last part is a word.
    route("GET", "/v1/staff/adapters/{name}/{version}", Action::Train),
    route("DELETE", "/v1/staff/adapters/{name}/{version}", Action::Promote),
    route("POST", "/v1/staff/compare", Action::Train),
    route("GET", "/v1/staff/door", Action::Public),
    route("POST", "/v1/staff/invite/check", Action::Public),
    route("POST", "/v1/staff/setup", Action::Public),
    route("POST", "/v1/staff/invite", Action::Public),
    route("POST", "/v1/staff/login", Action::Public),
    route("POST", "/v1/staff/logout", Action::Account),
    route("GET", "/v1/staff/me", Action::Account),
    route("POST", "/v1/staff/password", Action::Account),
    route("POST", "/v1/staff/totp", Action::Account),
    route("PUT", "/v1/staff/totp", Action::Account),
    route("DELETE", "/v1/staff/totp", Action::Account),
    route("GET", "/v1/staff/sessions", Action::Account),
    route("DELETE", "/v1/staff/sessions", Action::Account),
    route("POST", "/v1/staff/ticket", Action::Account),
    route("GET", "/v1/staff/agents", Action::Browse),
    route("POST", "/v1/staff/agents", Action::Administer),
    route("PATCH", "/v1/staff/agents/{name}", Action::Administer),
    route("DELETE", "/v1/staff/agents/{name}", Action::Administer),
    route("POST", "/v1/staff/agents/{name}/reset", Action::Administer),
    route("GET", "/v1/staff/keys", Action::Administer),
    route("POST", "/v1/staff/keys", Action::Administer),
    route("DELETE", "/v1/staff/keys/{id}", Action::Administer),
    route("GET", "/v1/staff/audit", Action::Administer),
    route("GET", "/v1/staff/conversations", Action::Browse),
    route("GET", "/v1/staff/conversations/{conv}", Action::Browse),
    route("GET", "/v1/staff/conversations/{conv}/events", Action::Browse),
    route("GET", "/v1/staff/conversations/{conv}/export", Action::Browse),
    route("POST", "/v1/staff/conversations/{conv}/tools", Action::Arrange),
    route("POST", "/v1/staff/conversations/{conv}/summary", Action::Arrange),
    route("POST", "/v1/staff/shoppers/{shopper}/block", Action::Arrange),
    route("DELETE", "/v1/staff/shoppers/{shopper}/block", Action::Arrange),
    route("GET", "/v1/staff/shoppers", Action::Administer),
    route("GET", "/v1/staff/shoppers/{shopper}/export", Action::Administer),
    route("DELETE", "/v1/staff/shoppers/{shopper}", Action::Administer),
    route("GET", "/v1/staff/backup", Action::Administer),
    route("GET", "/v1/staff/webhooks", Action::Administer),
    route("POST", "/v1/staff/webhooks", Action::Administer),
    route("PUT", "/v1/staff/webhooks/{id}", Action::Administer),
    route("DELETE", "/v1/staff/webhooks/{id}", Action::Administer),
    route("POST", "/v1/staff/webhooks/{id}/secret", Action::Administer),
    route("POST", "/v1/staff/webhooks/{id}/test", Action::Administer),
    route("POST", "/v1/staff/webhooks/{id}/retry", Action::Administer),
    route("GET", "/v1/staff/shop", Action::Browse),
    route("PUT", "/v1/staff/shop", Action::Administer),
    route("POST", "/v1/staff/shop/preview", Action::Administer),
    route("GET", "/v1/staff/gathered", Action::Browse),
    route("GET", "/v1/staff/search", Action::Browse),
    route("GET", "/v1/staff/numbers", Action::Browse),
    route("GET", "/v1/staff/numbers.csv", Action::Browse),
    route("GET", "/v1/staff/settings", Action::Browse),
    route("PUT", "/v1/staff/settings", Action::Administer),
    route("GET", "/v1/staff/canned", Action::Browse),
    route("POST", "/v1/staff/canned", Action::Arrange),
    route("PUT", "/v1/staff/canned/{id}", Action::Arrange),
    route("DELETE", "/v1/staff/canned/{id}", Action::Arrange),
    route("GET", "/openapi.json", Action::Public),
    route("GET", "/healthz", Action::Public),
    route("GET", "/readyz", Action::Public),
    route("GET", "/metrics", Action::Metrics),
    route("GET", "/", Action::Public),
    route("GET", "/widget.js", Action::Public),
    route("GET", "/widget/{file:.*}", Action::Public),
    route("GET", "/demo/{file:.*}", Action::Public),
    route("GET", "/dashboard/{file:.*}", Action::Public),
];

/// The longest body of a request, in bytes; completions may be longer.
const BODY: usize = 16 * 1024;
const COMPLETION_BODY: usize = 256 * 1024;
/// Many texts at once.
const TOOL_BODY: usize = 2 * 1024 * 1024;

/// Puts every route of the table in place.
pub fn configure(app: &mut web::ServiceConfig) {
    app.app_data(web::PayloadConfig::new(BODY));
    app.app_data(web::QueryConfig::default().error_handler(|_, _| {
        ApiError::bad_request("bad_query", "a parameter is missing, unknown or malformed").into()
    }));
    let mut done = Vec::new();
    for entry in ROUTES {
        if !done.contains(&entry.path) {
            done.push(entry.path);
            let resource = web::resource(entry.path).default_service(web::route().to(wrong_method));
            // All methods of a path belong to one resource: the first that has the path gets the request.
            let methods = ROUTES.iter().filter(|other| other.path == entry.path);
            app.service(methods.fold(resource, handle));
        }
    }
    app.default_service(web::route().to(nothing));
}

fn handle(resource: actix_web::Resource, entry: &Route) -> actix_web::Resource {
    match (entry.method, entry.path) {
        ("GET", "/v1/ws") => resource.route(web::get().to(socket::open)),
        ("POST", "/v1/shopper/session") => resource.route(web::post().to(shopper::session)),
        ("GET", "/v1/shopper/look") => resource.route(web::get().to(shopper::look)),
        ("GET", "/v1/shopper/history") => resource.route(web::get().to(shopper::history)),
        ("POST", "/v1/chat/completions") => resource
            .app_data(web::PayloadConfig::new(COMPLETION_BODY))
            .route(web::post().to(openai::completions)),
        ("GET", "/v1/models") => resource.route(web::get().to(openai::models)),
        ("POST", "/v1/tools/extract") => tool(resource, web::post().to(tools::extract)),
        ("POST", "/v1/tools/sentiment") => tool(resource, web::post().to(tools::sentiment)),
        ("POST", "/v1/tools/qa") => tool(resource, web::post().to(tools::qa)),
        (_, path) if runs::owns(path) => runs::attach(resource, entry),
        ("GET", "/openapi.json") => resource.route(web::get().to(openapi::document)),
        ("GET", "/healthz") => resource.route(web::get().to(health::healthz)),
        ("GET", "/readyz") => resource.route(web::get().to(health::readyz)),
        ("GET", "/metrics") => resource.route(web::get().to(health::metrics)),
        ("GET", "/") => resource.route(web::get().to(assets::root)),
        ("GET", path) if is_page(path) => {
            resource.route(web::get().to(assets::page)).route(web::head().to(assets::page))
        }
        (_, path) if path.starts_with("/v1/staff/") => staff::handle(resource, entry),
        (method, path) => unreachable!("{method} {path} has no handler. This is a bug."),
    }
}

fn tool(resource: actix_web::Resource, route: actix_web::Route) -> actix_web::Resource {
    resource.app_data(web::PayloadConfig::new(TOOL_BODY)).route(route)
}

async fn nothing() -> Result<&'static str, ApiError> {
    Err(assets::not_found())
}

/// A file of the widget, the demo shop or the dashboard.
fn is_page(path: &str) -> bool {
    matches!(path, "/widget.js" | "/widget/{file:.*}" | "/demo/{file:.*}" | "/dashboard/{file:.*}")
}

/// 405, with what is possible in `Allow`, as RFC 9110 (15.5.6) asks.
async fn wrong_method(request: HttpRequest) -> HttpResponse {
    let fault = ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        format!("{} is not possible here", request.method()),
    );
    let mut response = fault.error_response();
    if let Ok(methods) = HeaderValue::from_str(&methods_at(&request.match_pattern().unwrap_or_default())) {
        response.headers_mut().insert(ALLOW, methods);
    }
    response
}

fn methods_at(path: &str) -> String {
    let listed = ROUTES.iter().filter(|entry| entry.path == path).map(|entry| entry.method);
    listed.chain(is_page(path).then_some("HEAD")).collect::<Vec<_>>().join(", ")
}
