//! Postal addresses: a street with its number, a place with its code, a box.
//!
//! Conservative: a code or a place alone is only taken where a street or a word such as `postcode` stands before it.

use std::sync::LazyLock;

use regex::Regex;

use super::links::pattern;
use super::{Find, Kind};

/// A capitalised word, with what may be inside it.
const NAME: &str = r"\p{Lu}[\p{L}'’.-]*";
/// A flat, a floor, a state and code, a code and place: what follows a street.
const AFTER: &str = r"(?:(?i:\s*,?\s*(?:apt|apartment|unit|flat|suite|ste|floor|fl|room|rm|whg|wohnung|etage|appt|bât|bâtiment|hinterhaus)\.?\s*\#?\s*[0-9A-Z]{1,5}\b))*";

static PATTERNS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let usual = "Street|St|Avenue|Ave|Av|Road|Rd|Lane|Ln|Boulevard|Blvd|Terrace|Parkway|Pkwy|Highway|Hwy|Crescent|Gardens|Mews";
    let rare =
        "Drive|Dr|Court|Ct|Way|Place|Pl|Square|Sq|Close|Row|Circle|Cir|Hill|Walk|Loop|Trail|Grove|Park|View";
    let place = format!(
        r"(?:\s*[,\n]?\s*(?:{NAME}(?:\s{NAME}){{0,2}}\s*,?\s*)?(?:[A-Z]{{2}}\s+[0-9]{{5}}(?:-[0-9]{{4}})?\b|[A-Z]{{1,2}}[0-9][A-Z0-9]?\s?[0-9][A-Z]{{2}}\b|[A-Z][0-9][A-Z]\s?[0-9][A-Z][0-9]\b))?"
    );
    let code_place =
        format!(r"(?:\s*[,\n]?\s*(?:in\s+)?(?:[A-Z]{{1,2}}-)?[0-9]{{4,5}}\s+{NAME}(?:[ -]{NAME}){{0,2}})?");
    let road = r"(?i:stra(?:ß|ss)e|str\.?)\s*";
    let german =
        r"(?:weg|platz|allee|gasse|damm|ufer|chaussee|steig|Weg|Platz|Allee|Gasse|Damm|Ufer|Ring)\s+";
    let rare_german = r"(?:ring|markt|berg|hof|graben|wall|promenade|garten|feld|tor|brücke)\s+";
    let house = r"[0-9]{1,4}\s?(?:[a-h]\b)?(?:\s?[-/]\s?[0-9]{1,4}\s?[a-h]?\b)?";
    let code = format!(r"\s*[,\n]?\s*(?:in\s+)?(?:[A-Z]{{1,2}}-)?[0-9]{{4,5}}\s+{NAME}");
    let weekday = "Montag|Dienstag|Mittwoch|Donnerstag|Freitag|Samstag|Sonntag|Januar|Februar|März|April|Mai|Juni|Juli|August|September|Oktober|November|Dezember|Tag|Ende|Anfang";
    [
        // 221B Baker Street, 12 rue-like words excluded below; number, up to four words, kind of street.
        format!(r"\b[0-9]{{1,5}}[A-Za-z]?,?\s+(?:(?:N|S|E|W|North|South|East|West)\.?\s+)?(?:{NAME}\s+|[0-9]{{1,3}}(?:st|nd|rd|th)\s+){{1,4}}(?:{usual}|{rare})\b\.?{AFTER}{place}"),
        format!(r"\b[0-9]{{1,5}}[A-Za-z]?,?\s+[0-9]{{1,3}}(?:st|nd|rd|th)\s+(?i:{usual})\b\.?{AFTER}{place}"),
        r"\b[0-9]{1,5}\s+Broadway\b".to_owned(),
        // In small letters, as in a chat: only where the address ends there.
        format!(r"(?i)\b[0-9]{{1,5}}[a-z]?,?\s+(?:[a-z'’-]+\s+){{1,3}}(?:{usual})\b\.?(?:\s*(?:$|[,.;\n!?])|\s+(?:in|apt|unit|flat|suite)\b)"),
        // Lange Straße 12, Hauptstr. 5a, Am Markt 3, with code and place.
        format!(r"(?:{NAME}[ -]){{0,2}}[\p{{L}}-]*{road}{house}{AFTER}{code_place}"),
        format!(r"(?:{NAME}[ -]){{0,2}}\p{{Lu}}[\p{{L}}-]*[ -]?{german}{house}{AFTER}{code_place}"),
        format!(r"(?:{NAME}[ -]){{0,2}}\p{{Lu}}[\p{{L}}-]*{rare_german}{house}{code}"),
        format!(r"\b(?:Am|An der|An den|Auf der|Auf dem|Im|In der|Zum|Zur|Unter den|Unter der)\s+{NAME}\s+[0-9]{{1,4}}\s?[a-h]?{code_place}"),
        // 12 bis, rue de la Paix, 75002 Paris.
        format!(r"(?i:\b[0-9]{{1,4}}\s?(?:bis|ter|quater)?\b\s*,?\s*(?:rue|avenue|av\.|boulevard|bd|bld|place|impasse|allée|chemin|quai|route|cours|square|passage|faubourg)\s+)(?i:(?:de\s+la\s+|de\s+l['’]\s*|du\s+|des\s+|de\s+|d['’]\s*|la\s+|le\s+|les\s+)?)[\p{{L}}'’-]+(?:[ -]{NAME}|[ -](?:de|du|des|la|le|et)\b){{0,4}}{AFTER}{code_place}"),
        // Springfield, IL 62704
        format!(r"{NAME}(?:\s{NAME}){{0,2}},\s*(?:A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|PA|RI|S[CD]|T[NX]|UT|V[AT]|W[AIVY])\s+[0-9]{{5}}(?:-[0-9]{{4}})?\b"),
        // Codes of the United Kingdom and of Canada, with their blank.
        r"\b(?:[A-PR-UWYZ][0-9][0-9A-HJKPSTUW]?|[A-PR-UWYZ][A-HK-Y][0-9][0-9ABEHMNPRVWXY]?) [0-9][ABD-HJLNP-UW-Z]{2}\b".to_owned(),
        r"\b[ABCEGHJ-NPRSTVXY][0-9][ABCEGHJ-NPRSTV-Z] [0-9][ABCEGHJ-NPRSTV-Z][0-9]\b".to_owned(),
        // A code and a place on a line of their own, or after a comma.
        format!(r"(?m)(?:^|,)\s*(?:D-|A-|CH-|F-)?[0-9]{{5}}\s+{NAME}(?:[ -]{NAME}){{0,2}}\s*(?:$|[.,])"),
        r"(?i)\b(?:zip|zip ?code|postal ?code|post ?code|plz|postleitzahl|code postal|cp)\b(?:\s*(?:is|ist|est|lautet))?\s*[:=]?\s*([A-Z]{0,2}[0-9][A-Z0-9]{1,4}(?:[ -][0-9][A-Z0-9]{2,3})?)\b".to_owned(),
        r"邮编(?:是|为)?\s*[:：]?\s*([0-9]{6})".to_owned(),
        r"(?i)\b(?:p\.?\s?o\.?\s?box|postfach|packstation|boîte postale|b\.?p\.)\s*[0-9]{1,6}".to_owned(),
        // 浙江省杭州市西湖区文三路90号5栋301室
        r"(?:\p{Han}{2,8}(?:省|自治区))?(?:\p{Han}{2,8}市)?(?:\p{Han}{1,8}(?:区|县))?(?:\p{Han}{2,8}(?:镇|乡|街道))?\p{Han}{1,10}(?:路|街|大道|道|巷|弄|胡同)\s?[0-9]{1,5}\s?(?:号|弄)?(?:\s?(?:\p{Han}{0,10}?)[0-9A-Za-z-]{1,6}\s?(?:号楼|栋|幢|座|单元|室|楼|层|号|房))*".to_owned(),
        r"\p{Han}{2,10}(?:小区|花园|公寓|大厦|新村)\s?[0-9A-Za-z-]{1,6}\s?(?:号楼|栋|幢|座|单元|室|号)(?:\s?[0-9A-Za-z-]{1,6}\s?(?:单元|室|层|楼|号))*".to_owned(),
    ]
    .iter()
    .map(|source| pattern(source))
    .chain([pattern(&format!(r"^(?:{weekday})"))])
    .collect()
});

