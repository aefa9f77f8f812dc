//! What the shop says about itself: data, not code.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{PromptError, front};
use crate::domain::ShopWords;

/// Products that one text names, at most.
const NAMED: usize = 4;

/// The whole shop: `shop.toml`, `policies/*.md`, `products.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shop {
    pub profile: Profile,
    pub policies: Vec<Policy>,
    pub products: Vec<Product>,
}

/// `shop.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    pub name: String,
    /// What the assistant is called.
    pub assistant: String,
    /// One sentence: what the shop sells.
    pub about: String,
    /// How the assistant sounds, e.g. `friendly and brief`.
    pub tone: String,
    /// The language of the shop, e.g. `en`; shoppers are answered in theirs.
    pub language: String,
    /// When people are there, as the shopper reads it.
    pub hours: String,
    pub email: String,
    /// Facts that every answer may need, one short sentence each. They are in every prompt: keep them few.
    pub facts: Vec<String>,
    pub look: Look,
}

/// How the widget looks and greets; per language where it is text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Look {
    /// `#rrggbb`.
    pub color: String,
    /// Greeting by language code.
    pub greeting: std::collections::BTreeMap<String, String>,
    /// Suggested first questions by language code.
    pub suggestions: std::collections::BTreeMap<String, Vec<String>>,
}

/// `policies/NAME.md`: front matter `title` and `short`, then the text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// The file's name without `.md`; the page's address on the demo shop.
    pub id: String,
    pub title: String,
    /// One or two sentences the assistant answers from.
    pub short: String,
    pub text: String,
}

/// An entry of `products.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Product {
    pub id: String,
    pub name: String,
    pub category: String,
    /// In the shop's currency, as shown, e.g. `€129`.
    pub price: String,
    pub description: String,
    #[serde(default)]
    pub attributes: std::collections::BTreeMap<String, String>,
    /// Units in stock.
    pub stock: u32,
}

/// The shop that comes with the program, for trying it out.
#[derive(rust_embed::RustEmbed)]
#[folder = "static/demo-shop/"]
struct Demo;

impl Shop {
    /// Reads the shop from `folder`; an empty path means the demo shop.
    pub fn load(folder: &Path) -> Result<Self, PromptError> {
        let files = Files { folder };
        let profile: Profile = toml::from_str(&files.read("shop.toml")?)
            .map_err(|fault| PromptError::new(files.place("shop.toml"), fault))?;
        Self::stocked(profile, &files)
    }

    /// The same shop with the products and policies that `folder` has now.
    pub(super) fn restocked(&self, folder: &Path) -> Result<Self, PromptError> {
        Self::stocked(self.profile.clone(), &Files { folder })
    }

    fn stocked(profile: Profile, files: &Files<'_>) -> Result<Self, PromptError> {
        let products = serde_json::from_str(&files.read("products.json")?)
            .map_err(|fault| PromptError::new(files.place("products.json"), fault))?;
        let mut policies = Vec::new();
        for id in files.policies()? {
            let name = format!("policies/{id}.md");
            policies.push(
                policy(&id, &files.read(&name)?)
                    .map_err(|fault| PromptError::new(files.place(&name), fault))?,
            );
        }
        let shop = Self { profile, policies, products };
        match shop.fault() {
            Some((file, fault)) => Err(PromptError::new(files.place(file), fault)),
            None => Ok(shop),
        }
    }

    /// The products that `text` names: most words of a name, and at least two where it has as many.
    pub fn named_in(&self, text: &str) -> Vec<&Product> {
        let words = |text: &str| -> Vec<String> {
            text.to_lowercase()
                .split(|c: char| !c.is_alphanumeric())
                .filter(|w| !w.is_empty())
                .map(str::to_owned)
                .collect()
        };
        let (said, whole) = (words(text), text.to_lowercase());
        let named = |product: &&Product| {
            let name = words(&product.name);
            let hits = name.iter().filter(|word| said.contains(word)).count();
            // Scripts without spaces have names within other words.
            hits * 2 > name.len() && hits >= name.len().min(2)
                || !product.name.is_ascii() && whole.contains(&product.name.to_lowercase())
        };
        self.products.iter().filter(named).take(NAMED).collect()
    }

