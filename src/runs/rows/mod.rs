//! From the shop's own conversations to rows of training data.
//!
//! A row is one thing the model should have said, after the prompt it would have been given: system text, the turns it is
//! reminded of, the question with the shop's facts, all through the [`Playbook`] as in a chat. What staff wrote, what they
//! corrected and what shoppers liked is learnt; what shoppers wrote is only ever context. Personal data is taken out of
//! every text before anything else is done with it ([`redact`]). What is left out is counted, with the reason.
//!
//! Everything is decided by the store's contents and the recipe alone: the same store gives the same rows.

mod dialogue;
pub mod forget;
mod near;
pub mod redact;
mod report;
mod select;
mod settings;

use crate::domain::recipe::{StoreRecipe, TargetKind};
use crate::domain::run::{Lineage, Row, RowBody, RowMessage};
use crate::domain::{ConvId, Event, EventKind, Head, Shopper, Speaker};
use crate::prompt::{Budget, Orders, Playbook, Shop};
use crate::store::{Store, StoreError};

use dialogue::Candidate;
use redact::{Known, PatternError, Redactor};
pub use report::{Counted, LeftOut, Reason, Report};
pub use settings::Settings;

/// What the model is given when it serves, so that rows look the same.
pub struct Serving<'a> {
    pub playbook: &'a Playbook,
    /// Of the prompt alone; the answer comes on top.
    pub budget: Budget,
    /// Tokens of a text.
    pub count: &'a dyn Fn(&str) -> usize,
    /// Tokens of a whole row, answer included: `data.max_tokens` of the recipe.
    pub row_tokens: usize,
}

#[derive(Debug, thiserror::Error)]
pub enum RowsError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Pattern(#[from] PatternError),
    #[error("{}: {fault}; check that the folder exists and that this user may write there", .place.display())]
    Io { place: std::path::PathBuf, fault: String },
}

/// Rows and how they came about.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Prepared {
    pub rows: Vec<Row>,
    pub report: Report,
}

/// Makes the rows that `recipe` asks for.
///
/// # Errors
/// The store cannot be read, or a pattern of `settings` is none.
pub fn prepare(
    store: &Store,
    recipe: &StoreRecipe,
    settings: &Settings,
    serving: &Serving<'_>,
) -> Result<Prepared, RowsError> {
    let redactor = redactor(serving.playbook, settings)?;
    let mut report = Report::default();
    let mut candidates = Vec::new();
    for (conv, head) in select::conversations(store, recipe, &mut report)? {
        let mut events = store.events(conv, 0, usize::MAX)?;
        if let Some(reason) = select::refuse_events(&events, recipe) {
            report.leave_out(reason, conv, None);
            continue;
        }
        report.chosen += 1;
        let known = people(store, &head, &events, serving.playbook.orders())?;
        let redacted = redact_events(&redactor, &mut events, &known);
        let maker = dialogue::Maker { conv, head: &head, events: &events, recipe, settings, serving };
        let made = maker.candidates(&mut report);
        if !made.is_empty() {
            report.redacted_in(&redacted);
        }
        candidates.extend(made);
    }
    let kept = near::choose(candidates, recipe.per_shopper, &mut report);
    let rows = merge(kept, &mut report);
    Ok(Prepared { rows, report })
}

/// What takes personal data out and leaves what the shop publishes about itself. It knows the names of `settings` and everybody's
/// orders; who is in a conversation is told with it.
///
/// # Errors
/// A pattern of `settings` is none.
pub fn redactor(playbook: &Playbook, settings: &Settings) -> Result<Redactor, PatternError> {
    let shop = playbook.shop();
    let names = settings.names.iter().map(|name| Known::Name(without(name, &shop.profile.name)));
    let mut numbers = playbook.orders().numbers();
    numbers.retain(|number| shop.products.iter().all(|product| product.id != *number));
    let known = names.chain(numbers.iter().map(|number| Known::number(number)));
    let public = public_words(shop);
    Ok(Redactor::new(&settings.order_numbers, public.iter().map(String::as_str))?.knowing(known))
}

/// `name` without the words of the shop's own: `Anna of Beaver Camping` is Anna, and the shop may name itself.
fn without(name: &str, shop: &str) -> String {
    let shop = shop.to_lowercase();
    let own = |word: &&str| !shop.split_whitespace().any(|of_shop| of_shop == word.to_lowercase());
    name.split_whitespace().filter(own).collect::<Vec<_>>().join(" ")
}

/// Everything the shop publishes about itself.
fn public_words(shop: &Shop) -> Vec<String> {
    let profile = &shop.profile;
    let mut words =
        vec![profile.name.clone(), profile.about.clone(), profile.hours.clone(), profile.email.clone()];
    words.extend(profile.facts.iter().cloned());
    for policy in &shop.policies {
        words.extend([policy.title.clone(), policy.short.clone(), policy.text.clone()]);
    }
    for product in &shop.products {
        words.extend([
            product.id.clone(),
            product.name.clone(),
            product.price.clone(),
            product.description.clone(),
        ]);
        words.extend(product.attributes.values().cloned());
    }
    words
}

