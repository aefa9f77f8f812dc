//! A shop's catalogue made richer: what its descriptions tell and the owner did not write down as attributes. What the owner wrote
//! stands; nothing but new attributes is ever written, and none of a text that is no longer there.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Attribute, ExtractItem, Extracted};
use crate::prompt::shop::Product;

#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("{}: {fault}", .file.display())]
    Bad { file: PathBuf, fault: serde_json::Error },
}

/// `products.json`, in its own order.
#[derive(Debug)]
pub struct Catalogue {
    file: PathBuf,
    products: Vec<Value>,
}

/// A product to be read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Not read again: an item of a batch keeps its `id` outside.
    #[serde(default)]
    pub id: String,
    /// Its name and its description.
    pub text: String,
    pub category: String,
}

/// What became of one product: offsets are in characters of `text`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Enriched {
    pub id: String,
    pub text: String,
    /// New attributes.
    pub added: Vec<Attribute>,
    /// Found, but the owner had written down as much: that stands.
    pub kept: Vec<Kept>,
    /// Found, but the model was not sure enough.
    pub unsure: Vec<Attribute>,
    /// The owner changed its text or took it out while the run read it: nothing is added.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub changed: bool,
    /// Why this product could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// The owner's.
    pub name: String,
    pub value: String,
    pub found: Attribute,
}

impl Catalogue {
    /// Reads and checks `folder/products.json`.
    ///
    /// # Errors
    /// A file that is not there or no list of products.
    pub fn read(folder: &Path) -> Result<Self, CatalogueError> {
        // A link is followed, so that it is not replaced by a file.
        Self::of(fs_err::canonicalize(folder.join("products.json"))?)
    }

    /// As it is on the disk now: the owner may work on it while a run does.
    ///
    /// # Errors
    /// As [`Catalogue::read`].
    pub fn again(&self) -> Result<Self, CatalogueError> {
        Self::of(self.file.clone())
    }

    fn of(file: PathBuf) -> Result<Self, CatalogueError> {
        let text = fs_err::read_to_string(&file)?;
        let bad = |fault| CatalogueError::Bad { file: file.clone(), fault };
        serde_json::from_str::<Vec<Product>>(&text).map_err(bad)?;
        let products = serde_json::from_str(&text).map_err(bad)?;
        Ok(Self { file, products })
    }

    /// What there is to read.
    pub fn entries(&self) -> Vec<Entry> {
        self.products.iter().map(entry).collect()
    }

    /// Where the product is that has this text.
    fn place(&self, id: &str, text: &str) -> Option<usize> {
        let is = |product: &Value| product["id"].as_str().map(str::trim) == Some(id);
        self.products.iter().position(|product| is(product) && entry(product).text == text)
    }

    /// Parts what was found in `entry` by what is to be done with it. `floor`: the least confidence that is enough.
    pub fn sort(&self, entry: &Entry, found: Extracted, floor: f32) -> Enriched {
        let mut done = Enriched { id: entry.id.clone(), text: entry.text.clone(), ..Enriched::default() };
        let Some(place) = self.place(&entry.id, &entry.text) else {
            return Enriched { changed: true, ..done };
        };
        let own = attributes(&self.products[place]);
        if found.unparsable {
            done.fault = Some("the model's answer broke off".to_owned());
        }
        for found in found.attributes {
            let same = |(name, value): &&(String, String)| {
                plain(name) == plain(&found.name) || plain(value) == plain(&found.value)
            };
            if let Some((name, value)) = own.iter().find(same) {
                done.kept.push(Kept { name: name.clone(), value: value.clone(), found });
            } else if found.confidence.is_some_and(|confidence| confidence < floor) {
                done.unsure.push(found);
            } else if !done.added.iter().any(|one| plain(&one.name) == plain(&found.name)) {
                done.added.push(found);
            }
        }
        done
    }

    /// Writes down new attributes of a product that has the text in which they were found; one whose name is there already is
    /// passed over. Returns how many were new; `None` for a text that is not there.
    pub fn add(&mut self, done: &Enriched) -> Option<usize> {
        let place = self.place(&done.id, &done.text)?;
        Some(self.add_to(place, &done.added))
    }

