//! Personal data out of a text, before it becomes a training row.
//!
//! A text is read in a plain form ([`view`]), every detector names the stretches it knows, stretches that touch are joined
//! under the name of the surer one, and each is replaced by a placeholder such as `[EMAIL]`. The same value gets the same
//! placeholder in the whole conversation; they are numbered only if there are several. What the shop says about itself
//! (its own address, its own number) is not personal and stays.
//!
//! It errs on the side of taking out: a wrong placeholder costs a word, a missed one stays in an adapter for good.

mod address;
mod exact;
mod links;
mod names;
mod numbers;
mod orders;
mod view;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;

use serde::{Deserialize, Serialize};

use exact::Exact;
use names::People;
use orders::Orders;
use view::View;

/// What was found. Where two overlap, the one that comes first here gives the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A web address that carries a token or says who somebody is.
    Link,
    Email,
    Iban,
    Card,
    Ip,
    /// Numbers of orders, parcels, invoices and customers.
    Order,
    Phone,
    Address,
    /// A bank account that is not an IBAN.
    Account,
    Name,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Link => "LINK",
            Self::Email => "EMAIL",
            Self::Iban => "IBAN",
            Self::Card => "CARD",
            Self::Ip => "IP",
            Self::Order => "ORDER",
            Self::Phone => "PHONE",
            Self::Address => "ADDRESS",
            Self::Account => "ACCOUNT",
            Self::Name => "NAME",
        }
    }
}

/// What the shop knows of somebody who may be in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// The name of a shopper or a member of staff, in any of the ways to write it.
    Name(String),
    /// An address, a customer id, an order: to the letter.
    Value(Kind, String),
}

impl Known {
    /// An address somebody left, whatever it is.
    pub fn contact(text: &str) -> Self {
        let digits = text.chars().filter(char::is_ascii_digit).count();
        match (text.contains('@'), digits >= 6) {
            (true, _) => Self::Value(Kind::Email, text.to_owned()),
            (false, true) => Self::Value(Kind::Phone, text.to_owned()),
            (false, false) => Self::Name(text.to_owned()),
        }
    }

    /// The number of an order, a parcel or a customer; shops have e-mail addresses for the last as well.
    pub fn number(text: &str) -> Self {
        let kind = if text.contains('@') { Kind::Email } else { Kind::Order };
        Self::Value(kind, text.to_owned())
    }
}

/// Letters and digits of a value that is looked for in the conversation of whom it belongs to.
const OWN: usize = 4;
/// The same, where it is looked for in every conversation: `1200` is rather a price than somebody's order.
const OTHERS: usize = 5;

/// A stretch of a [`View`], and the value it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Find {
    range: Range<usize>,
    kind: Kind,
    /// Spelt one way, so that two spellings are one value.
    value: String,
}

impl Find {
    fn new(kind: Kind, range: Range<usize>, text: &str) -> Self {
        let value = text[range.clone()]
            .chars()
            .filter(|c| c.is_alphanumeric())
            .flat_map(char::to_lowercase)
            .collect();
        Self { range, kind, value }
    }
}

impl Find {
    /// True for a value that means the same wherever it stands.
    fn is_number(&self) -> bool {
        let digits = self.value.chars().filter(char::is_ascii_digit).count();
        matches!(self.kind, Kind::Card | Kind::Iban | Kind::Order | Kind::Phone | Kind::Account)
            && digits >= 6
    }
}

/// A pattern of the shop's own that is no regular expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("rows.order_numbers: `{pattern}`: {fault}; write a regular expression, e.g. `ORD-[0-9]{{6}}`")]
pub struct PatternError {
    pattern: String,
    fault: String,
}

/// Takes personal data out of conversations.
pub struct Redactor {
    orders: Orders,
    /// People who may be in any conversation.
    people: People,
    /// Values that may be in any conversation.
    exact: Exact,
    /// What the shop says about itself.
    public: HashSet<(Kind, String)>,
}

/// The texts of one conversation without personal data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redacted {
    pub texts: Vec<String>,
    /// How many stretches of each kind were replaced.
    pub counts: BTreeMap<Kind, u64>,
}

impl Redactor {
    /// `order_numbers`: regular expressions for the shop's own numbers, beside the usual forms. `public`: texts the shop
    /// publishes; addresses and numbers in them are not taken out.
    ///
    /// # Errors
    /// A pattern that is no regular expression.
    pub fn new<'a>(
        order_numbers: &[String],
        public: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, PatternError> {
        let mut redactor = Self {
            orders: Orders::new(order_numbers)?,
            people: People::default(),
            exact: Exact::default(),
            public: HashSet::new(),
        };
        for text in public {
            let view = View::of(text);
            let found = redactor.find(&view.text, &People::default(), &Exact::default());
            redactor.public.extend(found.into_iter().map(|find| (find.kind, find.value)));
        }
        Ok(redactor)
    }

    /// Also takes out what is `known` of people who may be in any conversation: the staff, everybody's orders.
    pub fn knowing(mut self, known: impl IntoIterator<Item = Known>) -> Self {
        for one in known {
            match one {
                Known::Name(name) => self.people.meet(&name),
                // A word without a digit is rather a word.
                Known::Value(kind, value) if value.chars().any(|c| c.is_ascii_digit() || c == '@') => {
                    self.exact.learn(kind, &value, OTHERS);
                }
                Known::Value(..) => {}
            }
        }
        self
    }

