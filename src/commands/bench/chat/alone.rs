//! The engine without a server around it.

use std::time::Instant;

use anyhow::Context;
use futures_util::StreamExt;
use uuid::Uuid;

use super::{LONG, ROUNDS, median, small_talk};
use crate::chat::Guard;
use crate::commands::serve::load_engine;
use crate::config::Config;
use crate::domain::prompt::{Piece, Prompt, Sampling};
use crate::domain::{Cmid, ConvId, Event, EventKind, Speaker};
use crate::model::SharedModel;
use crate::model::library::ModelFolder;
use crate::prompt::{Budget, Playbook};

pub(super) struct Alone {
    pub(super) model: SharedModel,
    /// Seconds to the first piece, median.
    pub(super) first: f64,
    /// Tokens per second after the first, median.
    pub(super) rate: f64,
    pub(super) new_tokens: usize,
    pub(super) shared_tokens: usize,
}

pub(super) async fn measure(folder: &ModelFolder, config: &Config) -> anyhow::Result<Alone> {
    let model = load_engine(folder, config).await?;
    let guard = Guard::new(&model.facts().control_tokens);
    let playbook = Playbook::load(&config.shop, &|text| guard.strip(text))?;
    model.warm(Prompt { messages: playbook.prefix(), max_tokens: 1, ..Prompt::default() }).await?;
    let shared_tokens = model.count_tokens(&playbook.prefix()[0].content);
    let new_tokens = model.count_tokens(&small_talk(0));
    let mut firsts = Vec::new();
    let mut rates = Vec::new();
    for n in 0..ROUNDS {
        let (first, rate) = answer(&model, prompt(&playbook, &model, config, &small_talk(n))).await?;
        firsts.push(first);
        rates.push(rate);
    }
    Ok(Alone { model, first: median(&firsts), rate: median(&rates), new_tokens, shared_tokens })
}

/// The same prompt that the server makes of a conversation with this one message.
fn prompt(playbook: &Playbook, model: &SharedModel, config: &Config, text: &str) -> Prompt {
    let kind = EventKind::Said { cmid: Cmid(Uuid::nil()), by: Speaker::Shopper, text: text.to_owned() };
    let event = Event { conv: ConvId(Uuid::nil()), seq: 2, at: 0, kind };
    let budget = Budget { tokens: config.chat.prompt_tokens, exchanges: usize::MAX };
    Prompt {
        messages: playbook.render(&[event], budget, &|text| model.count_tokens(text)),
        sampling: Sampling { temperature: Some(0.8), ..config.chat.sampling.clone() },
        max_tokens: LONG,
        seed: 7,
        ..Prompt::default()
    }
}

/// Seconds to the first piece, and tokens per second after it.
async fn answer(model: &SharedModel, prompt: Prompt) -> anyhow::Result<(f64, f64)> {
    let started = Instant::now();
    let mut answer = model.stream(prompt);
    let mut first = None;
    let mut tokens = 0;
    while let Some(piece) = answer.next().await {
        match piece? {
            Piece::Text { .. } => {
                first.get_or_insert(started.elapsed());
                tokens += 1;
            }
            Piece::ToolCall(_) => {}
            Piece::End(_) => break,
        }
    }
    let first = first.context("the model said nothing")?;
    let after = (started.elapsed() - first).as_secs_f64();
    Ok((first.as_secs_f64(), f64::from(tokens - 1) / after.max(1e-9)))
}
