//! `shopclerk tool qa`: pairs of a file of sources, none of them twice; as they are, as entries of a shop's FAQ, or as training rows.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use fs_err::File;
use serde::ser::SerializeSeq;
use serde::{Deserialize, Serializer};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::enrich::whole;
use super::{Form, doer, each, was_finished};
use crate::config::Config;
use crate::domain::{Cmid, ConvId, Event, EventKind, Speaker};
use crate::prompt::{Budget, Playbook};
use crate::tools::{Batch, Doer, Opened, Pair, QaItem, QaPairs, Seen, Tool, Toolbox};

/// Limits of a canned reply, in characters.
const SHORTCUT: usize = 32;
const TITLE: usize = 100;

/// One line of the batch's answers.
#[derive(Deserialize)]
struct Line {
    line: usize,
    #[serde(flatten)]
    made: QaPairs,
}

pub(super) async fn run(
    (input, output): (&Path, &Path),
    form: Option<Form>,
    toolbox: &Toolbox,
    config: &Config,
) -> anyhow::Result<()> {
    let options = match form {
        None => "",
        Some(Form::Faq) => "--as faq",
        Some(Form::Rows) => "--as rows",
    };
    let doer = doer(toolbox, Tool::Qa, options, config).await?;
    // Before the work is done: a shop that cannot be read would waste it.
    let playbook = match form {
        Some(Form::Rows) => Some(Playbook::load(&config.shop, &|text| text.to_owned())?),
        _ => None,
    };
    let Opened::Begun(batch) = Batch::open(input, output, doer.clone())? else { return was_finished(output) };
    let seen = Mutex::new(remembered(&batch)?);
    let work = async |item: QaItem| toolbox.qa_among(&item, &mut *seen.lock().await).await;
    let (batch, told) = each(batch, work).await.with_context(|| output.display().to_string())?;
    let done = match form {
        None => batch.finish()?,
        Some(Form::Faq) => batch.finish_as(|answers| faq(answers, output))?,
        Some(Form::Rows) => {
            let playbook = playbook.as_ref().context("the shop's words were not read")?;
            let maker = Maker { input, doer: &doer, playbook };
            batch.finish_as(|answers| maker.rows(answers, output))?
        }
    };
    told.tell(done.lines, output)
}

/// What was made before a kill is not made again after it.
fn remembered(batch: &Batch) -> anyhow::Result<Seen> {
    let mut seen = Seen::default();
    batch.answers(&mut |line| {
        if let Ok(QaPairs { pairs, title }) = serde_json::from_str(line) {
            for pair in &pairs {
                seen.is_new(&pair.question, &pair.answer, title.as_deref());
            }
        }
    })?;
    Ok(seen)
}

/// Calls `each` with every pair, its line and its place in it.
fn for_each_pair(
    answers: &Path,
    each: &mut dyn FnMut(&Line, usize, &Pair) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    for text in BufReader::new(File::open(answers)?).lines() {
        // A line that failed has no pairs.
        let Ok(line) = serde_json::from_str::<Line>(&text?) else { continue };
        for (n, pair) in line.made.pairs.iter().enumerate() {
            each(&line, n + 1, pair)?;
        }
    }
    Ok(())
}

/// The folder `output`: `policies/faq-*.md` for the shop's folder, and `canned.json` for `POST /v1/staff/canned`, one by one.
fn faq(answers: &Path, output: &Path) -> anyhow::Result<()> {
    let mut making = output.as_os_str().to_owned();
    making.push(".making");
    let making = PathBuf::from(making);
    if making.exists() {
        fs_err::remove_dir_all(&making)?;
    }
    let policies = making.join("policies");
    fs_err::create_dir_all(&policies)?;
    let to = BufWriter::new(File::create(making.join("canned.json"))?);
    let mut to = serde_json::Serializer::pretty(to);
    let mut canned = to.serialize_seq(None)?;
    let mut taken = HashMap::new();
    for_each_pair(answers, &mut |line, _, pair| {
        let subject = line.made.title.as_deref().map(one_line).filter(|title| !title.is_empty());
        let (question, answer) = (one_line(&pair.question), one_line(&pair.answer));
        // Of two products the same may be asked: the title tells them apart.
        let title = match &subject {
            Some(subject) if !question.to_lowercase().contains(&subject.to_lowercase()) => {
                format!("{subject}: {question}")
            }
            _ => question,
        };
        let name = free(&slug(&title), &mut taken);
        let text = format!("---\ntitle: {title}\nshort: {answer}\n---\n{}\n", pair.answer.trim());
        fs_err::write(policies.join(format!("faq-{name}.md")), text)?;
        let reply = json!({ "shortcut": name, "title": cut(&title, TITLE), "text": pair.answer });
        Ok(canned.serialize_element(&reply)?)
    })?;
    canned.end()?;
    to.into_inner().flush()?;
    fs_err::rename(making, output)?;
    Ok(())
}

