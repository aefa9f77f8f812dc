//! What the tools ask the model: the only wording of it, shared by serving and by training.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;
use sha2::{Digest, Sha256};

use super::template::{BuiltIn, Template};
use super::{PromptError, Settings};
use crate::domain::prompt::{Message, Role};

/// The wording of the tools, and which attributes belong to a category.
pub struct ToolPrompts {
    extract: Template,
    sentiment: Template,
    question: Template,
    attributes: BTreeMap<String, Vec<String>>,
    fingerprint: String,
}

/// What an extraction asks for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    pub text: &'a str,
    pub category: Option<&'a str>,
    /// Empty means: any.
    pub attributes: &'a [String],
}

impl ToolPrompts {
    /// Loads the templates (the shop's own in `settings.prompts` win) and the lists (`attributes.toml` in the shop's folder
    /// adds to the built-in ones).
    pub fn load(settings: &Settings) -> Result<Self, PromptError> {
        let extract = Template::load("extract", &settings.prompts)?;
        let sentiment = Template::load("sentiment", &settings.prompts)?;
        let question = Template::load("question", &settings.prompts)?;
        let mut hash = Sha256::new();
        for part in [extract.source(), sentiment.source(), question.source()] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        let built_in = BuiltIn::get("attributes.toml").map(|file| file.data.into_owned()).unwrap_or_default();
        let mut attributes = lists("prompts/attributes.toml", &String::from_utf8_lossy(&built_in))?;
        attributes.extend(own_lists(&settings.folder)?);
        hash.update(json!(attributes).to_string().as_bytes());
        let prompts = Self {
            extract,
            sentiment,
            question,
            attributes,
            fingerprint: hex::encode(hash.finalize())[..16].to_owned(),
        };
        prompts.extract(&Wanted { text: "x", category: Some("x"), attributes: &["x".to_owned()] })?;
        prompts.sentiment("x")?;
        prompts.question("x", Some("x"))?;
        Ok(prompts)
    }

    /// The first 16 hex digits of the SHA-256 of the templates and the lists.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The attributes of a category, matched without regard to case; `None` if it is not known.
    pub fn attributes_of(&self, category: &str) -> Option<&[String]> {
        let wanted = category.trim().to_lowercase();
        self.attributes
            .iter()
            .find(|(name, _)| name.to_lowercase() == wanted)
            .map(|(_, attributes)| attributes.as_slice())
    }

    pub fn extract(&self, wanted: &Wanted<'_>) -> Result<Vec<Message>, PromptError> {
        let Wanted { text, category, attributes } = wanted;
        self.ask(&self.extract, &json!({ "text": text, "category": category, "attributes": attributes }))
    }

    pub fn sentiment(&self, text: &str) -> Result<Vec<Message>, PromptError> {
        self.ask(&self.sentiment, &json!({ "text": text }))
    }

    pub fn question(&self, answer: &str, title: Option<&str>) -> Result<Vec<Message>, PromptError> {
        self.ask(&self.question, &json!({ "answer": answer, "title": title }))
    }

    /// A system message of our own: without one, a model's template may put in a long one of its maker's.
    fn ask(&self, template: &Template, values: &serde_json::Value) -> Result<Vec<Message>, PromptError> {
        let asked = template.render(values)?;
        Ok(vec![Message::new(Role::System, SYSTEM), Message::new(Role::User, asked)])
    }
}

const SYSTEM: &str = "You are a careful shop clerk.";

fn own_lists(folder: &Path) -> Result<BTreeMap<String, Vec<String>>, PromptError> {
    let path = folder.join("attributes.toml");
    if folder.as_os_str().is_empty() || !path.is_file() {
        return Ok(BTreeMap::new());
    }
    let text = fs_err::read_to_string(&path).map_err(|fault| PromptError::new(path.display(), fault))?;
    lists(path.display(), &text)
}

fn lists(place: impl ToString, text: &str) -> Result<BTreeMap<String, Vec<String>>, PromptError> {
    let lists: BTreeMap<String, Vec<String>> =
        toml::from_str(text).map_err(|fault| PromptError::new(place.to_string(), fault))?;
    if let Some((name, _)) = lists.iter().find(|(_, list)| list.is_empty()) {
        return Err(PromptError::new(place, format!("the list of `{name}` is empty; name its attributes")));
    }
    Ok(lists)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompts() -> ToolPrompts {
        ToolPrompts::load(&Settings::default()).expect("the built-in prompts load")
    }

    #[test]
    fn the_wording_of_the_tools() {
        let prompts = prompts();
        let names = ["Brand".to_owned(), "Color".to_owned()];
        let wanted = Wanted { text: "Nike red shoe", category: Some("Shoes"), attributes: &names };
        let asked = |messages: Vec<Message>| messages.last().map(|m| m.content.clone()).unwrap_or_default();
        insta::assert_snapshot!(asked(prompts.extract(&wanted).expect("renders")), @r#"
        Copy these attributes of the product from its text, one a line, and leave out what the text does not say: Brand, Color.
        Category: Shoes
        Text: Nike red shoe
        "#);
        insta::assert_snapshot!(asked(prompts.sentiment("It broke.").expect("renders")), @r"
        Is the customer's opinion positive, neutral or negative? Answer with one word.
        Customer: It broke.
        ");
        insta::assert_snapshot!(asked(prompts.question("Within 30 days.", Some("Returns")).expect("renders")), @r"
        About: Returns
        Answer: Within 30 days.
        Write the short question of a shopper that this answer answers.
        ");
    }

    #[test]
    fn categories_are_found_whatever_their_case() {
        assert!(prompts().attributes_of(" coffee ").is_some_and(|list| list.contains(&"Brand".to_owned())));
        assert!(prompts().attributes_of("submarines").is_none());
    }

    #[test]
    fn an_empty_list_is_refused_with_its_name() {
        let fault = lists("attributes.toml", "Shoes = []").expect_err("a fault").to_string();
        assert_eq!(fault, "attributes.toml: the list of `Shoes` is empty; name its attributes");
    }
}