/// Who is in a conversation, as far as the shop knows.
fn people(store: &Store, head: &Head, events: &[Event], orders: &Orders) -> Result<Vec<Known>, StoreError> {
    let shopper = head.shopper.map(|id| store.shopper(id)).transpose()?.flatten();
    let mut known = shopper.map(|shopper| known_of(&shopper, orders)).unwrap_or_default();
    let mut names = Vec::new();
    for event in events {
        if let EventKind::Said { by: Speaker::Staff(id), .. } = &event.kind {
            names.push(id.0.split('@').next().unwrap_or_default().to_owned());
        }
    }
    names.sort_unstable();
    names.dedup();
    known.extend(names.into_iter().map(Known::Name));
    Ok(known)
}

/// What the shop knows of a shopper: profile, the address they left, their customer id and their orders.
pub fn known_of(shopper: &Shopper, orders: &Orders) -> Vec<Known> {
    let addresses = || shopper.email.iter().chain(&shopper.contact);
    let names = shopper.name.iter().cloned().chain(addresses().filter_map(|address| name_in(address)));
    let mut known: Vec<Known> = names.map(Known::Name).collect();
    known.extend(addresses().map(|address| Known::contact(address)));
    if let Some(customer) = &shopper.external {
        known.push(Known::number(customer));
        let own = orders.of(customer);
        known.extend(own.iter().flat_map(|order| order.numbers()).map(Known::number));
    }
    known
}

/// `jane.miller@example.com` is Jane Miller; `orders@example.com` is nobody.
fn name_in(email: &str) -> Option<String> {
    let (local, _) = email.split_once('@')?;
    let parts: Vec<&str> = local.split(['.', '_', '-']).collect();
    let is_name = |part: &&str| part.chars().count() > 2 && part.chars().all(char::is_alphabetic);
    (parts.len() > 1 && parts.iter().all(is_name)).then(|| parts.join(" "))
}

/// The text of an event that can get into a row.
fn text_of(kind: &mut EventKind) -> Option<&mut String> {
    match kind {
        EventKind::Said { text, .. } | EventKind::Reply { text, .. } | EventKind::Correction { text, .. } => {
            Some(text)
        }
        _ => None,
    }
}

/// Takes personal data out of every text, in place.
fn redact_events(redactor: &Redactor, events: &mut [Event], known: &[Known]) -> redact::Redacted {
    let texts: Vec<String> =
        events.iter_mut().filter_map(|event| text_of(&mut event.kind).map(|text| text.clone())).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let mut redacted = redactor.conversation(&texts, known);
    let mut clean = std::mem::take(&mut redacted.texts).into_iter();
    for text in events.iter_mut().filter_map(|event| text_of(&mut event.kind)) {
        *text = clean.next().expect("there is a redacted text for each. This is a bug.");
    }
    redacted
}

/// Rows of one conversation whose prompt begins with the whole of the one before become one row with several answers: the
/// same is learnt, and the common part is computed once.
fn merge(candidates: Vec<Candidate>, report: &mut Report) -> Vec<Row> {
    let mut rows: Vec<(ConvId, Row)> = Vec::new();
    for candidate in candidates {
        report.count(candidate.kind);
        match rows.last_mut() {
            Some((conv, row)) if *conv == candidate.conv && extends(&candidate, row) => {
                extend(row, candidate);
                report.merged += 1;
            }
            _ => rows.push((candidate.conv, candidate.into_row())),
        }
    }
    report.rows = rows.len() as u64;
    rows.into_iter().map(|(_, row)| row).collect()
}

fn messages(row: &Row) -> &[RowMessage] {
    match &row.body {
        RowBody::Messages(messages) => messages,
        RowBody::Text(_) => &[],
    }
}

fn extends(candidate: &Candidate, row: &Row) -> bool {
    let before = messages(row);
    let prompt = &candidate.messages[..candidate.messages.len() - 1];
    prompt.len() > before.len()
        && prompt.iter().zip(before).all(|(a, b)| (&a.role, &a.content) == (&b.role, &b.content))
}

fn extend(row: &mut Row, candidate: Candidate) {
    let Candidate { messages: mut longer, events, .. } = candidate;
    for (new, old) in longer.iter_mut().zip(messages(row)) {
        new.train = old.train;
    }
    row.body = RowBody::Messages(longer);
    if let Some(lineage) = row.lineage.first_mut() {
        lineage.events.extend(events);
        lineage.events.sort_unstable();
        lineage.events.dedup();
    }
}

impl Candidate {
    fn into_row(self) -> Row {
        let shopper = self.shopper.map(|id| id.to_string()).unwrap_or_default();
        Row {
            id: self.id(),
            // All conversations of one shopper stay together: what is asked twice is not learnt and then examined.
            group: if shopper.is_empty() { self.conv.to_string() } else { shopper.clone() },
            lineage: vec![Lineage { conversation: self.conv.to_string(), shopper, events: self.events }],
            body: RowBody::Messages(self.messages),
            labelled: None,
        }
    }
}

/// The kinds of targets a recipe asks for; none named means all.
fn wants(recipe: &StoreRecipe, kind: TargetKind) -> bool {
    recipe.targets.is_empty() || recipe.targets.contains(&kind)
}
