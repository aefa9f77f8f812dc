//! The sentiment of a customer's words, from one forward pass over the label words.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::prompt::Prompt;

use super::{Calibration, Item, Span, Text, Tool, ToolError, Toolbox, Worker, Workers, harmless};

/// The label words, in the order of [`Scores`].
pub const LABELS: [&str; 3] = ["positive", "neutral", "negative"];

/// A text without content: what the model says of it is its bent.
const EMPTY: &str = "N/A";
/// A sentence counts as evidence if the label's probability falls by this much without it.
const MOVES: f32 = 0.05;
/// A part counts as praise or blame from this probability on.
const CLEAR: f32 = 0.6;
/// At most this many sentences or parts are looked at one by one; the fields' descriptions name it.
const SENTENCES: usize = 24;

/// In the order of [`LABELS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Label {
    Positive,
    Neutral,
    Negative,
}

impl Label {
    pub const ALL: [Self; 3] = [Self::Positive, Self::Neutral, Self::Negative];
}

/// One text to judge.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SentimentItem {
    pub text: String,
    /// Also say which sentences moved the score; one more forward pass a sentence, of the first 24.
    #[serde(default)]
    pub explain: bool,
    /// Also say what is praised and what is blamed; one more forward pass a part (sentences, cut at "but" and its like), of the first 24.
    #[serde(default)]
    pub aspects: bool,
}

/// Calibrated probabilities; they sum to 1. Of the texts that get .7 for a label, seven in ten have it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct Scores {
    pub positive: f32,
    pub neutral: f32,
    pub negative: f32,
}

#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Sentiment {
    /// What is said; not always the most probable one, for a rare label would then never be said.
    pub label: Label,
    pub scores: Scores,
    /// The sentences that moved the score, the strongest first, of the first 24; empty unless asked for.
    pub evidence: Vec<Span>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aspects: Option<Aspects>,
}

/// The parts of a text that praise and that blame, in its order; what comes after the 24th part is not looked at.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Aspects {
    pub praised: Vec<Span>,
    pub blamed: Vec<Span>,
}

impl Scores {
    fn of(probabilities: &[f32]) -> Self {
        let at = |n: usize| probabilities.get(n).copied().unwrap_or(0.0);
        Self { positive: at(0), neutral: at(1), negative: at(2) }
    }

    pub fn get(&self, label: Label) -> f32 {
        match label {
            Label::Positive => self.positive,
            Label::Neutral => self.neutral,
            Label::Negative => self.negative,
        }
    }
}

impl Item for SentimentItem {
    fn check(&self, tools: &Toolbox) -> Result<(), ToolError> {
        tools.fits(&tools.0.prompts.sentiment(tools.clean(&self.text)?.shown())?)
    }
}

impl Toolbox {
    /// The sentiment of a text.
    ///
    /// # Errors
    /// [`ToolError::Item`] for an empty or too long text.
    pub async fn sentiment(&self, item: &SentimentItem) -> Result<Sentiment, ToolError> {
        let text = self.clean(&item.text)?;
        let (label, scores) = self.judge(text.shown()).await?;
        let evidence = if item.explain { self.evidence(&text, label, scores).await? } else { Vec::new() };
        let aspects = if item.aspects { Some(self.aspects(&text).await?) } else { None };
        Ok(Sentiment { label, scores, evidence, aspects })
    }

    /// Raw log-probabilities of [`LABELS`], before calibration: what a calibration is fitted to.
    pub async fn raw_sentiment(&self, text: &str) -> Result<Vec<f32>, ToolError> {
        let text = self.clean(text)?;
        self.raw(text.shown(), &self.worker(Tool::Sentiment).await).await
    }

    async fn raw(&self, shown: &str, worker: &Worker) -> Result<Vec<f32>, ToolError> {
        let labels = LABELS.map(str::to_owned);
        let messages = self.0.prompts.sentiment(shown)?;
        self.score(&Prompt { messages, adapter: worker.name(), ..Prompt::default() }, &labels).await
    }

    async fn judge(&self, shown: &str) -> Result<(Label, Scores), ToolError> {
        let worker = self.worker(Tool::Sentiment).await;
        let raw = self.raw(shown, &worker).await?;
        let calibration = self.calibration(&worker).await?;
        let probabilities = calibration.apply(&raw);
        let label = Label::ALL.get(calibration.decide(&probabilities)).copied().unwrap_or(Label::Neutral);
        Ok((label, Scores::of(&probabilities)))
    }

    /// The calibration of the model that serves: its adapter's own, else from a text without content.
    async fn calibration(&self, worker: &Worker) -> Result<Calibration, ToolError> {
        let mut known = self.0.calibration.lock().await;
        if let Some((of, calibration)) = &known.sentiment
            && *of == worker.name()
        {
            return Ok(calibration.clone());
        }
        let calibration = match self.shipped_calibration(worker)? {
            Some(calibration) => calibration,
            None => Calibration::contextual(&self.raw(EMPTY, worker).await?),
        };
        known.sentiment = Some((worker.name(), calibration.clone()));
        Ok(calibration)
    }

    /// What the worker's adapter says of itself, in its folder.
    pub(super) fn shipped_calibration(&self, worker: &Worker) -> Result<Option<Calibration>, ToolError> {
        match (worker, &self.0.workers) {
            (_, Workers::Only { calibration, .. }) => Ok(calibration.clone()),
            (Worker::Leased(lease), Workers::Serving(adapters)) => {
                let Some(id) = lease.id() else { return Ok(None) };
                Calibration::of(&adapters.registry().folder(id)?).map_err(ToolError::Calibration)
            }
            (Worker::Named(_), Workers::Serving(_)) => Ok(None),
        }
    }

    /// Leave one out: the sentences without which the label would be less likely.
    async fn evidence(&self, text: &Text, label: Label, scores: Scores) -> Result<Vec<Span>, ToolError> {
        let sentences = text.sentences();
        if sentences.len() <= 1 {
            return Ok(text.whole().into_iter().collect());
        }
        let mut moved = Vec::new();
        for (n, span) in sentences.iter().enumerate().take(SENTENCES) {
            let rest: Vec<&str> =
                sentences.iter().enumerate().filter(|(m, _)| *m != n).map(|(_, s)| text.slice(*s)).collect();
            let (_, without) = self.judge(&harmless(&rest.join(" "), &self.0.control)).await?;
            let fall = scores.get(label) - without.get(label);
            if fall >= MOVES {
                moved.push((fall, *span));
            }
        }
        moved.sort_by(|a, b| b.0.total_cmp(&a.0));
        Ok(moved.into_iter().map(|(_, span)| span).collect())
    }

    async fn aspects(&self, text: &Text) -> Result<Aspects, ToolError> {
        let mut aspects = Aspects::default();
        for span in text.clauses().into_iter().take(SENTENCES) {
            let (_, scores) = self.judge(&harmless(text.slice(span), &self.0.control)).await?;
            if scores.positive >= CLEAR {
                aspects.praised.push(span);
            } else if scores.negative >= CLEAR {
                aspects.blamed.push(span);
            }
        }
        Ok(aspects)
    }
}
