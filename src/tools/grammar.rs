//! Grammars (Lark, as llguidance reads it) for answers made of pieces of a text.

use serde_json::json;

/// At most this many lines where any attribute may be named.
const OPEN_LINES: usize = 16;

/// What is answered when the text says nothing of what was asked.
pub(super) const NONE: &str = "none";

/// Lines `Name: value` in the order of `names`, each at most once, every value a piece of `text`.
pub(super) fn listed(names: &[String], text: &str) -> String {
    let mut grammar = String::from("start: none");
    for n in 0..names.len() {
        grammar.push_str(&format!(" | l{n} t{}", n + 1));
    }
    grammar.push_str(&format!("\nnone: {}\n", json!(NONE)));
    for (n, name) in names.iter().enumerate() {
        grammar.push_str(&format!("l{n}: {} VALUE\n", json!(format!("{name}: "))));
    }
    // After line n, any of the later ones.
    for n in 1..names.len() {
        grammar.push_str(&format!("t{n}: (\"\\n\" l{n})? t{}\n", n + 1));
    }
    grammar.push_str(&format!("t{}: \"\"\n", names.len()));
    grammar + &value(text)
}

/// Lines `Name: value` with names of the model's own choice.
pub(super) fn open(text: &str) -> String {
    let rest = OPEN_LINES - 1;
    format!(
        "start: none | line (\"\\n\" line){{0,{rest}}}\nnone: {none}\nline: NAME \": \" VALUE\n\
         NAME: /[A-Z][A-Za-z]{{1,15}}( [A-Za-z]{{2,15}}){{0,2}}/\n{value}",
        none = json!(NONE),
        value = value(text),
    )
}

/// One question on one line. Three characters may be enough of one: 能退吗？
pub(super) fn question() -> String {
    "start: /[^\\n?？؟]{3,140}[?？؟]/\n".to_owned()
}

fn value(text: &str) -> String {
    format!("VALUE: %regex {}\n", json!({ "substring_chunks": chunks(text) }))
}

/// The pieces a value may begin and end with: words, a plural's last letter by itself ("Caps" holds "Cap"), every other
/// character. Languages that write without spaces are cut by character.
fn chunks(text: &str) -> Vec<&str> {
    let mut cuts = Vec::new();
    let mut before: Option<char> = None;
    for (at, c) in text.char_indices() {
        let inside = before.is_some_and(|b| is_word(b) && is_word(c));
        if at > 0 && !inside {
            cuts.push(at);
        }
        if c == 's' && inside && text[at + 1..].chars().next().is_none_or(|next| !is_word(next)) {
            cuts.push(at);
        }
        before = Some(c);
    }
    cuts.push(text.len());
    let mut from = 0;
    cuts.into_iter().map(|to| &text[std::mem::replace(&mut from, to)..to]).filter(|c| !c.is_empty()).collect()
}

/// True for letters and digits of scripts that set words apart.
fn is_word(c: char) -> bool {
    let without_spaces = matches!(u32::from(c), 0x0E00..=0x0EFF | 0x1000..=0x109F | 0x3040..=0x30FF | 0x3400..=0x9FFF | 0xF900..=0xFAFF | 0x20000..=0x3FFFF);
    c.is_alphanumeric() && !without_spaces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_put_together_are_the_text() {
        let text = "Caps 3.5g, 红色 T-shirt's";
        assert_eq!(chunks(text).concat(), text);
        assert_eq!(chunks("Caps 3.5g 红色"), ["Cap", "s", " ", "3", ".", "5g", " ", "红", "色"]);
    }

    #[test]
    fn a_short_question_can_be_written() {
        let grammar = question();
        insta::assert_snapshot!(grammar, @r"start: /[^\n?？؟]{3,140}[?？؟]/");
        let regex = grammar.trim().trim_start_matches("start: /").trim_end_matches('/');
        let regex = regex::Regex::new(&format!("^(?:{regex})$")).expect("a regular expression");
        for (question, may_be) in [("能退吗？", true), ("Why?", true), ("吗？", false), ("能退\n吗？", false)]
        {
            assert_eq!(regex.is_match(question), may_be, "{question}");
        }
    }

    #[test]
    fn a_listed_grammar_names_each_line_once() {
        let names = ["Brand".to_owned(), "Say \"x\"".to_owned()];
        insta::assert_snapshot!(listed(&names, "a b"), @r#"
        start: none | l0 t1 | l1 t2
        none: "none"
        l0: "Brand: " VALUE
        l1: "Say \"x\": " VALUE
        t1: ("\n" l1)? t2
        t2: ""
        VALUE: %regex {"substring_chunks":["a"," ","b"]}
        "#);
    }
}
