//! How surprised is the model by what people really said? Loss and perplexity of held-out conversations.

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::material::Material;
use super::suite::{Contest, Judged, Measure, Suite};
use super::tally::{Tally, by_group, ratio, sum};
use crate::domain::run::Direction;
use crate::model::Passage;

/// The mean loss of every token that would be learnt, in nats, given all tokens before it. The trivial answer knows how often
/// each token is learnt in the train part, plus one.
pub struct HeldOut<'a>(pub &'a Material);

/// Nats a token: counts are the sum of the losses and the number of tokens.
fn loss(counts: &[f64]) -> f64 {
    match counts {
        [nats, tokens] => ratio(*nats, *tokens),
        _ => 0.0,
    }
}

impl Suite for HeldOut<'_> {
    fn measures(&self) -> Vec<Measure> {
        let name = "loss per learnt token, nats";
        vec![Measure { suite: "held_out", name, direction: Direction::Lower, formula: loss }]
    }

    fn rows(&self) -> usize {
        self.0.held_out.len()
    }

    fn trivial(&self) -> Option<Vec<Tally>> {
        let material = self.0;
        if material.learnt.is_empty() {
            return None;
        }
        let whole = (material.learnt.values().sum::<u64>() + material.vocabulary) as f64;
        let nats = |id: &u32| -((material.learnt.get(id).copied().unwrap_or(0) + 1) as f64 / whole).ln();
        let tally = |item: &super::material::Item| {
            let learnt = item.example.ids.iter().zip(&item.example.targets).filter(|(_, learnt)| **learnt);
            let (sum, tokens) = learnt.fold((0.0, 0.0), |(sum, n), (id, _)| (sum + nats(id), n + 1.0));
            Tally::new(&item.group, [sum, tokens])
        };
        Some(material.held_out.iter().map(tally).collect())
    }

    fn judge<'b>(&'b self, judged: Judged<'b>) -> BoxFuture<'b, anyhow::Result<Vec<Tally>>> {
        Box::pin(async move {
            let mut tallies = Vec::with_capacity(self.rows());
            for (n, item) in self.0.held_out.iter().enumerate() {
                let targets: Vec<usize> =
                    (0..item.example.ids.len()).filter(|at| item.example.targets[*at]).collect();
                let passage = Passage {
                    ids: item.example.ids.clone(),
                    targets,
                    adapter: judged.adapter.map(str::to_owned),
                };
                let found = judged.model.log_likelihood(passage).await?;
                let nats: f64 = found.iter().map(|log| -f64::from(*log)).sum();
                tallies.push(Tally::new(&item.group, [nats, found.len() as f64]));
                (judged.done)(n + 1);
            }
            Ok(tallies)
        })
    }

    fn details(&self, contest: &Contest) -> Value {
        let perplexity = |tallies: &Option<Vec<Tally>>| tallies.as_ref().map(|t| loss(&sum(t)).exp());
        let empty = Vec::new();
        let base = by_group(contest.base.as_ref().unwrap_or(&empty));
        let adapter = by_group(contest.adapter.as_ref().unwrap_or(&empty));
        let conversations: Vec<Value> = base
            .iter()
            .map(|(group, counts)| {
                let after = adapter.get(group).map(|counts| loss(counts));
                json!({"group": group, "tokens": counts.get(1), "base": loss(counts), "adapter": after})
            })
            .collect();
        json!({
            "tokens": base.values().filter_map(|counts| counts.get(1)).sum::<f64>(),
            "perplexity": {
                "trivial": perplexity(&contest.trivial),
                "base": perplexity(&contest.base),
                "adapter": perplexity(&contest.adapter),
            },
            "conversations": conversations,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use futures_util::future::{BoxFuture, ready};

    use super::super::material::Item;
    use std::sync::Arc;

    use super::super::{Beside, compare, gate, table};
    use super::*;
    use crate::domain::prompt::Prompt;
    use crate::domain::recipe::GateRecipe;
    use crate::model::adapters::Bundle;
    use crate::model::{Answer, Facts, Health, Model, ModelError, Scripted};
    use crate::train::example::Example;

    /// A model that finds every token as likely as its number says: base 1 / (id + 1), adapter twice that, what serves twice that again.
    #[derive(Default)]
    struct Numbers(Scripted);

    impl Model for Numbers {
        fn stream(&self, prompt: Prompt) -> Answer {
            self.0.stream(prompt)
        }

        fn count_tokens(&self, text: &str) -> usize {
            self.0.count_tokens(text)
        }

        fn score<'a>(
            &'a self,
            prompt: Prompt,
            labels: &'a [String],
        ) -> BoxFuture<'a, Result<Vec<f32>, ModelError>> {
            self.0.score(prompt, labels)
        }

        fn warm(&self, prompt: Prompt) -> BoxFuture<'_, Result<(), ModelError>> {
            self.0.warm(prompt)
        }

        fn install(&self, adapter: Bundle) -> BoxFuture<'_, Result<(), ModelError>> {
            self.0.install(adapter)
        }

        fn prove<'a>(&'a self, adapter: &'a str) -> BoxFuture<'a, Result<(), ModelError>> {
            self.0.prove(adapter)
        }

        fn retire<'a>(&'a self, adapter: &'a str) -> BoxFuture<'a, ()> {
            self.0.retire(adapter)
        }

        fn variants(&self) -> Vec<String> {
            self.0.variants()
        }

        fn log_likelihood(&self, passage: Passage) -> BoxFuture<'_, Result<Vec<f32>, ModelError>> {
            let factor = match passage.adapter.as_deref() {
                Some("shop@2") => 2.0,
                Some(_) => 4.0,
                None => 1.0,
            };
            let of = |at: &usize| (factor / (passage.ids[*at] as f32 + 1.0)).ln();
            Box::pin(ready(Ok(passage.targets.iter().map(of).collect())))
        }

        fn health(&self) -> Health {
            self.0.health()
        }

        fn facts(&self) -> &Facts {
            self.0.facts()
        }
    }

    #[tokio::test]
    async fn base_adapter_and_frequencies_side_by_side() {
        let item = |group: &str, ids: &[u32], learnt: usize| Item {
            group: group.to_owned(),
            row: Arc::default(),
            example: Example {
                ids: ids.to_vec(),
                targets: (0..ids.len()).map(|n| n >= ids.len() - learnt).collect(),
            },
        };
        let material = Material {
            // Learnt: 3, 1 in one conversation and 7 in the other, so the mean of ln 4, ln 2 and ln 8 is ln 4.
            held_out: vec![item("a", &[9, 3, 1], 2), item("b", &[9, 9, 7], 1)],
            learnt: HashMap::from([(3, 5), (1, 1)]),
            vocabulary: 10,
        };
        let suites = compare(
            &HeldOut(&material),
            &Numbers::default(),
            Beside { adapter: Some("shop@2"), current: Some("shop@1") },
            &|_, _| {},
        )
        .await
        .unwrap();
        let [suite] = suites.as_slice() else { panic!("{suites:?}") };
        let near = |found: Option<crate::domain::run::Score>, expected: f64| {
            assert!((found.unwrap().value - expected).abs() < 1e-6, "{found:?} instead of {expected}");
        };
        near(suite.base, 4f64.ln());
        near(suite.adapter, 2f64.ln());
        near(suite.current, 0.0);
        // 16 tokens in all, each once more: 6, 2 and 1 of them.
        near(suite.trivial, ((16.0f64 / 6.0).ln() + (16.0f64 / 2.0).ln() + 16f64.ln()) / 3.0);
        let gain = &suite.details["adapter_minus_base"];
        assert!((gain["value"].as_f64().unwrap() + 2f64.ln()).abs() < 1e-6);
        assert!(
            (gain["high"].as_f64().unwrap() - gain["low"].as_f64().unwrap()).abs() < 1e-6,
            "no doubt about it"
        );
        assert!((suite.details["more"]["perplexity"]["base"].as_f64().unwrap() - 4.0).abs() < 1e-5);
        assert_eq!(suite.details["more"]["conversations"].as_array().unwrap().len(), 2);
        let card = gate::gate(&GateRecipe::default(), suites);
        assert!(table::of(&card).contains("0.693"));
        assert!(
            card.reasons.len() == 1 && card.reasons[0].contains("gate.current_loss"),
            "{:?}",
            card.reasons
        );
    }
}
