//! Numbers that name an order, a parcel, an invoice or a customer.

use std::sync::LazyLock;

use regex::Regex;

use super::links::pattern;
use super::{Find, Kind, PatternError};

/// Forms that are such a number wherever they stand: `#1234`, `W1234567`, `112-1234567-1234567`, a UPS parcel.
static FORMS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"#[A-Z]{0,3}-?[0-9]{4,12}\b|\b[A-Z][0-9]{7,12}\b|\b[A-Z]{2}[0-9]{9}[A-Z]{2}\b|\b[0-9]{3}-[0-9]{7}-[0-9]{7}\b|\b1Z[0-9A-Z]{16}\b",
    )
});

/// A word for such a number, then the number.
static NAMED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?ix)
        (?:\b(?:order|parcel|package|shipment|tracking|invoice|receipt|return|refund|rma|ticket|case|reference|ref|booking|customer|client|member|membership|
            bestellung|auftrag|sendung|paket|rechnung|retoure|kunde|vorgang|
            commande|colis|facture|retour|suivi|dossier|client)
          (?:\s?(?:nummer|number|no\.?|nr\.?|num\.?|id|code|reference|n°|numéro|\#)){1,2}
        |\b(?:bestellnummer|bestellnr|auftragsnummer|auftragsnr|rechnungsnummer|rechnungsnr|sendungsnummer|trackingnummer|paketnummer|kundennummer|kundennr|vorgangsnummer|ticketnummer|retourennummer)\.?
        |\b(?:numéro|n°|no|référence)\ (?:de\ |du\ |d')?(?:la\ )?(?:commande|suivi|colis|facture|client|dossier|retour)
        |订单号?码?|订单编号|快递单号|运单号|物流单号|单号|发票号|会员号|客户编号)
        (?:\s*(?:is|was|ist|lautet|war|est|était|是|为))?
        \s*[:\#=：]?\s*\#?
        ([A-Z]{0,6}[-/]?[0-9][A-Z0-9/-]{3,24})",
    )
});

/// `order 12345`: the bare word, where what follows is no quantity.
static BARE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:order|orders|parcel|package|invoice|ticket|bestellung|auftrag|paket|rechnung|commande|colis|facture)\s*[:#]?\s*#?((?:[A-Z]{1,4}-?)?[0-9]{4,}(?:-[0-9]+)*)(?:\s+(\p{L}+))?",
    )
});

/// Words after `order 5000` that make it a quantity.
static UNITS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:stück|paar|paare|teile|euro|eur|usd|gbp|dollar|kg|g|ml|l|cm|mm|m|pair|piece|unit|more|of|sheets|meter|metre|liter|pièces?|mètres?|件|个|双|条)$",
    )
});
/// Words in `s` that are no plural.
const NO_PLURAL: [&str; 12] =
    ["is", "was", "has", "hasn", "isn", "wasn", "this", "as", "says", "arrives", "shows", "plus"];

pub(super) struct Orders {
    own: Vec<Regex>,
}

impl Orders {
    /// `own` are the shop's patterns, as regular expressions.
    pub(super) fn new(own: &[String]) -> Result<Self, PatternError> {
        let compile = |source: &String| {
            Regex::new(source).map_err(|fault| PatternError {
                pattern: source.clone(),
                fault: fault.to_string().replace('\n', " "),
            })
        };
        Ok(Self { own: own.iter().map(compile).collect::<Result<_, _>>()? })
    }

    pub(super) fn find(&self, text: &str, into: &mut Vec<Find>) {
        let forms = FORMS.find_iter(text).chain(self.own.iter().flat_map(|own| own.find_iter(text)));
        into.extend(forms.map(|found| Find::new(Kind::Order, found.range(), text)));
        for found in NAMED.captures_iter(text) {
            if let Some(number) =
                found.get(1).filter(|n| n.as_str().chars().filter(char::is_ascii_digit).count() >= 4)
            {
                into.push(Find::new(Kind::Order, number.range(), text));
            }
        }
        for found in BARE.captures_iter(text) {
            let quantity = found.get(2).is_some_and(|word| is_quantity(word.as_str()));
            if let Some(number) = found.get(1).filter(|_| !quantity) {
                into.push(Find::new(Kind::Order, number.range(), text));
            }
        }
    }
}

fn is_quantity(next: &str) -> bool {
    let next = next.to_lowercase();
    UNITS.is_match(&next) || (next.len() > 2 && next.ends_with('s') && !NO_PLURAL.contains(&next.as_str()))
}