    /// The shop as its owner words it: what `words` leave empty is as the file says.
    pub(super) fn worded(&self, words: &ShopWords) -> Self {
        let or = |set: &str, file: &str| if set.is_empty() { file.to_owned() } else { set.to_owned() };
        let file = &self.profile;
        let profile = Profile {
            name: or(&words.name, &file.name),
            assistant: or(&words.assistant, &file.assistant),
            about: or(&words.about, &file.about),
            tone: or(&words.tone, &file.tone),
            language: or(&words.language, &file.language),
            email: or(&words.email, &file.email),
            facts: words.facts.clone().unwrap_or_else(|| file.facts.clone()),
            ..file.clone()
        };
        Self { profile, ..self.clone() }
    }

    /// The first thing that cannot be, with the file it is in.
    fn fault(&self) -> Option<(&'static str, String)> {
        let profile = &self.profile;
        let color = profile.look.color.strip_prefix('#').unwrap_or_default();
        if color.len() != 6 || !color.chars().all(|c| c.is_ascii_hexdigit()) {
            return Some(("shop.toml", format!("look.color: `{}` is not #rrggbb", profile.look.color)));
        }
        if !profile.look.greeting.contains_key(&profile.language) {
            return Some((
                "shop.toml",
                format!("look.greeting: no greeting in the shop's own language `{}`", profile.language),
            ));
        }
        let mut ids: Vec<&str> = self.products.iter().map(|p| p.id.as_str()).collect();
        ids.sort_unstable();
        ids.windows(2)
            .find(|pair| pair[0] == pair[1])
            .map(|pair| ("products.json", format!("the id `{}` is there twice", pair[0])))
    }
}

fn policy(id: &str, text: &str) -> Result<Policy, String> {
    let ([title, short], body) = front::split(text, ["title", "short"])?;
    Ok(Policy { id: id.to_owned(), title, short, text: body.to_owned() })
}

/// A folder on the disk, or the demo shop.
pub(super) struct Files<'a> {
    pub(super) folder: &'a Path,
}

impl Files<'_> {
    pub(super) fn is_demo(&self) -> bool {
        self.folder.as_os_str().is_empty()
    }

    pub(super) fn place(&self, name: &str) -> String {
        if self.is_demo() {
            format!("demo-shop/{name}")
        } else {
            self.folder.join(name).display().to_string()
        }
    }

    pub(super) fn read(&self, name: &str) -> Result<String, PromptError> {
        if self.is_demo() {
            let file =
                Demo::get(name).ok_or_else(|| PromptError::new(self.place(name), "there is no such file"))?;
            return Ok(String::from_utf8_lossy(&file.data).into_owned());
        }
        fs_err::read_to_string(self.folder.join(name)).map_err(|fault| PromptError::new("shop.folder", fault))
    }

    /// The ids of the policies, in order.
    pub(super) fn policies(&self) -> Result<Vec<String>, PromptError> {
        let mut ids: Vec<String> = if self.is_demo() {
            Demo::iter()
                .filter_map(|name| Some(name.strip_prefix("policies/")?.strip_suffix(".md")?.to_owned()))
                .collect()
        } else {
            let folder = self.folder.join("policies");
            if !folder.is_dir() {
                return Ok(Vec::new());
            }
            fs_err::read_dir(folder)
                .map_err(|fault| PromptError::new("shop.folder", fault))?
                .filter_map(|entry| Some(entry.ok()?.file_name().to_str()?.strip_suffix(".md")?.to_owned()))
                .collect()
        };
        ids.sort();
        Ok(ids)
    }
}
