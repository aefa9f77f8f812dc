//! What the model does for the staff and for programs beside talking: attributes of a product text, the sentiment of a
//! customer's words, and question-answer pairs from a source, each with its evidence in the text.
//!
//! A text goes in; spans of it come out, as offsets in Unicode characters. The form of an answer is forced by a grammar or
//! read from the probabilities of label words, so that no text can talk its way out of it. A tool uses the adapter of its
//! own name if one is installed. Knows neither shoppers nor conversations.

mod batch;
mod calibration;
mod catalogue;
mod extract;
mod grammar;
mod item;
pub mod lookup;
mod qa;
mod sentiment;
mod settings;
mod span;

use std::sync::Arc;

use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use crate::domain::prompt::{Finish, Message, Piece, Prompt};
use crate::model::adapters::{AdapterError, Adapters, Lease};
use crate::model::{Health, ModelError, SharedModel};
use crate::prompt::{PromptError, ToolPrompts};

pub use batch::{Batch, BatchError, Doer, Opened, Progress};
pub use calibration::{Calibration, FILE as CALIBRATION};
pub use catalogue::{Catalogue, CatalogueError, Enriched, Entry, Kept};
pub use extract::{Attribute, ExtractItem, Extracted, answer};
use item::brief;
pub use item::{Item, item};
pub use qa::{Pair, QaItem, QaPairs, Seen, Side, Turn};
pub use sentiment::{LABELS, Label, Scores, Sentiment, SentimentItem};
pub use settings::Settings;
use span::harmless;
pub use span::{Span, Text};

/// The tools there are; each name is also that of its adapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tool {
    Extract,
    Sentiment,
    Qa,
}

impl Tool {
    pub const ALL: [Self; 3] = [Self::Extract, Self::Sentiment, Self::Qa];

    pub fn name(self) -> &'static str {
        match self {
            Self::Extract => "extract",
            Self::Sentiment => "sentiment",
            Self::Qa => "qa",
        }
    }
}

/// Why a tool cannot answer.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    #[error("{field}: {fault}")]
    Item { field: &'static str, fault: String },
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Prompt(#[from] PromptError),
    #[error(transparent)]
    Adapter(#[from] AdapterError),
    #[error("{0}")]
    Calibration(String),
}

impl ToolError {
    fn item(field: &'static str, fault: impl Into<String>) -> Self {
        Self::Item { field, fault: fault.into() }
    }

    /// True if another item may well be answered: this one is empty, too long or wrong.
    pub fn is_of_item(&self) -> bool {
        matches!(self, Self::Item { .. } | Self::Model(ModelError::TooLong { .. } | ModelError::Invalid(_)))
    }

    /// The stable code a client sees.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Item { .. } => "bad_item",
            Self::Model(fault) => fault.code(),
            Self::Prompt(_) => "prompt_failed",
            Self::Adapter(fault) => fault.code(),
            Self::Calibration(_) => "bad_calibration",
        }
    }
}

/// How many shoppers are answered or wait for an answer now. Tools stand back while it is not 0.
pub type Busy = watch::Receiver<usize>;

/// The tools over one model.
#[derive(Clone)]
pub struct Toolbox(Arc<Inner>);

struct Inner {
    model: SharedModel,
    workers: Workers,
    prompts: Arc<ToolPrompts>,
    settings: Settings,
    control: Vec<String>,
    busy: Option<Busy>,
    calibration: tokio::sync::Mutex<calibration::Known>,
}

/// Which version of the model does the work.
#[derive(Clone)]
pub enum Workers {
    /// For each tool the adapter that serves under its name.
    Serving(Adapters),
    /// Always this one, which the model has installed, or the base: to be judged.
    Only { adapter: Option<String>, calibration: Option<Calibration> },
}

/// What a toolbox is made of.
pub struct Parts {
    pub model: SharedModel,
    pub workers: Workers,
    pub prompts: ToolPrompts,
    pub settings: Settings,
    /// `None` where no shoppers are served.
    pub busy: Option<Busy>,
}

impl Toolbox {
    pub fn new(parts: Parts) -> Self {
        let Parts { model, workers, prompts, settings, busy } = parts;
        let control = model.facts().control_tokens.clone();
        Self(Arc::new(Inner {
            model,
            workers,
            prompts: Arc::new(prompts),
            settings,
            control,
            busy,
            calibration: Default::default(),
        }))
    }

    /// The same tools, done by `workers`.
    pub fn by(&self, workers: Workers) -> Self {
        let Inner { model, prompts, settings, control, busy, .. } = self.0.as_ref();
        Self(Arc::new(Inner {
            model: model.clone(),
            workers,
            prompts: prompts.clone(),
            settings: settings.clone(),
            control: control.clone(),
            busy: busy.clone(),
            calibration: Default::default(),
        }))
    }

    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// True if an adapter does this tool's work now.
    pub async fn is_taught(&self, tool: Tool) -> bool {
        self.worker(tool).await.name().is_some()
    }

    pub fn prompts(&self) -> &ToolPrompts {
        &self.0.prompts
    }

    /// Who does `tool` now, and how: what a file of answers belongs to. `options` are those of the whole file.
    ///
    /// # Errors
    /// An adapter's calibration that cannot be read.
    pub async fn doer(&self, tool: Tool, options: &str) -> Result<Doer, ToolError> {
        let worker = self.worker(tool).await;
        let Settings { max_chars, max_attributes, max_pairs, .. } = self.0.settings;
        let limits = format!("{max_chars}/{max_attributes}/{max_pairs}");
        let calibration = match tool {
            Tool::Sentiment => self.shipped_calibration(&worker)?,
            Tool::Extract | Tool::Qa => None,
        };
        let how = serde_json::json!([self.0.prompts.fingerprint(), limits, calibration]).to_string();
        Ok(Doer {
            tool: format!("{} {options}", tool.name()).trim().to_owned(),
            model: self.0.model.facts().name.clone(),
            adapter: worker.name(),
            prompts: hex::encode(Sha256::digest(how))[..16].to_owned(),
        })
    }