    /// Takes personal data out of all texts of one conversation. `known` is of those who are in it.
    pub fn conversation(&self, texts: &[&str], known: &[Known]) -> Redacted {
        let views: Vec<View> = texts.iter().map(|text| View::of(text)).collect();
        let (mut people, mut exact) = (self.people.clone(), Exact::default());
        for one in known {
            match one {
                Known::Name(name) => people.meet(name),
                Known::Value(kind, value) => exact.learn(*kind, value, OWN),
            }
        }
        for view in &views {
            people.listen(&view.text);
        }
        let mut found: Vec<Vec<Find>> =
            views.iter().map(|view| self.find(&view.text, &people, &exact)).collect();
        // What was told apart in one place is the same in another: `2025550177. Yes, that is my phone: 2025550177.`
        let told: HashMap<String, Kind> = found
            .iter()
            .flatten()
            .filter(|find| find.is_number())
            .map(|find| (find.value.clone(), find.kind))
            .collect();
        for (view, finds) in views.iter().zip(&mut found) {
            numbers::find_again(&view.text, &told, finds);
            *finds = join(std::mem::take(finds));
        }
        let mut numbers = Numbers::default();
        found.iter().flatten().for_each(|find| numbers.see(find));
        let mut redacted = Redacted::default();
        for ((text, view), finds) in texts.iter().zip(&views).zip(&found) {
            let mut out = String::with_capacity(text.len());
            let mut from = 0;
            for find in finds {
                let range = view.original(&find.range);
                out.push_str(&text[from..range.start]);
                out.push_str(&numbers.placeholder(find));
                from = range.end;
                *redacted.counts.entry(find.kind).or_default() += 1;
            }
            out.push_str(&text[from..]);
            redacted.texts.push(out);
        }
        redacted
    }

    /// Everything in `text`, in order, without overlaps.
    fn find(&self, text: &str, people: &People, exact: &Exact) -> Vec<Find> {
        let mut finds = Vec::new();
        exact.find(text, &mut finds);
        self.exact.find(text, &mut finds);
        links::find(text, &mut finds);
        numbers::find(text, &mut finds);
        self.orders.find(text, &mut finds);
        address::find(text, &mut finds);
        people.find(text, &mut finds);
        finds
            .retain(|find| !find.range.is_empty() && !self.public.contains(&(find.kind, find.value.clone())));
        join(finds)
    }
}

/// Joins what overlaps: nothing of either stays.
fn join(mut finds: Vec<Find>) -> Vec<Find> {
    finds.sort_by_key(|find| (find.range.start, find.kind));
    let mut joined: Vec<Find> = Vec::with_capacity(finds.len());
    for find in finds {
        match joined.last_mut() {
            Some(last) if find.range.start < last.range.end => {
                last.range.end = last.range.end.max(find.range.end);
                if find.kind < last.kind {
                    (last.kind, last.value) = (find.kind, find.value);
                }
            }
            _ => joined.push(find),
        }
    }
    joined
}

/// Which value of a kind is the first, the second, ...
#[derive(Default)]
struct Numbers(HashMap<Kind, Vec<String>>);

impl Numbers {
    fn see(&mut self, find: &Find) {
        let values = self.0.entry(find.kind).or_default();
        if !values.contains(&find.value) {
            values.push(find.value.clone());
        }
    }

    fn placeholder(&self, find: &Find) -> String {
        let word = find.kind.word();
        let values = self.0.get(&find.kind).map_or(&[][..], Vec::as_slice);
        match values.iter().position(|value| *value == find.value) {
            Some(at) if values.len() > 1 => format!("[{word}_{}]", at + 1),
            _ => format!("[{word}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redact(texts: &[&str]) -> Vec<String> {
        Redactor::new(&[], ["Write to help@shop.example or call +49 30 901820."])
            .expect("no patterns")
            .conversation(texts, &[])
            .texts
    }

    #[test]
    fn one_value_has_no_number_and_several_keep_theirs() {
        assert_eq!(redact(&["I am a@example.com", "yes, A@Example.com"]), ["I am [EMAIL]", "yes, [EMAIL]"]);
        assert_eq!(
            redact(&["a@example.com and b@example.com", "to b@example.com"]),
            ["[EMAIL_1] and [EMAIL_2]", "to [EMAIL_2]"]
        );
    }

    #[test]
    fn what_the_shop_publishes_stays() {
        let kept = ["Call +49 30 901820 or write to help@shop.example."];
        assert_eq!(redact(&kept), kept);
    }

    #[test]
    fn what_overlaps_goes_as_a_whole() {
        let finds = vec![
            Find { range: 0..8, kind: Kind::Name, value: "a".into() },
            Find { range: 4..12, kind: Kind::Email, value: "b".into() },
            Find { range: 12..14, kind: Kind::Phone, value: "c".into() },
        ];
        let joined = join(finds);
        assert_eq!(joined.len(), 2);
        assert_eq!((joined[0].range.clone(), joined[0].kind), (0..12, Kind::Email));
    }
}
