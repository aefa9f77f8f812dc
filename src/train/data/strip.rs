//! What somebody wrote is text: the control tokens of the model are taken out of it before it is put into the template, as the
//! server does with what a shopper writes.

use tokenizers::Tokenizer;

/// The texts that the tokenizer turns into control tokens, longest first.
#[derive(Clone, Debug)]
pub(super) struct Strip(Vec<String>);

impl Strip {
    pub(super) fn new(tokenizer: &Tokenizer) -> Self {
        let special = tokenizer.get_added_tokens_decoder().into_values().filter(|t| t.special);
        let mut control: Vec<String> = special.map(|t| t.content).filter(|t| !t.trim().is_empty()).collect();
        control.sort_by_key(|t| std::cmp::Reverse(t.len()));
        Self(control)
    }

    /// `text` without any control token, also none that taking one out would make.
    pub(super) fn clean(&self, text: &str) -> String {
        let mut text = text.to_owned();
        while let Some(token) = self.0.iter().find(|t| text.contains(t.as_str())) {
            text = text.replace(token.as_str(), "");
        }
        text
    }
}
