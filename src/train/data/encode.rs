//! A row as tokens, and which of them are learnt.
//!
//! The mask is a difference of prefixes: what the model is shown before it answers (the messages so far and the opening of an
//! answer) must be the beginning of what stands there after it has answered; the rest, up to and with the end of turn, is
//! learnt. A template that rewrites earlier turns (some drop their thinking) breaks that for all but the last answer; such a row
//! becomes several examples, each exactly as the model meets it when it serves.

use std::path::Path;

use tokenizers::Tokenizer;

use super::DataError;
use super::strip::Strip;
use super::template::{ChatTemplate, End};
use crate::domain::run::{Row, RowBody, RowMessage};
use crate::train::example::Example;

/// Turns rows into examples for one model.
pub struct Encoder {
    tokenizer: Tokenizer,
    template: Option<ChatTemplate>,
    strip: Strip,
}

impl Encoder {
    /// Reads the tokenizer and the chat template of a model folder. `now`: see [`ChatTemplate::load`].
    ///
    /// # Errors
    /// A file that is missing or cannot be read, by name. A missing template is an error only for dialogues.
    pub fn load(folder: &Path, now: u64) -> Result<Self, DataError> {
        let file = folder.join("tokenizer.json");
        if !file.is_file() {
            return Err(DataError::file(
                file,
                "no such file; `shopclerk model check` tells what a model needs",
            ));
        }
        let mut tokenizer =
            Tokenizer::from_file(&file).map_err(|fault| DataError::file(&file, fault.to_string()))?;
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(|fault| DataError::file(&file, fault.to_string()))?;
        let template = match ChatTemplate::load(folder, now) {
            Ok(template) => Some(template),
            Err(DataError::File { problem, .. }) if problem.starts_with("no `chat_template`") => None,
            Err(fault) => return Err(fault),
        };
        let strip = Strip::new(&tokenizer);
        Ok(Self { tokenizer, template, strip })
    }

    /// The examples of a row, whole: usually one. Tokens after the last answer are left out, since nothing is learnt from them.
    ///
    /// # Errors
    /// In words, without the row's text: nothing to learn, or a template that refuses it.
    pub fn encode(&self, row: &Row) -> Result<Vec<Example>, String> {
        match &row.body {
            RowBody::Text(text) => {
                let ids = self.ids(&self.strip.clean(text))?;
                let targets = (0..ids.len()).map(|n| n > 0).collect();
                if ids.len() < 2 {
                    return Err("a text of less than two tokens teaches nothing".to_owned());
                }
                Ok(vec![Example { ids, targets }])
            }
            RowBody::Messages(messages) => self.dialogue(messages),
        }
    }

    fn dialogue(&self, messages: &[RowMessage]) -> Result<Vec<Example>, String> {
        let template =
            self.template.as_ref().ok_or("the model's folder has no chat template; train on plain text")?;
        let messages: Vec<RowMessage> = messages
            .iter()
            .map(|m| RowMessage { content: self.strip.clean(&m.content), ..m.clone() })
            .collect();
        let mut open: Vec<usize> = (0..messages.len()).filter(|i| messages[*i].is_target()).collect();
        if open.is_empty() {
            return Err("nothing to learn: no message of the assistant is a target".to_owned());
        }
        let turns = open
            .iter()
            .map(|i| {
                let before = template.render(&messages[..*i], End::Asked)?;
                let through = template.render(&messages[..=*i], End::Said)?;
                if !through.starts_with(&before) {
                    return Err(format!(
                        "message {}: the chat template does not show an answer after the opening it asks with, so there is \
                         no telling what to learn",
                        i + 1
                    ));
                }
                Ok((*i, before, through))
            })
            .collect::<Result<Vec<_>, String>>()?;
        let mut examples = Vec::new();
        while let Some(last) = open.last().copied() {
            let shown: Vec<_> = turns.iter().filter(|(i, ..)| open.contains(i)).collect();
            let (example, taken) = self.together(&shown)?;
            open.retain(|i| *i != last && !taken.contains(i));
            examples.push(example);
        }
        examples.reverse();
        Ok(examples)
    }

    /// One example that ends with the last of `turns`, and which turns it teaches.
    fn together(&self, turns: &[&(usize, String, String)]) -> Result<(Example, Vec<usize>), String> {
        let Some(((last, before, through), earlier)) = turns.split_last().map(|(last, rest)| (*last, rest))
        else {
            return Ok((Example::default(), Vec::new()));
        };
        // Tokenised in two pieces: the model is asked with the first and makes the second, token by token.
        let mut ids = self.ids(before)?;
        let asked = ids.len();
        ids.extend(self.ids(&through[before.len()..])?);
        let mut targets = vec![false; ids.len()];
        targets[asked..].fill(true);
        let mut taken = vec![*last];
        for (i, before, through) in earlier {
            let (from, to) = (self.ids(before)?, self.ids(through)?);
            if ids[..asked].starts_with(&to) && to.starts_with(&from) {
                targets[from.len()..to.len()].fill(true);
                taken.push(*i);
            }
        }
        if let Some(first) = targets.first_mut() {
            *first = false;
        }
        Ok((Example { ids, targets }, taken))
    }

    fn ids(&self, text: &str) -> Result<Vec<u32>, String> {
        let encoding = self.tokenizer.encode_fast(text, false);
        encoding.map(|e| e.get_ids().to_vec()).map_err(|fault| format!("the tokenizer refuses it: {fault}"))
    }

    /// Pieces of an example's text in order, each with whether it is learnt.
    ///
    /// # Errors
    /// Ids that the tokenizer does not know.
    pub fn pieces(&self, example: &Example) -> Result<Vec<(String, bool)>, String> {
        let mut pieces = Vec::new();
        let mut at = 0;
        for run in example.targets.chunk_by(|a, b| a == b) {
            let ids = &example.ids[at..at + run.len()];
            let text = self.tokenizer.decode(ids, false).map_err(|fault| fault.to_string())?;
            pieces.push((text, run[0]));
            at += run.len();
        }
        Ok(pieces)
    }
}
