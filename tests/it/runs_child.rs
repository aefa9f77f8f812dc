//! A trainer and a judge without a model: this very test binary, started again, which keeps to the files of
//! `domain::run`. What it does is in the recipe's name and steps.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use shopclerk::domain::recipe::Recipe;
use shopclerk::domain::run::{Direction, Score, Scorecard, Suite};
use shopclerk::runs::{Job, Launch, give_way, leash};

/// Starts the child for a job.
pub(crate) fn launch() -> Launch {
    std::sync::Arc::new(|job: &Job| {
        let mut process = tokio::process::Command::new(std::env::current_exe()?);
        process
            .args(["--exact", "runs_child::process", "--ignored", "--nocapture", "--test-threads=1"])
            .env("RUST_BACKTRACE", "0");
        match job {
            Job::Train { folder, resume, threads } => process
                .env("RUNS_CHILD", "train")
                .env("RUNS_CHILD_DIR", folder)
                .env("RUNS_CHILD_RESUME", resume.to_string())
                .env("RUNS_CHILD_THREADS", threads.to_string()),
            Job::Evaluate { folder, .. } => {
                process.env("RUNS_CHILD", "evaluate").env("RUNS_CHILD_DIR", folder)
            }
        };
        Ok(process)
    })
}

/// A folder that passes for a model as long as nobody loads it.
pub(crate) fn pretend_model(models: &Path) {
    let dir = models.join("pretend");
    fs_err::create_dir_all(&dir).unwrap();
    let config = json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 8, "intermediate_size": 16,
        "num_attention_heads": 2, "num_hidden_layers": 1, "vocab_size": 4, "tie_word_embeddings": true,
    });
    fs_err::write(dir.join("config.json"), config.to_string()).unwrap();
    fs_err::write(dir.join("tokenizer.json"), "{}").unwrap();
    fs_err::write(dir.join("tokenizer_config.json"), r#"{"chat_template": "{{ messages }}"}"#).unwrap();
    let header = r#"{"model.norm.weight":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
    let mut weights = (header.len() as u64).to_le_bytes().to_vec();
    weights.extend(header.as_bytes());
    weights.extend([0; 8]);
    fs_err::write(dir.join("model.safetensors"), weights).unwrap();
}

#[test]
#[ignore = "the tests of runs start this as a process of its own"]
fn process() {
    let dir = PathBuf::from(std::env::var("RUNS_CHILD_DIR").unwrap());
    leash::hold().unwrap();
    let recipe = Recipe::from_toml(&fs_err::read_to_string(dir.join("recipe.toml")).unwrap()).unwrap();
    if recipe.name == "polite" {
        give_way().unwrap();
    }
    match std::env::var("RUNS_CHILD").unwrap().as_str() {
        "train" => train(&dir, &recipe),
        _ => evaluate(&dir, &recipe),
    }
}

/// `train.max_steps` steps. Named `dies`, it stops at step 3 the first time; named `silent`, it writes no adapter; named
/// `polite`, it gives way.
fn train(dir: &Path, recipe: &Recipe) {
    let resume = std::env::var("RUNS_CHILD_RESUME").unwrap() == "true";
    let threads = std::env::var("RUNS_CHILD_THREADS").unwrap();
    let rows = fs_err::read_to_string(dir.join("rows.jsonl")).unwrap().lines().count();
    println!("training on {rows} rows with {threads} threads, resume {resume}");
    let mark = dir.join("checkpoints/step");
    fs_err::create_dir_all(dir.join("checkpoints")).unwrap();
    let first = if resume { fs_err::read_to_string(&mark).unwrap().parse::<usize>().unwrap() } else { 0 };
    let mut journal =
        fs_err::OpenOptions::new().create(true).append(true).open(dir.join("metrics.jsonl")).unwrap();
    for step in first + 1..=recipe.train.max_steps {
        if !go_on(dir) {
            println!("cancelled before step {step}");
            return;
        }
        if recipe.name == "dies" && step == 3 && !resume {
            println!("step 3: the loss is not a number, at row r2");
            std::process::exit(1);
        }
        let line = json!({
            "step": step, "of": recipe.train.max_steps, "epoch": 0.5, "loss": 1.0 / step as f64, "lr": 2e-4,
            "tokens_per_second": 100.0, "tokens": step * 100, "memory_mib": 10.0, "seconds": 0.1,
        });
        journal.write_all(format!("{line}\n").as_bytes()).unwrap();
        fs_err::write(dir.join("step.part"), step.to_string()).unwrap();
        fs_err::rename(dir.join("step.part"), &mark).unwrap();
        std::thread::sleep(Duration::from_millis(2));
    }
    if recipe.name != "silent" {
        fs_err::create_dir_all(dir.join("adapter")).unwrap();
        let config = json!({"peft_type": "LORA", "r": 2, "lora_alpha": 4, "bias": "none", "target_modules": ["q_proj"]});
        fs_err::write(dir.join("adapter/adapter_config.json"), config.to_string()).unwrap();
        fs_err::write(dir.join("adapter/adapter_model.safetensors"), "weights").unwrap();
    }
}

/// What `control` says; waits while it says `pause`.
fn go_on(dir: &Path) -> bool {
    let mut said = false;
    loop {
        match fs_err::read_to_string(dir.join("control")).unwrap_or_default().trim() {
            "cancel" => return false,
            "pause" => {
                if !std::mem::replace(&mut said, true) {
                    println!("paused");
                }
                std::thread::sleep(Duration::from_millis(2));
            }
            _ => return true,
        }
    }
}

fn evaluate(dir: &Path, recipe: &Recipe) {
    println!("judging {}", recipe.name);
    let score = |value| Some(Score { value, low: value - 0.1, high: value + 0.1 });
    let suite = Suite {
        name: "held_out".to_owned(),
        direction: Direction::Lower,
        measure: "loss".to_owned(),
        rows: 2,
        trivial: score(5.0),
        base: score(2.0),
        current: None,
        adapter: score(1.5),
        details: json!(null),
    };
    let card = Scorecard { suites: vec![suite], passed: true, ..Scorecard::default() };
    fs_err::write(dir.join("scorecard.json"), serde_json::to_string(&card).unwrap()).unwrap();
}
