//! The real model. Without it (`SHOPCLERK_MODELS`) each of these says that it was skipped.

use futures_util::StreamExt;
use serde::Deserialize;
use shopclerk::domain::prompt::{Finish, Grammar, Message, Piece, Prompt, Role, Sampling, Usage};
use shopclerk::model::engine::Engine;
use shopclerk::model::settings::Quantise;
use shopclerk::model::{Model, ModelError, Settings};
use tokio::sync::{Mutex, OnceCell};

use super::need;

/// One model for all tests; it answers one question at a time anyway.
async fn engine() -> Option<&'static Engine> {
    static ENGINE: OnceCell<Option<Engine>> = OnceCell::const_new();
    ENGINE.get_or_init(|| load(Settings::default())).await.as_ref()
}

/// Tests that count what the engine keeps must not run beside others.
pub(crate) static ALONE: Mutex<()> = Mutex::const_new(());

async fn load(settings: Settings) -> Option<Engine> {
    let folder = need::model()?;
    Some(Engine::load(&folder, "smollm2-135m-instruct", &settings).await.unwrap())
}

pub(crate) fn ask(text: &str) -> Prompt {
    Prompt {
        messages: vec![
            Message::new(Role::System, "You are the assistant of a shoe shop. Answer in one sentence."),
            Message::new(Role::User, text),
        ],
        max_tokens: 24,
        ..Prompt::default()
    }
}

pub(crate) async fn answer(engine: &Engine, prompt: Prompt) -> (String, Usage) {
    let mut pieces = engine.stream(prompt);
    let mut text = String::new();
    while let Some(piece) = pieces.next().await {
        match piece.unwrap() {
            Piece::Text { text: more, .. } => text.push_str(&more),
            Piece::ToolCall(call) => panic!("no tools were offered: {call:?}"),
            Piece::End(usage) => return (text, usage),
        }
    }
    panic!("an answer without an end: {text}");
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
}

/// All tests of the shared engine on one runtime: its tasks end with the runtime they were made on.
#[test]
fn the_real_model() {
    let runtime = runtime();
    runtime.block_on(async {
        let _alone = ALONE.lock().await;
        let Some(engine) = engine().await else { return };
        answers_stream_and_end(engine).await;
        a_seed_decides(engine).await;
        a_grammar_is_kept(engine).await;
        labels_are_scored(engine).await;
        logprobs_are_reported(engine).await;
        stopping_frees_the_engine(engine).await;
        bad_requests_are_errors(engine).await;
        let folder = crate::need::model().unwrap();
        crate::engine_tools::tools_go_through_the_engine(engine, &folder).await;
    });
    runtime.shutdown_background();
}

async fn answers_stream_and_end(engine: &Engine) {
    let (text, usage) = answer(engine, ask("Do you sell red shoes?")).await;
    assert!(!text.trim().is_empty());
    assert!(usage.prompt_tokens > 20 && usage.completion_tokens > 0 && usage.completion_tokens <= 24);
    let mut short = ask("Tell me a long story about shoes.");
    short.max_tokens = 5;
    let (_, usage) = answer(engine, short).await;
    assert_eq!((usage.completion_tokens, usage.finish), (5, Finish::Length));
    let mut stop = ask("Tell me about shoes.");
    stop.stop = vec![" ".to_owned()];
    let (text, _) = answer(engine, stop).await;
    assert!(!text.is_empty() && !text.contains(' '), "{text}");
}

async fn a_seed_decides(engine: &Engine) {
    let draw = |seed| {
        let sampling = Sampling { temperature: Some(1.2), ..Sampling::default() };
        Prompt { seed, sampling, ..ask("Invent a name for a shoe.") }
    };
    // The first time part of the prompt comes from the cache, later it does not: the last bits of the logits differ.
    answer(engine, draw(1)).await;
    let (first, _) = answer(engine, draw(1)).await;
    let (again, _) = answer(engine, draw(1)).await;
    assert_eq!(first, again);
    let mut others = Vec::new();
    for seed in 2..6 {
        others.push(answer(engine, draw(seed)).await.0);
    }
    assert!(others.iter().any(|other| *other != first), "{others:?}");
}

async fn a_grammar_is_kept(engine: &Engine) {
    let grammar = Grammar::Regex("(yes|no)".to_owned());
    let (text, _) = answer(engine, Prompt { grammar, ..ask("Are shoes edible?") }).await;
    assert!(text == "yes" || text == "no", "{text}");
    let schema = serde_json::json!({
        "type": "object",
        "properties": { "colour": { "enum": ["red", "blue"] } },
        "required": ["colour"],
        "additionalProperties": false
    });
    let grammar = Grammar::JsonSchema(schema);
    let (text, _) = answer(engine, Prompt { grammar, ..ask("Which colour?") }).await;
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(value["colour"] == "red" || value["colour"] == "blue");
    // With sampling as well.
    let sampling = Sampling { temperature: Some(1.0), ..Sampling::default() };
    let grammar = Grammar::Regex("[a-c]{3}".to_owned());
    let (text, _) = answer(engine, Prompt { grammar, sampling, seed: 3, ..ask("Say abc.") }).await;
    assert!(text.len() == 3 && text.chars().all(|c| ('a'..='c').contains(&c)), "{text}");
}

async fn labels_are_scored(engine: &Engine) {
    let labels = ["positive".to_owned(), "negative".to_owned()];
    let good = engine.score(review("I love these shoes, they are wonderful"), &labels).await.unwrap();
    let bad =
        engine.score(review("Terrible, broken after a day, I want my money back"), &labels).await.unwrap();
    let sum: f32 = good.iter().map(|l| l.exp()).sum();
    assert!((sum - 1.0).abs() < 1e-4);
    assert!(good[0] - good[1] > bad[0] - bad[1], "{good:?} {bad:?}");
    let alike = engine.score(review("Fine"), &["yes".to_owned(), "no".to_owned(), "yes".to_owned()]).await;
    let fault = alike.unwrap_err().to_string();
    assert!(fault.contains("labels `yes` and `yes` begin with the same token"), "{fault}");
}

