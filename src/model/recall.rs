//! Answers that were given before.
//!
//! A greedy answer follows from its prompt alone, and shoppers ask the same things all day: what was answered once is told
//! again without the model. It also goes round a fault: mistralrs 0.8.1 takes nothing from its prefix cache where that holds the
//! whole prompt, so that the second asking of a question took six times as long as the first.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard};

use futures_util::future::BoxFuture;
use futures_util::{StreamExt, stream};
use lru::LruCache;
use sha2::{Digest, Sha256};

use super::adapters::Bundle;
use super::{Answer, Facts, Health, Model, ModelError, Opening, Passage, SharedModel};
use crate::domain::prompt::{Piece, Prompt};

/// An answer of more pieces is not kept: each takes about a hundred bytes.
const LONGEST: usize = 512;

/// A model that tells again what it has answered.
pub struct Recall {
    model: SharedModel,
    kept: Kept,
}

type Key = [u8; 32];
type Kept = Arc<Mutex<Store>>;

struct Store {
    answers: LruCache<Key, Arc<[Piece]>>,
    scores: LruCache<Key, Vec<f32>>,
    /// Rises when all is forgotten, so that what was under way then is not kept.
    age: u64,
}

impl Recall {
    /// `model`, with the newest `answers` kept; the model itself if that is 0.
    pub fn over(model: SharedModel, answers: usize) -> SharedModel {
        let Some(answers) = NonZeroUsize::new(answers) else { return model };
        let store = Store { answers: LruCache::new(answers), scores: LruCache::new(answers), age: 0 };
        Arc::new(Self { model, kept: Arc::new(Mutex::new(store)) })
    }
}

fn lock(kept: &Kept) -> MutexGuard<'_, Store> {
    kept.lock().expect("no code panics while it holds this. This is a bug.")
}

/// What a prompt's answer depends on; `None` if that is more than the prompt.
fn key(prompt: &Prompt) -> Option<Key> {
    let greedy = prompt.sampling.temperature.is_none_or(|t| t <= 0.0);
    let plain = Prompt { seed: 0, ..prompt.clone() };
    (greedy && prompt.logprobs == 0).then(|| Sha256::digest(format!("{plain:?}")).into())
}

/// `answer`, which is kept under `key` if it comes to its end.
fn keeping(answer: Answer, kept: Kept, key: Key) -> Answer {
    let age = lock(&kept).age;
    let mut pieces = Vec::new();
    let heard = answer.inspect(move |piece| {
        let Ok(piece) = piece else { return pieces.clear() };
        if pieces.len() < LONGEST {
            pieces.push(piece.clone());
        }
        let mut kept = lock(&kept);
        if kept.age == age && pieces.len() < LONGEST && matches!(piece, Piece::End(_)) {
            kept.answers.put(key, pieces.as_slice().into());
        }
    });
    heard.boxed()
}

impl Model for Recall {
    fn stream(&self, prompt: Prompt) -> Answer {
        let Some(key) = key(&prompt) else { return self.model.stream(prompt) };
        let known = lock(&self.kept).answers.get(&key).cloned();
        match known {
            Some(pieces) => stream::iter((0..pieces.len()).map(move |n| Ok(pieces[n].clone()))).boxed(),
            None => keeping(self.model.stream(prompt), self.kept.clone(), key),
        }
    }

    fn score<'a>(
        &'a self,
        prompt: Prompt,
        labels: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<f32>, ModelError>> {
        Box::pin(async move {
            let asked = format!("{:?}{:?}{labels:?}", prompt.messages, prompt.adapter);
            let key: Key = Sha256::digest(asked).into();
            let age = {
                let mut kept = lock(&self.kept);
                if let Some(scores) = kept.scores.get(&key) {
                    return Ok(scores.clone());
                }
                kept.age
            };
            let scores = self.model.score(prompt, labels).await?;
            let mut kept = lock(&self.kept);
            if kept.age == age {
                kept.scores.put(key, scores.clone());
            }
            Ok(scores)
        })
    }

