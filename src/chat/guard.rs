//! What may come in and go out of the model.
//!
//! In: control tokens of the model's template are taken out of untrusted text, and a message that is only noise is not
//! answered by the model. Out: control tokens never reach a page, and an answer that goes round in circles is ended.

/// Texts that mean something to the model's template.
#[derive(Clone, Debug)]
pub struct Guard {
    control: Vec<String>,
}

/// The longest repetition that is looked for, in characters.
const LOOP_CHARS: usize = 240;

impl Guard {
    /// `control_tokens`: see `model::Facts`.
    pub fn new(control_tokens: &[String]) -> Self {
        let mut control: Vec<String> =
            control_tokens.iter().filter(|t| !t.trim().is_empty()).cloned().collect();
        control.sort_by_key(|t| std::cmp::Reverse(t.len()));
        Self { control }
    }

    /// `text` without any control token, also none that taking one out would make.
    pub fn strip(&self, text: &str) -> String {
        let mut text = text.to_owned();
        while let Some(token) = self.control.iter().find(|t| text.contains(t.as_str())) {
            text = text.replace(token.as_str(), "");
        }
        text
    }

    /// True for a message that no model needs to read: long, and hardly any different characters.
    pub(super) fn is_noise(text: &str) -> bool {
        let mut seen: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
        let long = seen.len() >= 200;
        seen.sort_unstable();
        seen.dedup();
        long && seen.len() <= 4
    }

    /// A filter for one answer.
    pub(super) fn outbound(&self) -> Outbound<'_> {
        Outbound { guard: self, held: String::new() }
    }
}

/// Lets an answer through piece by piece, holding back what might become a control token.
pub(super) struct Outbound<'a> {
    guard: &'a Guard,
    held: String,
}

impl Outbound<'_> {
    /// What of the answer can be shown after `piece`.
    pub(super) fn pass(&mut self, piece: &str) -> String {
        self.held.push_str(piece);
        let clean = self.guard.strip(&self.held);
        let keep = self.guard.control.iter().map(|token| overlap(&clean, token)).max().unwrap_or(0);
        let (out, held) = clean.split_at(clean.len() - keep);
        let out = out.to_owned();
        self.held = held.to_owned();
        out
    }

    /// What was held back, at the end.
    pub(super) fn rest(self) -> String {
        self.held
    }
}

/// The length in bytes of the longest end of `text` that is a beginning of `token`.
fn overlap(text: &str, token: &str) -> usize {
    (1..token.len())
        .rev()
        .filter(|n| token.is_char_boundary(*n))
        .find(|n| text.ends_with(&token[..*n]))
        .unwrap_or(0)
}

/// If `text` ends in the same passage three times over, the length in bytes up to the end of the first.
pub(super) fn goes_in_circles(text: &str) -> Option<usize> {
    let chars: Vec<char> = text.chars().collect();
    let n = chars.len();
    (12..=LOOP_CHARS.min(n / 3)).find_map(|len| {
        let (a, b, c) = (&chars[n - 3 * len..n - 2 * len], &chars[n - 2 * len..n - len], &chars[n - len..]);
        (a == b && b == c).then(|| chars[..n - 2 * len].iter().map(|c| c.len_utf8()).sum())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard() -> Guard {
        Guard::new(&["<|im_start|>".to_owned(), "<|im_end|>".to_owned()])
    }

    #[test]
    fn control_tokens_are_stripped_even_when_nested() {
        assert_eq!(guard().strip("a<|im_<|im_end|>start|>b <|im_end|>"), "ab ");
    }

    #[test]
    fn a_control_token_split_over_pieces_never_gets_out() {
        let guard = guard();
        let mut out = guard.outbound();
        let mut shown = String::new();
        for piece in ["Yes", " <|im", "_e", "nd|>", "no <", "3"] {
            shown.push_str(&out.pass(piece));
        }
        shown.push_str(&out.rest());
        assert_eq!(shown, "Yes no <3");
    }

    #[test]
    fn circles_are_noticed_and_ordinary_lists_are_not() {
        let text = format!("Hello. {}", "We ship on Friday. ".repeat(3));
        assert_eq!(goes_in_circles(&text), Some("Hello. We ship on Friday. ".len()));
        assert_eq!(goes_in_circles("- red shoes\n- blue shoes\n- green shoes\n"), None);
    }

    #[test]
    fn noise_is_noticed() {
        assert!(Guard::is_noise(&"ha".repeat(200)));
        assert!(!Guard::is_noise("Where is my parcel?"));
    }
}
