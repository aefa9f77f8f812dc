//! Telephone numbers, payment cards and bank accounts.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;

use iban::{Iban, IbanLike};
use regex::Regex;

use super::links::pattern;
use super::{Find, Kind};

/// Words that a card's number follows.
static CARD_WORD: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)(?:card|visa|mastercard|amex|maestro|karte|kreditkarte|carte|kartennummer|信用卡|银行卡|卡号)[^0-9\n]{0,24}$",
    )
});
static SECURITY_CODE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)(?:\b(?:cvc2?|cvv2?|cid|security code|card code|prüfziffer|prüfnummer|sicherheitscode|cryptogramme)\b|安全码)[^0-9\n]{0,12}([0-9]{3,4})\b",
    )
});
static EXPIRY: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)(?:\b(?:exp(?:iry|ires|iration)?(?: date)?|valid (?:until|thru|through)|gültig bis|expire(?: le)?)\b|有效期)[^0-9\n]{0,8}((?:0[1-9]|1[0-2]) ?[/.-] ?(?:20)?[2-4][0-9])\b",
    )
});
static IBAN: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)[A-Z]{2} ?-?[0-9]{2}(?:[ .-]{0,2}[A-Z0-9]){11,30}"));
static IBAN_WORD: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\biban\b[^A-Z0-9\n]{0,6}(?:(?:is|lautet|ist|est|number|nummer)[^A-Z0-9\n]{0,4})?([A-Z]{2} ?[0-9]{2}(?:[ .-]?[A-Z0-9]{2,4}){3,8})",
    )
});
static ACCOUNT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)(?:\b(?:(?:bank )?account|acct|a/c|konto|kontonummer|compte|numéro de compte|sort code|routing)(?: (?:number|no\.?|nr\.?))?|账号|账户|帐号)(?:\s*(?:is|was|ist|lautet|est|是|为))?\s*[:#：]?\s*([0-9](?:[ -]?[0-9]){5,19})",
    )
});

/// `+49 (0)30 1234567`, `0033 6 12 34 56 78`.
static INTERNATIONAL: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?:\+|\b00)\s?[1-9](?:[ ./()-]{0,3}[0-9]){7,14}"));
/// Three, three and four digits, as in North America.
static NORTH_AMERICAN: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?:1[ .-])?(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[ .-])[0-9]{3}[ .-][0-9]{4}"));
/// A national number with its leading zero, nine to twelve digits in all.
static NATIONAL: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\(?0[1-9][0-9]{0,4}\)?(?:[ ./-]{0,3}[0-9]){5,10}"));
static CHINESE_MOBILE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?:\+?86[ -]?)?1[3-9][0-9][ -]?[0-9]{4}[ -]?[0-9]{4}"));
/// Whatever follows a word for telephone.
static AFTER_WORD: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?ix)(?:\b(?:tel|tel\.|telephone|phone|mobile|cell|cellphone|whatsapp|fax|sms|telefon|handy|mobil|rufnummer|handynummer|téléphone|portable|mobil)
        (?:\ (?:number|no\.?|nr\.?|nummer))?
        |\b(?:call|ring|reach|text|phone|contact)\ (?:me|us|him|her)(?:\ (?:back|up))?(?:\ (?:at|on|under))?
        |\bmy\ number
        |电话|手机|联系方式|致电)
        (?:号码?|号)?
        (?:\s*(?:is|was|ist|lautet|unter|est|le|au|at|on|是|为))?
        \s*[:：\#.]?\s*
        (\(?[0-9](?:[\ ./()-]{0,2}[0-9]){5,14})",
    )
});

pub(super) fn find(text: &str, into: &mut Vec<Find>) {
    cards(text, into);
    ibans(text, into);
    for (words, kind) in [(&SECURITY_CODE, Kind::Card), (&EXPIRY, Kind::Card), (&ACCOUNT, Kind::Account)] {
        let numbers = words.captures_iter(text).filter_map(|found| found.get(1));
        into.extend(numbers.map(|number| Find::new(kind, number.range(), text)));
    }
    phones(text, into);
}

fn phones(text: &str, into: &mut Vec<Find>) {
    let mut see = |range: Range<usize>| {
        if is_alone(text, &range) {
            let mut find = Find::new(Kind::Phone, range, text);
            find.value.retain(|c| c.is_ascii_digit());
            into.push(find);
        }
    };
    INTERNATIONAL.find_iter(text).for_each(|found| see(found.range()));
    NORTH_AMERICAN.find_iter(text).for_each(|found| see(found.range()));
    CHINESE_MOBILE.find_iter(text).for_each(|found| see(found.range()));
    for found in NATIONAL.find_iter(text) {
        let digits = found.as_str().chars().filter(char::is_ascii_digit).count();
        if (9..=12).contains(&digits) && !is_date_like(found.as_str()) {
            see(found.range());
        }
    }
    AFTER_WORD.captures_iter(text).filter_map(|found| found.get(1)).for_each(|number| see(number.range()));
}

/// `01.02.2024 10`, `01/02/2024`: what a date and a time look like.
fn is_date_like(number: &str) -> bool {
    static DATE: LazyLock<Regex> = LazyLock::new(|| {
        pattern(r"^\(?(?:0[1-9]|[12][0-9]|3[01])([./-])(?:0[1-9]|1[0-2])[./-](?:19|20)[0-9]{2}(?:$|[^0-9])")
    });
    DATE.is_match(number)
}

