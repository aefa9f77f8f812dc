//! Which conversations a recipe chooses.

use super::report::{Reason, Report};
use crate::domain::recipe::StoreRecipe;
use crate::domain::{ConvId, Head};
use crate::store::{Store, StoreError};

/// Conversations looked at in one go.
const PAGE: usize = 256;

/// The chosen conversations in the order of their ids.
pub(super) fn conversations(
    store: &Store,
    recipe: &StoreRecipe,
    report: &mut Report,
) -> Result<Vec<(ConvId, Head)>, StoreError> {
    let mut chosen = Vec::new();
    let mut after = None;
    loop {
        let page = store.conversations(after, PAGE)?;
        let Some((last, _)) = page.last() else { break };
        after = Some(*last);
        for (conv, head) in page {
            report.conversations += 1;
            match refuse(conv, &head, recipe) {
                Some(reason) => report.leave_out(reason, conv, None),
                None => chosen.push((conv, head)),
            }
        }
    }
    report.chosen = chosen.len() as u64;
    Ok(chosen)
}

fn refuse(conv: ConvId, head: &Head, recipe: &StoreRecipe) -> Option<Reason> {
    let named = |wanted: &String| wanted.parse::<ConvId>().is_ok_and(|wanted| wanted == conv);
    let tagged = |tag: &String| head.tags.contains(&tag.to_lowercase());
    if !recipe.conversations.is_empty() && !recipe.conversations.iter().any(named) {
        Some(Reason::NotNamed)
    } else if recipe.since.is_some_and(|since| head.updated_at < since)
        || recipe.until.is_some_and(|until| head.updated_at >= until)
    {
        Some(Reason::Date)
    } else if !recipe.tags.is_empty() && !recipe.tags.iter().any(tagged) {
        Some(Reason::Tag)
    } else {
        None
    }
}