/// What training rows are made with.
struct Maker<'a> {
    input: &'a Path,
    doer: &'a Doer,
    playbook: &'a Playbook,
}

impl Maker<'_> {
    /// A row a pair: the question as the model is shown it when it serves, and the answer.
    fn rows(&self, answers: &Path, output: &Path) -> anyhow::Result<()> {
        whole(output, &mut |to: &mut dyn Write| {
            for_each_pair(answers, &mut |line, n, pair| {
                serde_json::to_writer(&mut *to, &self.row(line, n, pair))?;
                Ok(to.write_all(b"\n")?)
            })
        })
    }

    fn row(&self, line: &Line, n: usize, pair: &Pair) -> Value {
        let kind =
            EventKind::Said { cmid: Cmid(Uuid::nil()), by: Speaker::Shopper, text: pair.question.clone() };
        let asked = Event { conv: ConvId(Uuid::nil()), seq: 1, at: 0, kind };
        let budget = Budget { tokens: usize::MAX / 2, exchanges: 0 };
        let served = self.playbook.render(&[asked], budget, &|text| text.len());
        let mut messages: Vec<Value> = served
            .iter()
            .map(|message| json!({ "role": message.role.name(), "content": message.content }))
            .collect();
        messages.push(json!({ "role": "assistant", "content": pair.answer }));
        let mut source = json!({
            "input": self.input.file_name().map(|name| name.to_string_lossy()),
            "line": line.line, "start": pair.span.start, "end": pair.span.end,
            "model": self.doer.model, "adapter": self.doer.adapter, "prompts": self.doer.prompts,
        });
        for (key, value) in [("turn", json!(pair.turn)), ("title", json!(line.made.title))] {
            if !value.is_null() {
                source[key] = value;
            }
        }
        // Pairs of one source never part: what is held out was not taught in other words.
        json!({
            "id": format!("qa-{}-{n}", line.line), "group": format!("qa-{}", line.line),
            "messages": messages, "source": source,
        })
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

/// Small letters, digits and dashes; whole words, as many as fit beside a number.
fn slug(text: &str) -> String {
    let text = text.to_lowercase();
    let mut slug = String::new();
    for word in text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
        let dash = usize::from(!slug.is_empty());
        if slug.len() + dash + word.len() > SHORTCUT - 6 {
            break;
        }
        if dash == 1 {
            slug.push('-');
        }
        slug.push_str(word);
    }
    if slug.is_empty() { "answer".to_owned() } else { slug }
}

