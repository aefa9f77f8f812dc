//! Names of people: those the shop knows, and those somebody gives in the conversation.

use std::sync::{Arc, LazyLock};

use regex::Regex;

use super::links::pattern;
use super::{Find, Kind};

/// Words that are names and also words: as names only where they are written large.
const WORDS: &[&str] = &[
    "will", "may", "mark", "rose", "grace", "hope", "summer", "autumn", "april", "june", "august", "bill",
    "rich", "art", "guy", "grant", "frank", "pat", "sue", "jean", "joy", "faith", "dawn", "iris", "ivy",
    "jade", "ruby", "amber", "chase", "drew", "gene", "jack", "miles", "norm", "penny", "ray", "rob", "skip",
    "wade", "young", "long", "little", "small", "white", "black", "brown", "green", "gray", "king", "price",
    "short", "sharp", "page", "park", "day", "case", "brand", "bank", "best", "good", "hand", "hill", "lang",
    "klein", "gross", "stark", "an", "do", "so", "he", "ha", "in", "la", "le", "de", "du", "von", "van",
    "the", "shop", "store", "admin", "team", "api", "support", "service",
];

/// Words that stand where a name would, in any of our languages.
const NO_NAMES: &[&str] = &[
    "there",
    "team",
    "all",
    "everyone",
    "everybody",
    "support",
    "again",
    "and",
    "the",
    "sir",
    "madam",
    "guys",
    "folks",
    "customer",
    "service",
    "shop",
    "store",
    "thanks",
    "thank",
    "yes",
    "no",
    "not",
    "please",
    "sorry",
    "just",
    "very",
    "so",
    "happy",
    "glad",
    "interested",
    "looking",
    "trying",
    "from",
    "in",
    "at",
    "a",
    "an",
    "here",
    "hello",
    "hi",
    "hey",
    "dear",
    "good",
    "morning",
    "afternoon",
    "evening",
    "zusammen",
    "team",
    "damen",
    "herren",
    "kunde",
    "kundin",
    "leute",
    "bonjour",
    "merci",
    "monsieur",
    "madame",
    "mesdames",
    "messieurs",
    "tous",
    "your",
    "my",
    "order",
    "i",
    "we",
    "you",
    "it",
    "this",
    "that",
    "is",
    "can",
    "could",
    "do",
    "does",
    "where",
    "when",
    "what",
    "how",
    "why",
    "if",
    "for",
    "danke",
    "ja",
    "nein",
    "und",
    "ich",
    "wir",
    "der",
    "die",
    "das",
    "oui",
    "non",
    "je",
    "nous",
    "le",
    "la",
    "les",
    "un",
    "une",
    "ok",
    "okay",
    "to",
    "on",
    "of",
    "as",
    "with",
    "still",
    "really",
    "also",
    "back",
    "home",
    "ready",
    "sure",
    "afraid",
    "able",
    "waiting",
    "writing",
    "calling",
    "chat",
    "chatbot",
    "assistant",
    "bot",
    "clerk",
    "regards",
    "english",
    "german",
    "french",
    "chinese",
];

const NAME: &str = r"\p{Lu}[\p{L}'’-]+";

/// Where somebody says a name in Latin letters: group 1 is the name.
static SAID: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let titles =
        r"(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Herrn?|Frau|Fräulein|Monsieur|Madame|Mademoiselle|Mme|Mlle)\.?";
    [
        format!(r"(?i:\b(?:my (?:full |last |first |sur)?name(?:['’]s| is)|the name(?:['’]s| is)|name(?: on (?:the )?(?:card|order|account|parcel))?\s*(?:is|:)|call me|this is|i am called|under the name|in the name of|ich heiße|ich heisse|mein name (?:ist|lautet)|name ist|hier ist|auf den namen|je m['’]appelle|je suis|mon nom (?:est|:)|au nom de)\s*:?\s*)({NAME}(?:\s+(?:(?:van|von|de|der|den|del|la|le|bin|al)\s+)*{NAME}){{0,3}})"),
        // In small letters only after words that nothing else follows.
        r"(?i:\b(?:my (?:full |last |first |sur)?name is|ich heiße|ich heisse|mein name ist|je m['’]appelle))\s+([\p{L}'’-]+(?:\s+[\p{L}'’-]+)?)\s*(?:$|[,.;!?\n])".to_owned(),
        format!(r"\b{titles}\s+((?:{NAME}\s+)?{NAME})"),
        // A greeting, up to the end of its line or a comma.
        format!(r"(?im:^\s*(?:hi|hello|hey|dear|hallo|liebe|lieber|guten tag|guten morgen|bonjour|salut|cher|chère)\s+)({NAME}(?:\s+{NAME})?)\s*(?:,|!|\.|-|$|\n)"),
        // A signature: the line after the words, or what follows their comma.
        format!(r"(?i:\b(?:(?:kind|best|warm|many)?\s*(?:regards|wishes)|sincerely|cheers|yours|mit freundlichen grüßen|(?:viele|liebe|beste|freundliche)\s+grüße|mfg|lg|vg|cordialement|bien à vous|amicalement|best)\s*[,!.]?\s*[\n-]?\s*)({NAME}(?:\s+{NAME}){{0,2}})\s*(?:$|[\n.,(])"),
        format!(r"(?m)(?:^|\n)\s*[-–—~]\s?({NAME}(?:\s+{NAME})?)\s*$"),
        format!(r"(?i:\b(?:here is|i['’]m|i am)\s+)({NAME}\s+{NAME})\b"),
        format!(r"(?i:\b(?:i['’]m|i am)\s+)({NAME})\s+(?i:from|at|with|and i)\b"),
    ]
    .iter()
    .map(|source| pattern(source))
    .collect()
});

