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
