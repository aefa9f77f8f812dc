//! What goes wrong over HTTP: `{"error":{"code","message"}}` with the right status, and `Retry-After` where waiting helps.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::chat::DeskError;
use crate::staff::StaffError;

/// An error a client meets. `code` is stable, `message` is for people and never quotes what somebody wrote.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ApiError {
    pub status: StatusCode,
    pub code: &'static str,
    pub message: String,
    pub retry_after: Option<Duration>,
}

/// The body of an error.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ErrorBody {
    pub error: ErrorDetail,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ErrorDetail {
    /// Stable, snake_case.
    pub code: String,
    pub message: String,
}

impl ApiError {
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after: None }
    }

    pub fn retry_in(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    pub fn bad_request(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub fn unauthorized(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, message)
    }

    pub fn forbidden(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, message)
    }

    pub fn rate_limited(after: Duration) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", "too many requests from this address")
            .retry_in(after)
    }

    pub fn draining() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "draining", "the server is restarting; try again shortly")
            .retry_in(Duration::from_secs(5))
    }

    /// Whole seconds, rounded up, at least 1.
    pub fn retry_seconds(&self) -> Option<u64> {
        self.retry_after.map(whole_seconds)
    }
}

/// Whole seconds, rounded up, at least 1: what `Retry-After` can say.
pub(super) fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs_f64().ceil().max(1.0) as u64
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        if let Some(seconds) = self.retry_seconds() {
            response.insert_header((RETRY_AFTER, seconds.to_string()));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.insert_header(("WWW-Authenticate", "Bearer"));
        }
        response.json(ErrorBody {
            error: ErrorDetail { code: self.code.to_owned(), message: self.message.clone() },
        })
    }
}

/// A fault of the desk in words for whoever asked. Where the store is, and what its settings are, is for the log alone.
pub(super) fn said(fault: &DeskError) -> String {
    if !matches!(fault, DeskError::Store(_)) {
        return fault.to_string();
    }
    tracing::error!(code = fault.code(), %fault, "the store did not take it");
    "this could not be kept just now; please try again in a moment".to_owned()
}

impl From<DeskError> for ApiError {
    fn from(fault: DeskError) -> Self {
        let status = match &fault {
            DeskError::Refused(refusal) => match refusal {
                crate::domain::Refusal::Unknown
                | crate::domain::Refusal::NoSuchMessage
                | crate::domain::Refusal::NoSuchColleague => StatusCode::NOT_FOUND,
                crate::domain::Refusal::Exists
                | crate::domain::Refusal::NotOwner
                | crate::domain::Refusal::NothingToDo => StatusCode::CONFLICT,
            },
            DeskError::RateLimited { .. } | DeskError::AllowanceUsed { .. } => StatusCode::TOO_MANY_REQUESTS,
            DeskError::Busy { .. } | DeskError::Draining | DeskError::Store(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            DeskError::Text(_) | DeskError::Tags(_) | DeskError::Email(_) | DeskError::Page(_) => {
                StatusCode::BAD_REQUEST
            }
            DeskError::Blocked => StatusCode::FORBIDDEN,
            DeskError::Model(fault) => match fault {
                crate::model::ModelError::TooLong { .. } | crate::model::ModelError::Invalid(_) => {
                    StatusCode::BAD_REQUEST
                }
                crate::model::ModelError::Incomplete
                | crate::model::ModelError::NoAdapter(_)
                | crate::model::ModelError::Engine(_) => StatusCode::BAD_GATEWAY,
            },
        };
        let message = said(&fault);
        let waits = matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS);
        Self {
            status,
            code: fault.code(),
            message,
            retry_after: fault.retry_after().or(waits.then_some(Duration::from_secs(5))),
        }
    }
}

impl From<StaffError> for ApiError {
    fn from(fault: StaffError) -> Self {
        let status = match &fault {
            StaffError::BadName
            | StaffError::BadDisplay
            | StaffError::BadPassword
            | StaffError::BadKey
            | StaffError::BadCanned
            | StaffError::BadSettings
            | StaffError::BadShop(_)
            | StaffError::BadQuery
            | StaffError::BadSpan => StatusCode::BAD_REQUEST,
            StaffError::LinkInvalid
            | StaffError::NoSuchAccount
            | StaffError::NoSuchKey
            | StaffError::NoSuchCanned => StatusCode::NOT_FOUND,
            StaffError::NameTaken
            | StaffError::LastAdmin
            | StaffError::TotpNotBegun
            | StaffError::ShortcutTaken
            | StaffError::TooMany { .. } => StatusCode::CONFLICT,
            StaffError::LoginFailed
            | StaffError::PasswordWrong
            | StaffError::CodeRequired
            | StaffError::CodeWrong => StatusCode::UNAUTHORIZED,
            StaffError::Busy
            | StaffError::Search(_)
            | StaffError::Io { .. }
            | StaffError::Damaged { .. }
            | StaffError::Newer { .. }
            | StaffError::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        if status == StatusCode::SERVICE_UNAVAILABLE {
            // The file and the fix are for the log: a page need not know where the data is.
            tracing::error!(code = fault.code(), %fault, "the staff's side failed");
            return Self::new(status, fault.code(), "this did not work just now; the server's log says why")
                .retry_in(Duration::from_secs(5));
        }
        Self::new(status, fault.code(), fault.to_string())
    }
}
