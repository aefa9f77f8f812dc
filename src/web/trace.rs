//! Around every request: one line in the log, one count, the security headers.
//!
//! The line has the route's pattern, not the path, and never a query, a header or a body.

use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::HOST;
use actix_web::middleware::Next;
use actix_web::{HttpMessage, web};

use super::address;
use super::error::ApiError;
use super::headers::{self, Page};
use super::limits::Kind;
use super::state::State;
use crate::telemetry::metric;

/// The id of a request, in its log line and in `X-Request-Id`.
#[derive(Clone, Debug)]
pub(super) struct RequestId(pub String);

/// The middleware.
pub(super) async fn around(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let started = Instant::now();
    let state =
        request.app_data::<web::Data<State>>().cloned().expect("every app has its state. This is a bug.");
    let id = RequestId(state.clock.fresh_id().simple().to_string());
    request.extensions_mut().insert(id.clone());
    let method = request.method().clone();
    let policy = policy_of(&request, &state);
    let ip = address::of(request.request(), &state.settings);
    address::warn_of_unnamed_proxy(request.request(), &state.settings);
    let mut response = match state.limits.take(Kind::Request, ip) {
        Ok(()) => match next.call(request).await {
            Ok(response) => response.map_into_boxed_body(),
            Err(fault) => return Err(fault),
        },
        Err(fault) => refuse(request, fault),
    };
    let route = response.request().match_pattern().unwrap_or_else(|| "unmatched".to_owned());
    let status = response.status().as_u16();
    let headers = response.headers_mut();
    headers::secure(headers, &policy);
    if let Ok(value) = id.0.parse() {
        headers.insert(actix_web::http::header::HeaderName::from_static("x-request-id"), value);
    }
    metrics::counter!(metric::REQUESTS, "route" => route.clone(), "status" => status.to_string())
        .increment(1);
    tracing::info!(
        method = %method, route, status, ms = started.elapsed().as_millis() as u64, request = id.0, "request"
    );
    Ok(response)
}

fn refuse(request: ServiceRequest, fault: ApiError) -> ServiceResponse {
    request.error_response(fault)
}

fn policy_of(request: &ServiceRequest, state: &State) -> String {
    let page = Page::of(request.path());
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("");
    let socket = if !state.settings.public_url.is_empty() {
        state.settings.public_url.replacen("http", "ws", 1)
    } else if host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']')) {
        format!("ws://{host} wss://{host}")
    } else {
        String::new()
    };
    let mut parents = state.settings.origins.clone();
    if page == Page::Widget {
        parents.extend(state.staff.shop.get().origins.iter().cloned());
    }
    headers::policy(page, &parents, &socket)
}