    fn add_to(&mut self, place: usize, new: &[Attribute]) -> usize {
        let known = attributes(&self.products[place]);
        let Some(product) = self.products[place].as_object_mut() else { return 0 };
        let own = product.entry("attributes").or_insert_with(|| Value::Object(serde_json::Map::new()));
        let Some(own) = own.as_object_mut() else { return 0 };
        let mut added = 0;
        for one in new.iter().filter(|one| known.iter().all(|(name, _)| plain(name) != plain(&one.name))) {
            own.insert(one.name.clone(), one.value.clone().into());
            added += 1;
        }
        added
    }

    /// Replaces the file, whole or not at all.
    ///
    /// # Errors
    /// What the disk says.
    pub fn write(&self) -> Result<(), CatalogueError> {
        let bad = |fault| CatalogueError::Bad { file: self.file.clone(), fault };
        let mut text = serde_json::to_vec_pretty(&self.products).map_err(bad)?;
        text.push(b'\n');
        let folder = self.file.parent().unwrap_or(Path::new("."));
        let mut beside = tempfile::NamedTempFile::new_in(folder)?;
        beside.write_all(&text)?;
        // Whoever could read it before can read it now.
        fs_err::set_permissions(beside.path(), fs_err::metadata(&self.file)?.permissions())?;
        beside.as_file().sync_all()?;
        beside.persist(&self.file).map_err(|fault| fault.error)?;
        Ok(fs_err::File::open(folder)?.sync_all()?)
    }
}

fn entry(product: &Value) -> Entry {
    let text = |key: &str| product.get(key).and_then(Value::as_str).unwrap_or_default().trim().to_owned();
    let (name, description) = (text("name"), text("description"));
    let end = if name.ends_with(['.', '!', '?']) { "" } else { "." };
    Entry { id: text("id"), text: format!("{name}{end} {description}"), category: text("category") }
}

fn attributes(product: &Value) -> Vec<(String, String)> {
    let own = product.get("attributes").and_then(Value::as_object);
    let pair =
        |(name, value): (&String, &Value)| (name.clone(), value.as_str().unwrap_or_default().to_owned());
    own.map(|own| own.iter().map(pair).collect()).unwrap_or_default()
}

impl From<&Entry> for ExtractItem {
    fn from(entry: &Entry) -> Self {
        let category = Some(entry.category.clone()).filter(|category| !category.is_empty());
        Self { text: entry.text.clone(), category, attributes: Vec::new() }
    }
}

