//! Errors in the shape OpenAI's clients parse.

use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use actix_web::{HttpResponse, ResponseError};
use serde_json::{Value, json};

use crate::web::error::ApiError;

/// An [`ApiError`] that is answered as `{"error":{"message","type","param","code"}}`.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct OpenAiError(#[from] pub ApiError);

impl OpenAiError {
    /// A parameter that is wrong.
    pub(crate) fn parameter(message: impl Into<String>) -> Self {
        Self(ApiError::bad_request("invalid_request", message))
    }

    /// The body, also used inside a stream.
    pub(crate) fn body(&self) -> Value {
        let kind = match self.0.status {
            StatusCode::UNAUTHORIZED => "authentication_error",
            StatusCode::FORBIDDEN => "permission_error",
            StatusCode::NOT_FOUND => "not_found_error",
            StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
            status if status.is_client_error() => "invalid_request_error",
            _ => "server_error",
        };
        json!({"error": {"message": self.0.message, "type": kind, "param": null, "code": self.0.code}})
    }
}

impl ResponseError for OpenAiError {
    fn status_code(&self) -> StatusCode {
        self.0.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.0.status);
        if let Some(seconds) = self.0.retry_seconds() {
            response.insert_header((RETRY_AFTER, seconds.to_string()));
        }
        response.json(self.body())
    }
}