    /// The text as the model may read it; an empty or too long one is refused.
    fn clean(&self, text: &str) -> Result<Text, ToolError> {
        let limit = self.0.settings.max_chars;
        if text.chars().all(char::is_whitespace) {
            return Err(ToolError::item("text", "is empty"));
        }
        if text.chars().count() > limit {
            return Err(ToolError::item(
                "text",
                format!("is {} characters long; the limit is {limit}", text.chars().count()),
            ));
        }
        Ok(Text::new(text, &self.0.control))
    }

    /// Refuses what is longer than the model takes. The engine counts its own marks too and has the last word.
    fn fits(&self, messages: &[Message]) -> Result<(), ToolError> {
        let tokens = messages.iter().map(|message| self.0.model.count_tokens(&message.content)).sum();
        let limit = self.0.model.facts().context;
        if tokens > limit { Err(ModelError::TooLong { tokens, limit }.into()) } else { Ok(()) }
    }

    /// Runs `prompt` to its end. While shoppers wait it is given up and started again afterwards: they come first.
    async fn run(&self, prompt: &Prompt) -> Result<Answer, ToolError> {
        loop {
            self.wait_for_quiet().await;
            let answer = self.collect(prompt);
            tokio::select! {
                biased;
                () = self.disturbed() => {}
                answer = answer => return answer,
            }
        }
    }

    async fn collect(&self, prompt: &Prompt) -> Result<Answer, ToolError> {
        let mut pieces = self.0.model.stream(prompt.clone());
        let mut said = Vec::new();
        while let Some(piece) = pieces.next().await {
            match piece {
                Ok(Piece::Text { text, logprob }) => {
                    said.push(Said { text, logprob: logprob.map(|l| l.logprob) })
                }
                // Nothing was offered that could be called.
                Ok(Piece::ToolCall(_)) => {}
                Ok(Piece::End(usage)) if usage.finish == Finish::Length => return Ok(Answer::Cut(said)),
                Ok(Piece::End(_)) => return Ok(Answer::Whole(said)),
                // A grammar over a strange text can lead where no token goes on, and the engine drops the answer there; it also
                // keeps back an end inside a character. That is no fault of the model. The lines before it stand.
                Err(ModelError::Incomplete) if self.0.model.health() == Health::Ready => {
                    tracing::warn!("a tool's answer broke off");
                    let line = said.iter().any(|piece| piece.text.contains('\n'));
                    return Ok(if line { Answer::Cut(said) } else { Answer::Broken });
                }
                Err(fault) => return Err(fault.into()),
            }
        }
        Err(ModelError::Incomplete.into())
    }

    /// Who does `tool` now; an adapter stays as long as this is held.
    async fn worker(&self, tool: Tool) -> Worker {
        match &self.0.workers {
            Workers::Serving(adapters) => Worker::Leased(adapters.for_tool(tool.name(), &[]).await),
            Workers::Only { adapter, .. } => Worker::Named(adapter.clone()),
        }
    }

    /// Log-probabilities of `labels`, in quiet.
    async fn score(&self, prompt: &Prompt, labels: &[String]) -> Result<Vec<f32>, ToolError> {
        loop {
            self.wait_for_quiet().await;
            let scores = self.0.model.score(prompt.clone(), labels);
            tokio::select! {
                biased;
                () = self.disturbed() => {}
                scores = scores => return Ok(scores?),
            }
        }
    }

    /// Waits until no shopper was answered for a while: a step of the model cannot be broken off, so that what is begun right
    /// after an answer makes the next question wait.
    pub async fn calm(&self) {
        let calm = std::time::Duration::from_millis(self.0.settings.calm_ms);
        loop {
            self.wait_for_quiet().await;
            tokio::select! {
                biased;
                () = self.disturbed() => {}
                () = tokio::time::sleep(calm) => return,
            }
        }
    }

    async fn wait_for_quiet(&self) {
        if let Some(mut busy) = self.0.busy.clone() {
            // The sender lives as long as the server; without one nobody waits.
            let _ = busy.wait_for(|shoppers| *shoppers == 0).await;
        }
    }

    /// Resolves when a shopper comes.
    async fn disturbed(&self) {
        match self.0.busy.clone() {
            Some(mut busy) => {
                if busy.wait_for(|shoppers| *shoppers > 0).await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
            None => std::future::pending().await,
        }
    }
}

enum Worker {
    Leased(Lease),
    Named(Option<String>),
}

impl Worker {
    /// `name@version`; `None` is the base.
    fn name(&self) -> Option<String> {
        match self {
            Self::Leased(lease) => lease.name(),
            Self::Named(name) => name.clone(),
        }
    }
}

/// What the model said, and how that ended.
enum Answer {
    Whole(Vec<Said>),
    /// The limit of tokens was reached, or it broke off after a whole line: the last line may lack its end.
    Cut(Vec<Said>),
    /// It broke off in its first line, and cannot be read.
    Broken,
}

/// A piece of the model's answer and the natural logarithm of its probability.
#[derive(Clone, Debug, PartialEq)]
struct Said {
    text: String,
    logprob: Option<f32>,
}

#[cfg(test)]
mod names {
    use super::Tool;
    use crate::domain::recipe::TOOLS;

    #[test]
    fn a_recipe_knows_the_tools_by_their_names() {
        assert_eq!(Tool::ALL.map(Tool::name), TOOLS);
    }
}
