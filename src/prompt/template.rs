//! Templates: MiniJinja with front matter, checked when they are loaded.

use std::path::Path;

use minijinja::{Environment, UndefinedBehavior};
use rust_embed::RustEmbed;
use serde::Serialize;

use super::{PromptError, front};

/// `prompts/`, as it was when the program was built.
#[derive(RustEmbed)]
#[folder = "prompts/"]
pub(super) struct BuiltIn;

/// A checked template.
pub(super) struct Template {
    name: &'static str,
    env: Environment<'static>,
    source: String,
}

impl Template {
    /// The template `name` from `folder`, if it has one of its own, else the built-in one.
    pub(super) fn load(name: &'static str, folder: &Path) -> Result<Self, PromptError> {
        let file = format!("{name}.md");
        let own = folder.join(&file);
        let (place, text) = if !folder.as_os_str().is_empty() && own.is_file() {
            let text = fs_err::read_to_string(&own)
                .map_err(|fault| PromptError::new(own.display(), fault.to_string()))?;
            (own.display().to_string(), text)
        } else {
            let built_in =
                BuiltIn::get(&file).ok_or_else(|| PromptError::new(&file, "there is no such template"))?;
            (format!("prompts/{file}"), String::from_utf8_lossy(&built_in.data).into_owned())
        };
        Self::parse(name, &place, &text)
    }

    fn parse(name: &'static str, place: &str, text: &str) -> Result<Self, PromptError> {
        let ([_purpose], body) =
            front::split(text, ["purpose"]).map_err(|fault| PromptError::new(place, fault))?;
        let mut env = Environment::new();
        env.set_undefined_behavior(UndefinedBehavior::Strict);
        env.set_trim_blocks(true);
        env.set_lstrip_blocks(true);
        env.add_template_owned(name, body.to_owned())
            .map_err(|fault| PromptError::new(place, format!("{fault:#}")))?;
        Ok(Self { name, env, source: body.to_owned() })
    }

    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// Fills in `values`; a name that the template uses and `values` lacks is an error.
    pub(super) fn render(&self, values: impl Serialize) -> Result<String, PromptError> {
        self.env
            .get_template(self.name)
            .and_then(|template| template.render(values))
            .map(|text| text.trim().to_owned())
            .map_err(|fault| PromptError::new(self.name, format!("{fault:#}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_name_the_place_and_the_line() {
        let fault =
            |text| Template::parse("turn", "prompts/turn.md", text).err().expect("a fault").to_string();
        insta::assert_snapshot!(fault("Hello"), @"prompts/turn.md: it must begin with front matter between two lines of `---`");
        assert!(fault("---\npurpose: x\n---\n{% if %}").starts_with("prompts/turn.md: syntax error"));
    }

    #[test]
    fn an_unknown_name_is_an_error_not_a_blank() {
        let template = Template::parse("turn", "p", "---\npurpose: x\n---\n{{ nobody }}").expect("parses");
        assert!(template.render(serde_json::json!({})).is_err());
    }
}
