//! Which language a shopper writes, and how the words of the shop's are found.

use bm25::Language;
use whatlang::Lang;

/// The English name of the language of `text`, if it is surely not that of the shop (`code`, ISO 639-1).
pub(super) fn foreign(text: &str, code: &str) -> Option<&'static str> {
    let info = whatlang::detect(text)?;
    let home = of_code(code);
    // A short text in the shop's own script is too easily mistaken.
    let sure = info.is_reliable() && info.confidence() > 0.9 && text.chars().count() >= 24;
    let other_script = home.is_some_and(|home| {
        whatlang::detect_script(text).is_some_and(|script| !script.langs().contains(&home))
    });
    (Some(info.lang()) != home && (sure || other_script)).then(|| info.lang().eng_name())
}

/// The English name of the language `code`; the code itself where it is not known.
pub(super) fn name(code: &str) -> &str {
    of_code(code).map_or(code, |language| language.eng_name())
}

/// Whose endings and small words count for nothing where the shop's texts (`code`) are searched. English for a language that
/// the search knows nothing of: its words are found as they are.
pub fn of_words(code: &str) -> Language {
    match main(code) {
        "ar" => Language::Arabic,
        "da" => Language::Danish,
        "de" => Language::German,
        "el" => Language::Greek,
        "es" => Language::Spanish,
        "fr" => Language::French,
        "hu" => Language::Hungarian,
        "it" => Language::Italian,
        "nb" | "nn" | "no" => Language::Norwegian,
        "nl" => Language::Dutch,
        "pt" => Language::Portuguese,
        "ro" => Language::Romanian,
        "ru" => Language::Russian,
        "sv" => Language::Swedish,
        "ta" => Language::Tamil,
        "tr" => Language::Turkish,
        _ => Language::English,
    }
}

/// `de` of `de-AT`.
pub(super) fn main(code: &str) -> &str {
    code.split(['-', '_']).next().unwrap_or_default()
}

fn of_code(code: &str) -> Option<Lang> {
    Lang::from_code(match main(code) {
        "en" => "eng",
        "zh" => "cmn",
        "ar" => "ara",
        "de" => "deu",
        "fr" => "fra",
        "es" => "spa",
        "it" => "ita",
        "pt" => "por",
        "nl" => "nld",
        "ja" => "jpn",
        "ko" => "kor",
        "ru" => "rus",
        "tr" => "tur",
        "pl" => "pol",
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_does_not_change_the_language() {
        assert_eq!((of_words("de-AT"), of_words("de")), (Language::German, Language::German));
        assert_eq!((of_words("zh"), of_words("")), (Language::English, Language::English));
        assert_eq!((name("de-AT"), name("xx")), ("German", "xx"));
    }

    #[test]
    fn foreign_languages_are_named_and_the_shops_own_is_not() {
        assert_eq!(foreign("Can I return shoes I have worn?", "en"), None);
        assert_eq!(foreign("hi", "en"), None);
        assert_eq!(foreign("退货政策是什么?", "en"), Some("Mandarin"));
        assert_eq!(
            foreign("Kann ich getragene Schuhe zurückgeben, wenn sie nicht passen?", "en"),
            Some("German")
        );
    }
}