/// Where somebody says a name in Chinese characters: group 1 is the name.
static SAID_HAN: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    [
        r"(?:我叫|我的名字(?:是|叫)|本人(?:叫|姓名)?|名字是|姓名(?:是|为)?[:：]?\s*|收件人(?:是|为)?[:：]?\s*|收货人(?:是|为)?[:：]?\s*|联系人(?:是|为)?[:：]?\s*|客服)(\p{Han}{2,4}?)(?:$|[^\p{Han}]|为您|，|。)",
        r"(?:您好|你好|尊敬的|亲爱的)[，,]?\s*(\p{Han}{1,3}(?:先生|女士|小姐|老师))",
        r"([王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文]\p{Han}{0,2}?(?:先生|女士|小姐))",
    ]
    .iter()
    .map(|source| pattern(source))
    .collect()
});

/// The people of one conversation, each with the ways to write their name.
#[derive(Clone, Default)]
pub(super) struct People {
    /// The name as a whole, in small letters, and its parts.
    known: Vec<(String, Vec<Way>)>,
}

/// One way to write a name. Those of the staff are shared by all conversations.
#[derive(Clone)]
struct Way(Arc<Regex>, Place);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Word,
    Anywhere,
}

impl People {
    /// Learns the names that are given in `text`.
    pub(super) fn listen(&mut self, text: &str) {
        for found in SAID.iter().flat_map(|pattern| pattern.captures_iter(text)) {
            let words: Vec<&str> = found.get(1).map_or("", |name| name.as_str()).split_whitespace().collect();
            let is_no_name =
                |word: &&str| NO_NAMES.contains(&word.to_lowercase().trim_end_matches(['\'', '’']));
            let name: Vec<&str> = words.into_iter().take_while(|word| !is_no_name(word)).collect();
            if !name.is_empty() {
                self.meet(&name.join(" "));
            }
        }
        for found in SAID_HAN.iter().flat_map(|pattern| pattern.captures_iter(text)) {
            if let Some(name) = found.get(1) {
                self.meet(name.as_str());
            }
        }
    }

    pub(super) fn meet(&mut self, name: &str) {
        let view = super::View::of(name).text;
        let name = view.trim();
        let parts: Vec<&str> = name
            .split(|c: char| c.is_whitespace() || matches!(c, ',' | '.' | '_' | '@'))
            .filter(|p| !p.is_empty())
            .collect();
        let whole = parts.join(" ").to_lowercase();
        if parts.is_empty() || whole.len() > 200 || self.known.iter().any(|(known, _)| *known == whole) {
            return;
        }
        let mut ways = Vec::new();
        if parts.len() > 1 {
            let parts: Vec<String> = parts.iter().map(|part| regex::escape(part)).collect();
            ways.push(way(&format!("(?i){}", parts.join(r"[\s.,_-]{0,3}")), name));
            let backwards: Vec<String> = parts.iter().rev().cloned().collect();
            ways.push(way(&format!("(?i){}", backwards.join(r"[\s.,_-]{1,3}")), name));
        }
        ways.extend(parts.iter().filter_map(|part| one(part)));
        // A part that is known already belongs to that person: `Anna` after `Anna Weber`.
        let same =
            self.known.iter().position(|(known, _)| known.split_whitespace().any(|part| part == whole));
        match same {
            Some(at) => self.known[at].1.extend(ways),
            None => self.known.push((whole, ways)),
        }
    }

    pub(super) fn find(&self, text: &str, into: &mut Vec<Find>) {
        for (whole, ways) in &self.known {
            for (way, found) in
                ways.iter().flat_map(|way| way.0.find_iter(text).map(move |found| (way, found)))
            {
                if way.1 == Place::Anywhere || is_word(text, &found.range()) {
                    into.push(Find { range: found.range(), kind: Kind::Name, value: whole.clone() });
                }
            }
        }
    }
}

/// One part of a name by itself; `None` if it says nothing.
fn one(part: &str) -> Option<Way> {
    let han = part.chars().all(is_han);
    let letters = part.chars().filter(|c| c.is_alphabetic()).count();
    let small = part.to_lowercase();
    // A single initial, or a single character that is in many words.
    if letters < 2 || part.chars().any(|c| c.is_ascii_digit() && letters < 3) {
        return None;
    }
    if han {
        return Some(way(&regex::escape(part), part));
    }
    // `Anna from Support`: the words between are everywhere.
    if NO_NAMES.contains(&small.as_str()) {
        return None;
    }
    if WORDS.contains(&small.as_str()) {
        if letters < 3 || matches!(small.as_str(), "admin" | "api" | "von" | "van") {
            return None;
        }
        let mut large = small.chars();
        let first: String = large.next().into_iter().flat_map(char::to_uppercase).collect();
        return Some(way(&regex::escape(&format!("{first}{}", large.as_str())), part));
    }
    Some(way(&format!("(?i){}", regex::escape(part)), part))
}

/// `inside` as the way to write `name`.
fn way(inside: &str, name: &str) -> Way {
    // Chinese is written without blanks.
    let place = if name.chars().any(is_han) { Place::Anywhere } else { Place::Word };
    Way(Arc::new(pattern(inside)), place)
}

/// No letter of ours on either side.
fn is_word(text: &str, range: &std::ops::Range<usize>) -> bool {
    let joins = |c: char| c.is_alphanumeric() && !is_han(c);
    !text[..range.start].chars().next_back().is_some_and(joins)
        && !text[range.end..].chars().next().is_some_and(joins)
}

fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}')
}