    fn install(&self, adapter: Bundle) -> BoxFuture<'_, Result<(), ModelError>> {
        // A folder may have been put in the place of another of the same name.
        self.forget();
        self.model.install(adapter)
    }

    fn forget(&self) {
        let mut kept = lock(&self.kept);
        kept.answers.clear();
        kept.scores.clear();
        kept.age += 1;
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.model.count_tokens(text)
    }

    fn warm(&self, prompt: Prompt) -> BoxFuture<'_, Result<(), ModelError>> {
        self.model.warm(prompt)
    }

    fn prove<'a>(&'a self, adapter: &'a str) -> BoxFuture<'a, Result<(), ModelError>> {
        self.model.prove(adapter)
    }

    fn retire<'a>(&'a self, adapter: &'a str) -> BoxFuture<'a, ()> {
        self.model.retire(adapter)
    }

    fn variants(&self) -> Vec<String> {
        self.model.variants()
    }

    fn log_likelihood(&self, passage: Passage) -> BoxFuture<'_, Result<Vec<f32>, ModelError>> {
        self.model.log_likelihood(passage)
    }

    fn go_on(&self, opening: Opening) -> BoxFuture<'_, Result<String, ModelError>> {
        self.model.go_on(opening)
    }

    fn health(&self) -> Health {
        self.model.health()
    }

    fn facts(&self) -> &Facts {
        self.model.facts()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use futures_util::TryStreamExt;

    use super::*;
    use crate::domain::prompt::{Message, Role, Sampling};
    use crate::model::Scripted;

    const PAUSE: Duration = Duration::from_millis(100);

    fn prompt(text: &str) -> Prompt {
        Prompt { messages: vec![Message::new(Role::User, text)], max_tokens: 100, ..Prompt::default() }
    }

    /// What was said, and whether the model said it: that takes a moment.
    async fn told(model: &SharedModel, prompt: Prompt) -> (Vec<Piece>, bool) {
        let asked = Instant::now();
        let pieces = model.stream(prompt).try_collect().await.expect("an answer");
        (pieces, asked.elapsed() >= PAUSE)
    }

    #[tokio::test]
    async fn what_was_answered_is_told_again() {
        let model = Recall::over(Arc::new(Scripted::default()), 2);
        let asked = || prompt("[[slow 100]] Hello there");
        let (first, made) = told(&model, asked()).await;
        assert!(made && matches!(first.last(), Some(Piece::End(_))));
        assert_eq!(told(&model, asked()).await, (first.clone(), false));
        // The seed decides nothing where nothing is drawn; the length does.
        assert_eq!(told(&model, Prompt { seed: 9, ..asked() }).await, (first.clone(), false));
        assert!(told(&model, Prompt { max_tokens: 3, ..asked() }).await.1);
        let warm = Sampling { temperature: Some(0.8), ..Sampling::default() };
        for _ in 0..2 {
            assert!(
                told(&model, Prompt { sampling: warm.clone(), ..asked() }).await.1,
                "it would be drawn anew"
            );
        }
        // The oldest is forgotten.
        assert!(!told(&model, asked()).await.1);
        for n in 0..2 {
            assert!(told(&model, prompt(&format!("[[slow 100]] number {n}"))).await.1);
        }
        assert!(told(&model, asked()).await.1);
    }

    #[tokio::test]
    async fn half_an_answer_and_a_failed_one_are_not_kept() {
        let model = Recall::over(Arc::new(Scripted::default()), 9);
        let asked = || prompt("[[slow 100]] Hello there");
        model.stream(asked()).next().await;
        assert!(told(&model, asked()).await.1);
        let fails = || prompt("[[fail]] please");
        for _ in 0..2 {
            assert!(model.stream(fails()).try_collect::<Vec<_>>().await.is_err());
        }
    }

    /// Neither what was kept nor what is being said meanwhile.
    #[tokio::test]
    async fn what_is_forgotten_is_made_anew() {
        let model = Recall::over(Arc::new(Scripted::default()), 9);
        let asked = || prompt("[[slow 100]] Hello there");
        let mut answer = model.stream(asked());
        answer.next().await;
        model.forget();
        while answer.next().await.is_some() {}
        assert!(told(&model, asked()).await.1);
        assert!(!told(&model, asked()).await.1);
        model.forget();
        assert!(told(&model, asked()).await.1);
    }

    #[tokio::test]
    async fn none_are_kept_where_none_are_wanted() {
        let model = Recall::over(Arc::new(Scripted::default()), 0);
        for _ in 0..2 {
            assert!(told(&model, prompt("[[slow 100]] Hello there")).await.1);
        }
    }

    #[tokio::test]
    async fn scores_are_told_again_for_the_same_labels() {
        let model = Recall::over(Arc::new(Scripted::default()), 9);
        let labels = ["positive".to_owned(), "negative".to_owned()];
        let turned = [labels[1].clone(), labels[0].clone()];
        let first = model.score(prompt("so negative"), &labels).await.expect("scores");
        assert_eq!(model.score(prompt("so negative"), &labels).await.expect("scores"), first);
        let other = model.score(prompt("so negative"), &turned).await.expect("scores");
        assert_eq!(other, [first[1], first[0]]);
    }
}
