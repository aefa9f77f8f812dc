//! Templates: MiniJinja with front matter, checked when they are loaded.

use std::path::Path;

use minijinja::{Environment, UndefinedBehavior};
use rust_embed::RustEmbed;
use serde::Serialize;

use super::{PromptError, front, language};

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
        let (place, text) = read(name, folder)?;
        Self::parse(name, &place, body(&place, &text)?)
    }

    fn parse(name: &'static str, place: &str, body: &str) -> Result<Self, PromptError> {
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

/// A template with a text for each of several languages: what is said to shoppers without the model's own words. A line
/// `[de]` begins the German one; what comes before the first such line is for every other language.
pub(super) struct Spoken {
    other: Template,
    by_language: Vec<(String, Template)>,
}

impl Spoken {
    /// As [`Template::load`]: a shop's own file wins with all its languages, also where it has only one.
    pub(super) fn load(name: &'static str, folder: &Path) -> Result<Self, PromptError> {
        let (place, text) = read(name, folder)?;
        Self::parse(name, &place, &text)
    }

    fn parse(name: &'static str, place: &str, text: &str) -> Result<Self, PromptError> {
        let mut sections = vec![(String::new(), String::new())];
        for line in body(place, text)?.lines() {
            if let Some(language) = heading(line) {
                sections.push((language.to_owned(), String::new()));
            } else if let Some((_, text)) = sections.last_mut() {
                text.push_str(line);
                text.push('\n');
            }
        }
        let mut templates: Vec<(String, Template)> = Vec::new();
        for (language, text) in sections {
            let place = if language.is_empty() { place.to_owned() } else { format!("{place} [{language}]") };
            if text.trim().is_empty() {
                let fault =
                    "the text is missing; what comes before the first `[xx]` is for every other language";
                return Err(PromptError::new(place, fault));
            }
            if templates.iter().any(|(known, _)| *known == language) {
                return Err(PromptError::new(place, "this language is there twice; take one out"));
            }
            templates.push((language, Template::parse(name, &place, text.trim())?));
        }
        let (_, other) = templates.remove(0);
        Ok(Self { other, by_language: templates })
    }

    /// The text in `language` (`de`, `de-AT`), or the one for languages that have none.
    pub(super) fn in_language(&self, language: &str) -> &Template {
        let main = language::main(language).to_lowercase();
        self.by_language
            .iter()
            .find(|(known, _)| *known == main)
            .map_or(&self.other, |(_, template)| template)
    }
}

/// The language that the line `[de]` names.
fn heading(line: &str) -> Option<&str> {
    let name = line.trim().strip_prefix('[')?.strip_suffix(']')?;
    ((2..=3).contains(&name.len()) && name.chars().all(|c| c.is_ascii_lowercase())).then_some(name)
}

/// The place and the text of the template `name`.
fn read(name: &str, folder: &Path) -> Result<(String, String), PromptError> {
    let file = format!("{name}.md");
    let own = folder.join(&file);
    if !folder.as_os_str().is_empty() && own.is_file() {
        let text = fs_err::read_to_string(&own)
            .map_err(|fault| PromptError::new(own.display(), fault.to_string()))?;
        return Ok((own.display().to_string(), text));
    }
    let built_in = BuiltIn::get(&file).ok_or_else(|| PromptError::new(&file, "there is no such template"))?;
    Ok((format!("prompts/{file}"), String::from_utf8_lossy(&built_in.data).into_owned()))
}

/// What comes after the front matter.
fn body<'a>(place: &str, text: &'a str) -> Result<&'a str, PromptError> {
    let ([_purpose], body) =
        front::split(text, ["purpose"]).map_err(|fault| PromptError::new(place, fault))?;
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_name_the_place_and_the_line() {
        let fault = |text| {
            let parsed = body("prompts/turn.md", text)
                .and_then(|body| Template::parse("turn", "prompts/turn.md", body));
            parsed.err().expect("a fault").to_string()
        };
        insta::assert_snapshot!(fault("Hello"), @"prompts/turn.md: it must begin with front matter between two lines of `---`");
        assert!(fault("---\npurpose: x\n---\n{% if %}").starts_with("prompts/turn.md: syntax error"));
    }

    #[test]
    fn an_unknown_name_is_an_error_not_a_blank() {
        let template = Template::parse("turn", "p", "{{ nobody }}").expect("parses");
        assert!(template.render(serde_json::json!({})).is_err());
    }

    #[test]
    fn a_text_is_said_in_the_language_there_is_one_for() {
        let parse = |text: &str| Spoken::parse("unknown", "p", &format!("---\npurpose: x\n---\n{text}"));
        let spoken = parse("Hm.\n[sic] is no heading\n[de]\nÄhm.\n\n[fr]\nEuh.\n").expect("parses");
        let says = |language| spoken.in_language(language).render(()).expect("renders");
        assert_eq!(says("de-AT"), "Ähm.");
        assert_eq!((says("fr"), says("en")), ("Euh.".to_owned(), "Hm.\n[sic] is no heading".to_owned()));
        let fault = |text| parse(text).err().expect("a fault").to_string();
        assert!(fault("[de]\nÄhm.").starts_with("p: the text is missing; "));
        assert!(fault("Hm.\n[de]\n\n[fr]\nEuh.").starts_with("p [de]: the text is missing; "));
        assert_eq!(fault("Hm.\n[de]\nÄhm.\n[de]\nÄh."), "p [de]: this language is there twice; take one out");
    }

    #[test]
    fn every_language_has_as_many_answers() {
        let values = serde_json::json!({"shop": {"assistant": "Wren"}});
        for name in ["unknown", "not_understood", "small_talk"] {
            let spoken = Spoken::load(name, Path::new("")).expect("loads");
            let said = |language| spoken.in_language(language).render(&values).expect("renders");
            let english = said("en");
            for language in ["de", "fr", "es", "it", "nl", "pt", "zh"] {
                let other = said(language);
                assert_ne!(other, english, "{name} {language}");
                assert_eq!(other.lines().count(), english.lines().count(), "{name} {language}");
            }
        }
    }
}
