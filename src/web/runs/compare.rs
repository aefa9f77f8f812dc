//! The same question to the base and to adapters, side by side, before anybody is served with them.

use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::chat::{DeskError, How, Trial, Tried};
use crate::domain::Said;
use crate::domain::prompt::{Message, Piece, Prompt, Role, Sampling};
use crate::model::ModelError;
use crate::model::adapters::{AdapterId, Lease};
use crate::web::auth::extract::Caller;
use crate::web::auth::{Action, Resource};
use crate::web::error::{ApiError, ErrorBody};
use crate::web::shopper;
use crate::web::state::State;

/// The name of the model without an adapter.
const BASE: &str = "base";
const MOST_VARIANTS: usize = 4;
const MOST_MESSAGES: usize = 64;
const TOKENS: usize = 160;
const MOST_TOKENS: usize = 512;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CompareRequest {
    /// What a shopper asks, put to the model as in a chat: with the shop's instructions and facts, and on the terms on which that
    /// variant may answer. Or give `messages`.
    #[serde(default)]
    prompt: Option<String>,
    /// A whole prompt, put to the model as it is.
    #[serde(default)]
    messages: Vec<CompareMessage>,
    /// One to four of `base` and `name@version`.
    variants: Vec<String>,
    /// As in a chat if absent (160 for `messages`), at most 512.
    #[serde(default)]
    max_tokens: Option<usize>,
    /// As in a chat if absent (0, the likeliest words, for `messages`).
    #[serde(default)]
    temperature: Option<f64>,
    #[serde(default)]
    seed: Option<u64>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CompareMessage {
    /// `system`, `user` or `assistant`.
    #[schema(value_type = String)]
    role: Role,
    content: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CompareReply {
    /// In the order of the variants.
    answers: Vec<CompareAnswer>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CompareAnswer {
    variant: String,
    text: String,
    /// `model`: its own words; `sentences`: the shop's, from which it chose; `shop`: said without the model.
    #[schema(value_type = String)]
    how: How,
    prompt_tokens: u32,
    completion_tokens: u32,
    /// Milliseconds it took, waiting included.
    ms: u64,
}

/// Asks each variant the same, one after the other, in the shoppers' line.
#[utoipa::path(
    post, path = "/v1/staff/compare", tag = "training", security(("bearer" = [])), request_body = CompareRequest,
    responses(
        (status = 200, body = CompareReply),
        (status = 400, description = "`bad_compare`, `adapter_name`, `prompt_too_long`", body = ErrorBody),
        (status = 404, description = "`adapter_missing`", body = ErrorBody),
        (status = 409, description = "`adapter_damaged`, `adapter_other_base`", body = ErrorBody),
        (status = 503, description = "Too many are waiting", body = ErrorBody),
    ),
)]
pub(super) async fn compare(
    request: HttpRequest,
    state: web::Data<State>,
    body: Result<web::Bytes, actix_web::Error>,
) -> Result<HttpResponse, ApiError> {
    Caller::of(&request, &state)?.may(Action::Train, Resource::Shop)?;
    let asked: CompareRequest = shopper::parse(&shopper::body(body)?)?;
    let (asked, variants) = asked.check()?;
    let mut answers = Vec::with_capacity(variants.len());
    for variant in variants {
        answers.push(answer(&state, variant, asked.clone()).await?);
    }
    Ok(HttpResponse::Ok().json(CompareReply { answers }))
}

/// What is put to every variant.
#[derive(Clone)]
enum Put {
    Question(Said, Trial),
    Whole(Box<Prompt>),
}

impl CompareRequest {
    fn check(self) -> Result<(Put, Vec<String>), ApiError> {
        let wrong = |what: &str| Err(ApiError::bad_request("bad_compare", what));
        if !(1..=MOST_VARIANTS).contains(&self.variants.len()) {
            return wrong("`variants`: name 1 to 4 of `base` and `name@version`");
        }
        if self.temperature.is_some_and(|t| !(0.0..=2.0).contains(&t)) {
            return wrong("`temperature`: use 0 to 2");
        }
        if self.max_tokens.is_some_and(|most| !(1..=MOST_TOKENS).contains(&most)) {
            return wrong("`max_tokens`: use 1 to 512");
        }
        let seed = self.seed.unwrap_or(0);
        let put = match (self.prompt, self.messages) {
            (Some(question), messages) if messages.is_empty() => {
                let trial = Trial { seed, max_tokens: self.max_tokens, temperature: self.temperature };
                Put::Question(Said::parse(&question).map_err(DeskError::from)?, trial)
            }
            (None, messages) if (1..=MOST_MESSAGES).contains(&messages.len()) => {
                Put::Whole(Box::new(Prompt {
                    messages: messages.into_iter().map(|m| Message::new(m.role, m.content)).collect(),
                    sampling: Sampling {
                        temperature: Some(self.temperature.unwrap_or(0.0)),
                        ..Sampling::default()
                    },
                    max_tokens: self.max_tokens.unwrap_or(TOKENS),
                    seed,
                    ..Prompt::default()
                }))
            }
            _ => return wrong("give either `prompt` or 1 to 64 `messages`"),
        };
        Ok((put, self.variants))
    }
}

async fn answer(state: &State, variant: String, put: Put) -> Result<CompareAnswer, ApiError> {
    let began = state.clock.now();
    let lease = if variant == BASE {
        Lease::base()
    } else {
        let id: AdapterId = variant.parse()?;
        state.desk.adapters().for_trial(&id).await?
    };
    let tried = match put {
        Put::Question(question, trial) => state.desk.try_out(&question, lease, trial).await?,
        Put::Whole(prompt) => whole(state, *prompt, lease).await?,
    };
    let Tried { text, how, prompt_tokens, completion_tokens } = tried;
    let ms = state.clock.now().saturating_sub(began);
    Ok(CompareAnswer { variant, text, how, prompt_tokens, completion_tokens, ms })
}

async fn whole(state: &State, prompt: Prompt, lease: Lease) -> Result<Tried, DeskError> {
    let mut completion = state.desk.complete_as(prompt, lease, None).await?;
    let mut text = String::new();
    let usage = loop {
        match completion.answer.next().await {
            Some(Ok(Piece::Text { text: piece, .. })) => text.push_str(&piece),
            Some(Ok(Piece::ToolCall(_))) => {}
            Some(Ok(Piece::End(usage))) => break usage,
            Some(Err(fault)) => return Err(fault.into()),
            None => return Err(ModelError::Incomplete.into()),
        }
    };
    let (prompt_tokens, completion_tokens) = (usage.prompt_tokens, usage.completion_tokens);
    Ok(Tried { text, how: How::Model, prompt_tokens, completion_tokens })
}