/// `name`, or the first `name-2`, `name-3` that nobody has. `taken` has the number to try next for each: many pairs may have one slug.
fn free(name: &str, taken: &mut HashMap<String, usize>) -> String {
    let mut one = name.to_owned();
    while taken.contains_key(&one) {
        let next = taken.entry(name.to_owned()).or_insert(2);
        one = format!("{name}-{next}");
        *next += 1;
    }
    taken.insert(one.clone(), 2);
    one
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prompt::{Settings, Shop};

    const ANSWERS: &str = r#"{"line":1,"pairs":[{"question":"Is it waterproof?","answer":"Yes, the membrane: it keeps\nwater out.","start":3,"end":44}],"title":"Scree Boot"}
{"line":2,"error":{"code":"bad_item","message":"text: is empty"}}
{"line":4,"pairs":[{"question":"Is it waterproof?","answer":"No, it is for dry days.","start":0,"end":23,"turn":2},{"question":"退货免费吗？","answer":"Returns are free for 30 days.","start":0,"end":29}]}
"#;

    fn answers(folder: &Path) -> std::path::PathBuf {
        let file = folder.join("answers");
        fs_err::write(&file, ANSWERS).expect("writes");
        file
    }

    #[test]
    fn an_faq_is_a_part_of_a_shop() {
        let folder = tempfile::tempdir().expect("a folder");
        let output = folder.path().join("shop");
        faq(&answers(folder.path()), &output).expect("makes");
        let canned: Value =
            serde_json::from_slice(&fs_err::read(output.join("canned.json")).expect("reads")).expect("JSON");
        assert_eq!(canned[0]["shortcut"], "scree-boot-is-it");
        assert_eq!(canned[0]["title"], "Scree Boot: Is it waterproof?");
        assert_eq!(canned[2]["shortcut"], "answer");
        // A whole shop with these policies is read like any other.
        for name in ["shop.toml", "products.json"] {
            let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("static/demo-shop").join(name);
            fs_err::copy(demo, output.join(name)).expect("copies");
        }
        let shop = Shop::load(&output).expect("loads");
        let policies: Vec<(&str, &str, &str)> =
            shop.policies.iter().map(|p| (p.id.as_str(), p.title.as_str(), p.short.as_str())).collect();
        assert_eq!(
            policies,
            [
                ("faq-answer", "退货免费吗？", "Returns are free for 30 days."),
                ("faq-is-it-waterproof", "Is it waterproof?", "No, it is for dry days."),
                (
                    "faq-scree-boot-is-it",
                    "Scree Boot: Is it waterproof?",
                    "Yes, the membrane: it keeps water out."
                ),
            ]
        );
    }

    #[test]
    fn rows_say_where_they_come_from_and_are_asked_as_serving_asks() {
        let folder = tempfile::tempdir().expect("a folder");
        let output = folder.path().join("rows.jsonl");
        let playbook = Playbook::load(&Settings::default(), &|text| text.to_owned()).expect("loads");
        let doer = Doer { model: "scripted".to_owned(), adapter: Some("qa@2".to_owned()), ..Doer::default() };
        let maker = Maker { input: Path::new("/somewhere/in.jsonl"), doer: &doer, playbook: &playbook };
        maker.rows(&answers(folder.path()), &output).expect("makes");
        let text = fs_err::read_to_string(&output).expect("reads");
        let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let ids: Vec<&Value> = rows.iter().map(|row| &row["id"]).collect();
        assert_eq!(ids, ["qa-1-1", "qa-4-1", "qa-4-2"]);
        assert_eq!(rows[1]["group"], rows[2]["group"]);
        assert_eq!(
            rows[1]["source"],
            json!({
                "input": "in.jsonl", "line": 4, "start": 0, "end": 23, "model": "scripted", "adapter": "qa@2",
                "prompts": "", "turn": 2,
            })
        );
        let roles: Vec<&Value> =
            rows[0]["messages"].as_array().expect("a list").iter().map(|m| &m["role"]).collect();
        assert_eq!(roles, ["system", "user", "assistant"]);
        assert_eq!(rows[0]["messages"][0]["content"], playbook.prefix()[0].content);
        // The trainer knows the format by itself.
        #[cfg(feature = "train")]
        assert_eq!(
            crate::train::data::read::format_of(&output).expect("a format"),
            crate::domain::recipe::Format::Messages
        );
    }

    #[test]
    fn what_was_made_before_a_kill_is_not_made_after_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let (input, output) = (folder.path().join("in.jsonl"), folder.path().join("out.jsonl"));
        fs_err::write(&input, "{}\n{}\n{}\n").expect("writes");
        let open = || match Batch::open(&input, &output, Doer::default()).expect("opens") {
            Opened::Begun(batch) => batch,
            Opened::Finished => panic!("it is not finished"),
        };
        let mut batch = open();
        for line in ANSWERS.lines().take(2) {
            assert!(batch.next_line().expect("reads").is_some());
            batch.write(&serde_json::from_str::<Value>(line).expect("JSON")).expect("writes");
        }
        drop(batch);
        let mut seen = remembered(&open()).expect("reads");
        let answer = "Yes, the membrane: it keeps water out.";
        assert!(!seen.is_new("Is it waterproof?", answer, Some("scree boot")));
        assert!(seen.is_new("Is it waterproof?", "No, it is for dry days.", Some("Heath Runner")));
    }

    #[test]
    fn names_are_short_and_nobody_elses() {
        let mut taken = HashMap::new();
        let long = "What happens if the very long question does not fit?";
        let names: Vec<String> = (0..3).map(|_| free(&slug(long), &mut taken)).collect();
        assert_eq!(
            names,
            ["what-happens-if-the-very", "what-happens-if-the-very-2", "what-happens-if-the-very-3"]
        );
        assert!(names.iter().all(|name| name.len() <= SHORTCUT));
        // Who has a number in the name by chance is in nobody's way.
        let names: Vec<String> =
            ["size-2", "size", "size", "size-2", "size"].iter().map(|name| free(name, &mut taken)).collect();
        assert_eq!(names, ["size-2", "size", "size-3", "size-2-2", "size-4"]);
        // As many as a large file has of one slug, in no time.
        let last = (0..100_000).map(|_| free("answer", &mut taken)).last();
        assert_eq!(last.as_deref(), Some("answer-100000"));
    }
}
