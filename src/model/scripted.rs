//! A model without weights: the same prompt gives the same pieces. For protocol tests and work on the pages.

mod calling;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{BoxFuture, ready};
use futures_util::stream;

use super::adapters::Bundle;
use super::stop::stop_at;
use super::{Answer, Facts, Health, Model, ModelError};
use crate::domain::prompt::{Finish, Piece, Prompt, Role, ToolCall, Usage};

/// Echoes the last user message, word by word. A message may steer it: `[[slow N]]` waits N milliseconds before each
/// word, `[[long N]]` says N words, `[[raw]]TEXT` answers TEXT alone (up to `[[end]]`, `[[br]]` for a line break), `[[fail]]`
/// fails after two words, `[[broken]]` says all and then never that it is done. With an adapter it says the adapter's name first. Asked for a label, it is surest of the one that is named most
/// often: a message "negative" has a negative mood.
///
/// Offered tools, it calls what `[[call NAME ARGUMENTS]]` says, one a round, `[[also NAME ARGUMENTS]]` in the same round as the
/// one before, `[[calls NAME ARGUMENTS]]` for ever, and says the text of `[[first TEXT]]` before it calls; then it says what
/// the tools found.
#[derive(Clone, Debug)]
pub struct Scripted {
    facts: Facts,
    adapters: Arc<Mutex<BTreeSet<String>>>,
    refused: Arc<Mutex<BTreeSet<String>>>,
    stumbles: Arc<AtomicUsize>,
}

impl Default for Scripted {
    fn default() -> Self {
        Self {
            facts: Facts {
                name: "scripted".to_owned(),
                context: 4096,
                control_tokens: vec!["<|im_start|>".to_owned(), "<|im_end|>".to_owned()],
                parallel: 4,
                small: false,
                tools: true,
            },
            adapters: Arc::default(),
            refused: Arc::default(),
            stumbles: Arc::default(),
        }
    }
}

impl Scripted {
    /// The same, counting as too small to answer freely.
    #[must_use]
    pub fn small(mut self) -> Self {
        self.facts.small = true;
        self
    }

    /// The same, with a template that knows no tools.
    #[must_use]
    pub fn without_tools(mut self) -> Self {
        self.facts.tools = false;
        self
    }

    /// From now on the adapter `name@version` cannot be loaded.
    pub fn refuse(&self, adapter: &str) {
        lock(&self.refused).insert(adapter.to_owned());
    }

    /// The next `times` that it is asked for a label it fails.
    pub fn stumble(&self, times: usize) {
        self.stumbles.store(times, Ordering::SeqCst);
    }

    /// As the real one: an adapter that is not there answers nothing.
    fn expect(&self, prompt: &Prompt) -> Result<(), ModelError> {
        match &prompt.adapter {
            Some(adapter) if !lock(&self.adapters).contains(adapter) => {
                Err(ModelError::NoAdapter(adapter.clone()))
            }
            _ => Ok(()),
        }
    }
}

fn lock(set: &Mutex<BTreeSet<String>>) -> MutexGuard<'_, BTreeSet<String>> {
    set.lock().expect("no code panics while it holds this. This is a bug.")
}

#[derive(Default)]
struct Script {
    words: Vec<String>,
    calls: Vec<ToolCall>,
    pause: Duration,
    fails: bool,
    breaks: bool,
}

impl Script {
    fn of(prompt: &Prompt) -> Self {
        let asked =
            prompt.messages.iter().rev().find(|m| m.role == Role::User).map_or("", |m| m.content.as_str());
        let pause = Duration::from_millis(argument(asked, "[[slow ").unwrap_or(0));
        if !prompt.tools.is_empty() && asked.contains("[[call") {
            return Self { pause, ..calling::script(prompt, asked) };
        }
        if let Some((_, raw)) = asked.split_once("[[raw]]") {
            let raw = raw.split("[[end]]").next().unwrap_or_default().replace("[[br]]", "\n");
            let breaks = asked.contains("[[broken]]");
            return Self { words: split(&raw), pause, breaks, ..Self::default() };
        }
        if let Some(n) = argument(asked, "[[long ") {
            let words = (1..=n).map(|i| format!("word{i} ")).collect();
            return Self { words, pause, ..Self::default() };
        }
        let name = prompt.adapter.as_ref().map(|adapter| format!("{adapter} says: ")).unwrap_or_default();
        let text = format!("{name}You asked: {asked}");
        Self { words: split(&text), pause, fails: asked.contains("[[fail]]"), ..Self::default() }
    }
}