fn review(text: &str) -> Prompt {
    let asked = format!("Review: {text}\nIs the review positive or negative? Answer with one word.");
    Prompt { messages: vec![Message::new(Role::User, asked)], ..Prompt::default() }
}

/// Of each token of the answer, its text and its natural log-probability.
async fn logprobs(engine: &Engine, prompt: Prompt) -> Vec<(String, f32)> {
    let mut pieces = engine.stream(prompt);
    let mut seen = Vec::new();
    while let Some(piece) = pieces.next().await {
        if let Piece::Text { logprob, .. } = piece.unwrap() {
            let found = logprob.expect("asked for");
            assert!(found.logprob <= 0.0 && found.top.len() <= 3, "{found:?}");
            seen.push((found.token, found.logprob));
        }
    }
    seen
}

/// Our greedy choice tells the engine's sampler what it would have found by itself; what a grammar forces is no surer for that.
async fn logprobs_are_reported(engine: &Engine) {
    let ask = |logprobs| Prompt { logprobs, max_tokens: 6, ..ask("Hello") };
    let (ours, engines) = (logprobs(engine, ask(1)).await, logprobs(engine, ask(3)).await);
    assert!(!ours.is_empty() && ours.len() == engines.len());
    for ((token, p), (expected, wanted)) in ours.iter().zip(&engines) {
        assert_eq!(token, expected);
        assert!((p - wanted).abs() < 0.02, "{token:?}: {p} instead of {wanted}");
    }
    let surest = f32::ln(0.5);
    let forced = Prompt { grammar: Grammar::Regex("zebra".to_owned()), ..ask(1) };
    let forced = logprobs(engine, forced).await;
    assert!(forced[0].1 < surest, "{forced:?}");
}

async fn stopping_frees_the_engine(engine: &Engine) {
    for _ in 0..5 {
        let mut pieces = engine.stream(Prompt { max_tokens: 2000, ..ask("Tell me a very long story.") });
        assert!(pieces.next().await.is_some());
        drop(pieces);
    }
    let next = tokio::time::timeout(std::time::Duration::from_secs(20), answer(engine, ask("Hello"))).await;
    assert!(next.is_ok(), "the dropped answers still hold the engine");
}

async fn bad_requests_are_errors(engine: &Engine) {
    let first = |prompt| async move { engine.stream(prompt).next().await.unwrap() };
    let empty = first(Prompt::default()).await;
    assert!(matches!(empty, Err(ModelError::Invalid(_))), "{empty:?}");
    let bad = first(Prompt { grammar: Grammar::Regex("(".to_owned()), ..ask("Hello") }).await;
    assert!(bad.is_err(), "{bad:?}");
    let (text, _) = answer(engine, ask("Still there?")).await;
    assert!(!text.is_empty(), "a bad request hurt the next one");
}

#[derive(Deserialize)]
struct Golden {
    ids: Vec<u32>,
    top_ids: Vec<usize>,
    top_logits: Vec<f32>,
    logsumexp: f32,
}

#[derive(Deserialize)]
struct Rendered {
    ids: Vec<u32>,
}

/// Logits of float32 weights against transformers' (golden/README.md: 2e-2 absolute).
#[test]
fn logits_equal_those_of_transformers() {
    let golden: Vec<Golden> = serde_json::from_str(&need::golden("logits.json")).unwrap();
    let rendered: Vec<Rendered> = serde_json::from_str(&need::golden("chat_render.json")).unwrap();
    let runtime = runtime();
    runtime.block_on(async {
        let _alone = ALONE.lock().await;
        let settings = Settings { quantise: Quantise::None, ..Settings::default() };
        let Some(engine) = load(settings).await else { return };
        for (golden, chat) in golden.iter().zip(&rendered) {
            assert!(golden.ids.iter().zip(&chat.ids).all(|(a, b)| a == b));
            let found = engine.logits_after(golden.ids.clone(), None).await.unwrap();
            for (id, expected) in golden.top_ids.iter().zip(&golden.top_logits) {
                assert!(
                    (found[*id] - expected).abs() < 2e-2,
                    "token {id}: {} instead of {expected}",
                    found[*id]
                );
            }
            let max = found.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let sum = found.iter().map(|l| (l - max).exp()).sum::<f32>().ln() + max;
            assert!((sum - golden.logsumexp).abs() < 2e-2, "{sum} instead of {}", golden.logsumexp);
        }
    });
    runtime.shutdown_background();
}

/// With the smallest budget every answer renews the engine; answers stay right, and memory stays bounded.
#[test]
fn the_engine_is_renewed_when_its_cache_is_full() {
    let runtime = runtime();
    runtime.block_on(async {
        let _alone = ALONE.lock().await;
        let Some(engine) = load(Settings { cache_mib: 1, ..Settings::default() }).await else { return };
        engine.warm(ask("Hello")).await.unwrap();
        let (first, _) = answer(&engine, ask("Do you sell red shoes?")).await;
        let before = resident_mib();
        for _ in 0..20 {
            let (again, _) = answer(&engine, ask("Do you sell red shoes?")).await;
            assert_eq!(again, first);
        }
        let grown = resident_mib() - before;
        // Without renewal each answer keeps 24 MiB: 470 in all.
        assert!(grown < 250.0, "20 answers kept {grown:.0} MiB");
    });
    runtime.shutdown_background();
}

pub(crate) fn resident_mib() -> f64 {
    let status = fs_err::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}