/// A name or value without what people write differently: case, signs, the British u, a plural's s.
fn plain(text: &str) -> String {
    let text: String = text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    let text = text.replace("colour", "color");
    text.strip_suffix('s').map(str::to_owned).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::super::Span;
    use super::*;

    const PRODUCTS: &str = r#"[
  {
    "id": "boot",
    "name": "Scree Boot",
    "category": "Shoes",
    "price": "€179",
    "description": "A waterproof boot of red leather.",
    "attributes": {
      "sizes": "EU 36 to 48",
      "Colour": "Loam brown",
      "best for": "Leather"
    },
    "stock": 31
  },
  {
    "id": "mug",
    "name": "Mug!",
    "category": "",
    "price": "€9",
    "description": "Blue.",
    "stock": 1
  }
]
"#;

    fn catalogue() -> (tempfile::TempDir, Catalogue) {
        let folder = tempfile::tempdir().expect("a folder");
        fs_err::write(folder.path().join("products.json"), PRODUCTS).expect("writes");
        let catalogue = Catalogue::read(folder.path()).expect("reads");
        (folder, catalogue)
    }

    fn attribute(name: &str, value: &str, confidence: f32) -> Attribute {
        let span = Span { start: 0, end: value.chars().count() };
        Attribute { name: name.to_owned(), value: value.to_owned(), span, confidence: Some(confidence) }
    }

    #[test]
    fn what_the_owner_wrote_stands() {
        let (_folder, catalogue) = catalogue();
        let entries = catalogue.entries();
        assert_eq!(entries[0].text, "Scree Boot. A waterproof boot of red leather.");
        assert_eq!(entries[1].text, "Mug! Blue.");
        assert_eq!(ExtractItem::from(&entries[1]).category, None);
        let attributes = vec![
            attribute("Color", "red", 0.99),
            attribute("Size", "48", 0.99),
            attribute("Material", "leather", 0.99),
            attribute("Waterproof", "waterproof", 0.9),
            attribute("Shoe type", "boot", 0.4),
            attribute("WATERPROOF", "boot", 0.9),
        ];
        let done = catalogue.sort(&entries[0], Extracted { attributes, unparsable: false }, 0.5);
        let names = |all: &[Attribute]| all.iter().map(|one| one.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&done.added), ["Waterproof"]);
        assert_eq!(names(&done.unsure), ["Shoe type"]);
        let kept: Vec<(&str, &str)> =
            done.kept.iter().map(|kept| (kept.name.as_str(), kept.found.name.as_str())).collect();
        assert_eq!(kept, [("Colour", "Color"), ("sizes", "Size"), ("best for", "Material")]);
    }

    fn enriched(id: &str, text: &str, added: &[Attribute]) -> Enriched {
        Enriched { id: id.to_owned(), text: text.to_owned(), added: added.to_vec(), ..Enriched::default() }
    }

    #[test]
    fn what_the_owner_changes_meanwhile_stands() {
        let (folder, began) = catalogue();
        let entries = began.entries();
        let changed = PRODUCTS
            .replace("€179", "€199")
            .replace("Blue.", "Red.")
            .replace("\"sizes\"", "\"Waterproof\": \"yes\",\n      \"sizes\"");
        fs_err::write(folder.path().join("products.json"), &changed).expect("writes");
        let mut now = began.again().expect("reads");
        let found = |name: &str| Extracted { attributes: vec![attribute(name, "x", 0.9)], unparsable: false };
        // The text is the same, and the owner has written that attribute down meanwhile.
        assert_eq!(now.sort(&entries[0], found("waterproof"), 0.5).kept.len(), 1);
        let other = now.sort(&entries[1], found("Color"), 0.5);
        assert!(other.changed && other.added.is_empty(), "{other:?}");
        let new = [attribute("Sole", "x", 0.9)];
        assert_eq!(now.add(&enriched("mug", &entries[1].text, &new)), None);
        assert_eq!(now.add(&enriched("boot", &entries[0].text, &new)), Some(1));
        now.write().expect("writes");
        let text = fs_err::read_to_string(folder.path().join("products.json")).expect("reads");
        assert_eq!(text, changed.replace("\"Leather\"\n", "\"Leather\",\n      \"Sole\": \"x\"\n"));
    }

    #[test]
    fn only_new_attributes_change_the_file_and_twice_is_once() {
        let (folder, mut catalogue) = catalogue();
        let new = [attribute("Waterproof", "waterproof", 0.9), attribute("colors", "red", 0.9)];
        let entries = catalogue.entries();
        let boot = enriched("boot", &entries[0].text, &new);
        assert_eq!(catalogue.add(&boot), Some(1));
        let blue = [attribute("Color", "Blue", 0.9)];
        assert_eq!(catalogue.add(&enriched("mug", &entries[1].text, &blue)), Some(1));
        assert_eq!(catalogue.add(&enriched("nothing", &entries[0].text, &new)), None);
        catalogue.write().expect("writes");
        let text = fs_err::read_to_string(folder.path().join("products.json")).expect("reads");
        let expected = PRODUCTS
            .replace("\"Leather\"\n", "\"Leather\",\n      \"Waterproof\": \"waterproof\"\n")
            .replace(
                "\"stock\": 1\n",
                "\"stock\": 1,\n    \"attributes\": {\n      \"Color\": \"Blue\"\n    }\n",
            );
        assert_eq!(text, expected);
        let mut again = Catalogue::read(folder.path()).expect("a shop can read it");
        assert_eq!(again.add(&boot), Some(0));
        assert_eq!(fs_err::read_dir(folder.path()).expect("reads").count(), 1, "nothing is left beside it");
    }

    #[test]
    fn what_is_no_catalogue_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        fs_err::write(folder.path().join("products.json"), "[{\"id\": 1}]").expect("writes");
        let fault = Catalogue::read(folder.path()).expect_err("refused").to_string();
        assert!(fault.contains("products.json: invalid type"), "{fault}");
    }
}