pub(super) fn find(text: &str, into: &mut Vec<Find>) {
    let Some((calendar, patterns)) = PATTERNS.split_last() else { return };
    // Where a pattern has a group, the words around it stay.
    let found = patterns.iter().flat_map(|pattern| pattern.captures_iter(text));
    for found in found.filter_map(|found| found.get(1).or_else(|| found.get(0))) {
        // `Am Montag 12` is a day.
        let words: Vec<&str> = found.as_str().split_whitespace().collect();
        let is_day =
            words.iter().take(3).any(|word| calendar.is_match(word)) && !found.as_str().contains("tr");
        if is_day || is_price(text, found.end()) {
            continue;
        }
        let trimmed = found.as_str().trim_end_matches([' ', ',', '.', ';', '\n', '!', '?']);
        let lead = trimmed.len() - trimmed.trim_start_matches([' ', ',', '\n']).len();
        into.push(Find::new(Kind::Address, found.start() + lead..found.start() + trimmed.len(), text));
    }
}

/// True if what comes next makes the number before it an amount.
fn is_price(text: &str, at: usize) -> bool {
    static UNIT: LazyLock<Regex> = LazyLock::new(|| {
        pattern(r"(?i)^\s?(?:€|\$|£|¥|%|euro|eur|usd|cm|mm|km|kg|stück|uhr|personen|jahre|tage|元|件|个|天)")
    });
    UNIT.is_match(&text[at..])
}
