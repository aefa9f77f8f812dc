//! Which conversations a recipe chooses.

use std::collections::HashMap;

use super::report::{Reason, Report};
use crate::domain::recipe::{Rated, StoreRecipe};
use crate::domain::{ConvId, Event, EventKind, Head, Speaker, Thumb};
use crate::store::{Store, StoreError};

/// Conversations looked at in one go.
const PAGE: usize = 256;

/// The conversations that are chosen as far as their heads tell, in the order of their ids.
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

/// Why the recipe does not want a conversation in which this happened.
pub(super) fn refuse_events(events: &[Event], recipe: &StoreRecipe) -> Option<Reason> {
    if recipe.rated.is_some_and(|wanted| !is_rated(events, wanted)) {
        Some(Reason::Rating)
    } else if !recipe.answered_by.is_empty() && !events.iter().any(|event| is_answer_of(event, recipe)) {
        Some(Reason::AnsweredBy)
    } else {
        None
    }
}

fn is_rated(events: &[Event], wanted: Rated) -> bool {
    let mut newest = HashMap::new();
    for event in events {
        if let EventKind::Rating { of, value, .. } = &event.kind {
            newest.insert(*of, *value);
        }
    }
    newest.into_values().any(|thumb| match wanted {
        Rated::Any => true,
        Rated::Up => thumb == Thumb::Up,
        Rated::Down => thumb == Thumb::Down,
    })
}

fn is_answer_of(event: &Event, recipe: &StoreRecipe) -> bool {
    let named = |who: &str| recipe.answered_by.iter().any(|wanted| wanted == who);
    match &event.kind {
        EventKind::Said { by: Speaker::Staff(id), .. } => named("staff") || named(&id.0),
        EventKind::Reply { .. } => named("model"),
        _ => false,
    }
}