fn argument(text: &str, name: &str) -> Option<u64> {
    let (_, rest) = text.split_once(name)?;
    rest.split_once("]]")?.0.trim().parse().ok()
}

fn split(text: &str) -> Vec<String> {
    text.split_inclusive(' ').map(str::to_owned).collect()
}

impl Model for Scripted {
    fn stream(&self, prompt: Prompt) -> Answer {
        if let Err(fault) = self.expect(&prompt) {
            return stream::iter([Err(fault)]).boxed();
        }
        let script = Script::of(&prompt);
        let limit = if prompt.max_tokens == 0 { usize::MAX } else { prompt.max_tokens };
        let finish = match script.words.len() > limit {
            true => Finish::Length,
            false if !script.calls.is_empty() => Finish::ToolCalls,
            false => Finish::Stop,
        };
        let prompt_tokens =
            prompt.messages.iter().map(|m| self.count_tokens(&m.content)).sum::<usize>() as u32;
        let said = script.words.len().min(limit);
        let mut pieces: Vec<Result<Piece, ModelError>> =
            script.words.into_iter().take(said).map(|text| Ok(Piece::Text { text, logprob: None })).collect();
        pieces.extend(script.calls.into_iter().map(|call| Ok(Piece::ToolCall(call))));
        if script.fails {
            pieces.truncate(2);
            pieces.push(Err(ModelError::Engine("scripted failure".to_owned())));
        } else if script.breaks {
            pieces.push(Err(ModelError::Incomplete));
        } else {
            pieces.push(Ok(Piece::End(Usage { prompt_tokens, completion_tokens: said as u32, finish })));
        }
        let pause = script.pause;
        let answer = stream::iter(pieces)
            .then(move |piece| async move {
                if !pause.is_zero() {
                    tokio::time::sleep(pause).await;
                }
                piece
            })
            .boxed();
        if prompt.stop.is_empty() { answer } else { stop_at(answer, prompt.stop, prompt_tokens) }
    }

    fn count_tokens(&self, text: &str) -> usize {
        text.split_whitespace().count()
    }

    fn score<'a>(
        &'a self,
        prompt: Prompt,
        labels: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<f32>, ModelError>> {
        if let Err(fault) = self.expect(&prompt) {
            return Box::pin(ready(Err(fault)));
        }
        let less = |left: usize| left.checked_sub(1);
        if self.stumbles.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok() {
            return Box::pin(ready(Err(ModelError::Engine("scripted failure".to_owned()))));
        }
        let asked = prompt.messages.last().map_or(String::new(), |m| m.content.to_lowercase());
        // A prompt names all its labels; what is named once more stands out.
        let count = |label: &String| asked.matches(&label.to_lowercase()).count() as f32;
        let hits: Vec<f32> = labels.iter().map(|label| 2.0 * count(label)).collect();
        let total = hits.iter().map(|h| h.exp()).sum::<f32>().ln();
        Box::pin(ready(Ok(hits.into_iter().map(|h| h - total).collect())))
    }

    fn warm(&self, _prompt: Prompt) -> BoxFuture<'_, Result<(), ModelError>> {
        Box::pin(ready(Ok(())))
    }

    fn install(&self, adapter: Bundle) -> BoxFuture<'_, Result<(), ModelError>> {
        let name = adapter.id.to_string();
        if lock(&self.refused).contains(&name) {
            return Box::pin(ready(Err(ModelError::Engine(format!("{name} was to be refused")))));
        }
        lock(&self.adapters).insert(name);
        Box::pin(ready(Ok(())))
    }

    fn prove<'a>(&'a self, adapter: &'a str) -> BoxFuture<'a, Result<(), ModelError>> {
        Box::pin(ready(self.expect(&Prompt { adapter: Some(adapter.to_owned()), ..Prompt::default() })))
    }

    fn retire<'a>(&'a self, adapter: &'a str) -> BoxFuture<'a, ()> {
        lock(&self.adapters).remove(adapter);
        Box::pin(ready(()))
    }

    fn variants(&self) -> Vec<String> {
        lock(&self.adapters).iter().cloned().collect()
    }

    fn health(&self) -> Health {
        Health::Ready
    }

    fn facts(&self) -> &Facts {
        &self.facts
    }
}
