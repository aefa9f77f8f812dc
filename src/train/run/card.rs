//! The model card: what an adapter is, what it learnt from, and how well, in `README.md` beside the weights.

use super::Outcome;
use super::session::Pair;
use crate::domain::recipe::{Objective, Recipe};
use crate::train::data::report::{DataReport, name};

/// The card as Markdown, with the front matter that model hubs read.
pub(super) fn text(recipe: &Recipe, data: &DataReport, outcome: &Outcome, licence: Option<&str>) -> String {
    let mut card = String::from("---\n");
    card.push_str("library_name: peft\npipeline_tag: text-generation\n");
    card.push_str(&format!("base_model: {}\n", recipe.base));
    if let Some(licence) = licence {
        card.push_str(&format!("license: {}\n", licence.to_lowercase()));
    }
    card.push_str("tags:\n- lora\n- shopclerk\n---\n\n");
    card.push_str(&format!(
        "# {}\n\nA LoRA adapter for `{}`, trained by Shopclerk on {}.\n\n",
        recipe.name,
        recipe.base,
        taught(recipe)
    ));
    card.push_str(match licence {
        Some(_) => "The licence above is the base's; the adapter is a work based on it.\n\n",
        None => "The base's folder names no licence; ask its publisher before you pass the adapter on.\n\n",
    });
    card.push_str("## Scores\n\nMean loss of a learnt token in nats (lower is better).\n\n");
    card.push_str("| part | base | adapter |\n| --- | --- | --- |\n");
    for (part, pair) in [("dev, used to choose", outcome.dev), ("test, used once", outcome.test)] {
        card.push_str(&match pair {
            Some(Pair { base, adapter }) => format!("| {part} | {base:.4} | {adapter:.4} |\n"),
            None => format!("| {part} | - | - |\n"),
        });
    }
    card.push_str("\n## Data\n\n| part | rows | tokens | learnt tokens |\n| --- | --- | --- | --- |\n");
    for part in &data.parts {
        card.push_str(&format!(
            "| {} | {} | {} | {} |\n",
            name(part.part),
            part.rows,
            part.tokens,
            part.trained
        ));
    }
    card.push_str(&format!("\nSHA-256 of the rows: `{}`\n", data.source.rows_sha256));
    for file in &data.source.files {
        let file_name = file.file.file_name().unwrap_or_default().to_string_lossy();
        card.push_str(&format!("- {file_name}: {} rows, SHA-256 `{}`\n", file.rows, file.sha256));
    }
    card.push_str(&format!(
        "\n## Training\n\n{} steps, the adapter of step {}; {} tokens in {:.0} s ({:.0} tokens a second), at most {:.0} MiB.\n",
        outcome.steps, outcome.best_step, outcome.tokens, outcome.seconds, outcome.tokens_per_second, outcome.peak_mib
    ));
    card.push_str(&format!("\n```toml\n{}```\n", recipe.to_toml()));
    card
}

fn taught(recipe: &Recipe) -> &'static str {
    match recipe.objective {
        Objective::Chat => "dialogues (the assistant's turns were learnt)",
        Objective::Task => "labelled rows of a tool (the answers were learnt)",
        Objective::Text => "plain text (every token was learnt)",
    }
}