/// No digit, letter or sign of a longer number on either side.
fn is_alone(text: &str, range: &Range<usize>) -> bool {
    let before = text[..range.start].chars().next_back();
    let mut after = text[range.end..].chars();
    let next = after.next();
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '#' | '$' | '€' | '£' | '¥' | '_');
    let more =
        matches!(next, Some('.' | ',' | '-' | '/')) && after.next().is_some_and(|c| c.is_ascii_digit());
    !before.is_some_and(|c| part(c) || matches!(c, '-' | '.' | ',' | '/'))
        && !next.is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '€' | '£' | '%'))
        && !more
}

/// Runs of digits with at most two separators between two of them, as ranges of whole groups.
fn digit_groups(text: &str) -> Vec<Vec<Range<usize>>> {
    static GROUP: LazyLock<Regex> = LazyLock::new(|| pattern("[0-9]+"));
    let mut runs: Vec<Vec<Range<usize>>> = Vec::new();
    for group in GROUP.find_iter(text) {
        let joins = runs.last().and_then(|run| run.last()).is_some_and(|last| {
            let gap = &text[last.end..group.start()];
            gap.len() <= 3 && gap.chars().all(|c| matches!(c, ' ' | '-' | '.' | '_' | '*' | '/' | '·' | '\n'))
        });
        match runs.last_mut() {
            Some(run) if joins => run.push(group.range()),
            _ => runs.push(vec![group.range()]),
        }
    }
    runs
}

/// Every other place where one of the numbers in `told` stands, in whole groups.
pub(super) fn find_again(text: &str, told: &HashMap<String, Kind>, into: &mut Vec<Find>) {
    static WORD: LazyLock<Regex> = LazyLock::new(|| pattern("[A-Za-z0-9]{6,}"));
    let mut see = |range: Range<usize>| {
        let find = Find::new(Kind::Order, range, text);
        if let Some(kind) = told.get(&find.value) {
            into.push(Find { kind: *kind, ..find });
        }
    };
    WORD.find_iter(text).for_each(|word| see(word.range()));
    for run in digit_groups(text) {
        for from in 0..run.len() {
            // No number we know has more groups.
            (from..run.len().min(from + 12)).for_each(|to| see(run[from].start..run[to].end));
        }
    }
}

/// Card numbers: 13 to 19 digits in whole groups that begin as cards do and pass Luhn's check; after a word for a card also those
/// that do not, for a number with a slip in it still says whose it is.
fn cards(text: &str, into: &mut Vec<Find>) {
    for run in digit_groups(text) {
        let mut from = 0;
        while from < run.len() {
            let taken = (from + 1..=run.len()).rev().find(|&to| is_card(text, &run[from..to]));
            if let Some(to) = taken {
                let range = run[from].start..run[to - 1].end;
                let mut find = Find::new(Kind::Card, range, text);
                find.value.retain(|c| c.is_ascii_digit());
                into.push(find);
                from = to;
            } else {
                from += 1;
            }
        }
    }
}

fn is_card(text: &str, groups: &[Range<usize>]) -> bool {
    let digits: Vec<u32> =
        groups.iter().flat_map(|group| text[group.clone()].chars()).filter_map(|c| c.to_digit(10)).collect();
    let named = CARD_WORD.is_match(&text[..groups[0].start]);
    match digits.len() {
        // The barcodes of goods have 13 digits too.
        13 if groups.len() == 1 && !named => false,
        13..=19 => (luhn(&digits) && (2..=6).contains(&digits[0])) || (named && digits.len() >= 14),
        _ => false,
    }
}

/// ISO/IEC 7812-1, annex B.
fn luhn(digits: &[u32]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(n, digit)| if n % 2 == 0 { *digit } else { digit * 2 / 10 + digit * 2 % 10 })
        .sum();
    sum.is_multiple_of(10)
}

fn ibans(text: &str, into: &mut Vec<Find>) {
    let mut at = 0;
    while let Some(found) = IBAN.find_at(text, at) {
        let range = found.range();
        let starts_word = !text[..range.start].chars().next_back().is_some_and(|c| c.is_ascii_alphanumeric());
        let end = if starts_word { sound_end(text, &range) } else { None };
        if let Some(end) = end {
            into.push(Find::new(Kind::Iban, range.start..end, text));
        }
        at = end.unwrap_or(range.start + 1);
    }
    let named = IBAN_WORD.captures_iter(text).filter_map(|found| found.get(1));
    into.extend(named.map(|number| Find::new(Kind::Iban, number.range(), text)));
}

/// Where the IBAN ends that `range` begins with (ISO 13616: length and check digits of its country).
fn sound_end(text: &str, range: &Range<usize>) -> Option<usize> {
    let mut plain = String::new();
    let mut ends = Vec::new();
    for (at, c) in text[range.clone()].char_indices().filter(|(_, c)| c.is_ascii_alphanumeric()) {
        plain.push(c.to_ascii_uppercase());
        ends.push(range.start + at + 1);
    }
    (15..=plain.len()).rev().find_map(|len| {
        let iban = plain[..len].parse::<Iban>().ok()?;
        debug_assert_eq!(iban.electronic_str().len(), len);
        Some(ends[len - 1])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_pass_luhn_and_begin_as_cards_do() {
        let digits = |text: &str| text.chars().filter_map(|c| c.to_digit(10)).collect::<Vec<_>>();
        assert!(luhn(&digits("4111111111111111")) && luhn(&digits("378282246310005")));
        assert!(!luhn(&digits("4111111111111112")));
        let mut found = Vec::new();
        cards("4111 1111 1111 1111 12/27, 4006381333931", &mut found);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].range, 0..19);
    }
}
