//! What the tests of the trainer work with: a small random model with a tokenizer and a chat template, rows, and a network
//! that is no network.

use std::path::{Path, PathBuf};

use serde_json::json;
use shopclerk::domain::recipe::{OutputRecipe, Recipe};
use shopclerk::domain::run::{Control, StepLog};
use shopclerk::train::example::Example;
use shopclerk::train::run::{Loss, Net, NetError, Pass, Show, Steering, Stepped};

use super::train_core_made;

const TEMPLATE: &str = "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n\
                        {% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";
/// Ids of the two control tokens; the ones below are characters.
pub(crate) const START: u32 = 96;
pub(crate) const END: u32 = 97;

/// A folder of a random Llama of two layers whose tokens are single characters.
pub(crate) fn model(dir: &Path) -> PathBuf {
    let folder = train_core_made::model(dir, "llama");
    tokenizer(&folder, TEMPLATE);
    folder
}

/// Writes the two files of a tokenizer: one token a character.
pub(crate) fn tokenizer(folder: &Path, template: &str) {
    let characters = (' '..='~').chain(['\n']).enumerate();
    let vocab: serde_json::Map<_, _> = characters.map(|(id, c)| (c.to_string(), json!(id))).collect();
    let control = |id: u32, content: &str| {
        json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
               "normalized": false, "special": true})
    };
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null, "pre_tokenizer": null,
        "post_processor": null, "decoder": {"type": "Fuse"},
        "added_tokens": [control(START, "<|im_start|>"), control(END, "<|im_end|>")],
        "model": {"type": "BPE", "dropout": null, "unk_token": "?", "continuing_subword_prefix": null,
                  "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
                  "vocab": vocab, "merges": []},
    });
    fs_err::create_dir_all(folder).unwrap();
    fs_err::write(folder.join("tokenizer.json"), tokenizer.to_string()).unwrap();
    let config = json!({"chat_template": template, "eos_token": "<|im_end|>", "bos_token": {"content": "<|im_start|>"}});
    fs_err::write(folder.join("tokenizer_config.json"), config.to_string()).unwrap();
}

/// `count` short dialogues.
pub(crate) fn rows(count: usize) -> String {
    let line = |n: usize| {
        let asked = format!("Do you have item {n}{}?", " please".repeat(n % 3));
        let answered = format!("Yes, item {n} costs {} euros.", n * 7 % 50);
        json!({"id": format!("r{n}"), "messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]})
    };
    (0..count).map(|n| format!("{}\n", line(n))).collect()
}

/// A folder with a recipe and `count` rows beside it.
pub(crate) fn run_folder(dir: &Path, recipe: &Recipe, count: usize) -> PathBuf {
    let folder = dir.to_owned();
    fs_err::create_dir_all(&folder).unwrap();
    fs_err::write(folder.join("recipe.toml"), recipe.to_toml()).unwrap();
    fs_err::write(folder.join("rows.jsonl"), rows(count)).unwrap();
    folder
}

/// A network of one number: its loss on a row is `(at - aim)^2` a token, its gradient is exact. `aim` is the rank.
pub(crate) struct Point {
    pub(crate) at: f64,
    velocity: f64,
    gradient: f64,
    lr: f64,
    aim: f64,
    /// The step at which a loss is not a number.
    pub(crate) breaks_at: u64,
}

impl Point {
    pub(crate) fn new(recipe: &Recipe) -> Self {
        let aim = recipe.lora.rank as f64;
        Self {
            at: 0.0,
            velocity: 0.0,
            gradient: 0.0,
            lr: recipe.train.lr * recipe.lora.plus,
            aim,
            breaks_at: 0,
        }
    }
}

impl Net for Point {
    fn backward(&mut self, rows: &[Example], pass: &Pass) -> Result<Loss, NetError> {
        if pass.step == self.breaks_at {
            return Err(NetError::NonFinite { row: rows.len() - 1, loss: f64::NAN });
        }
        let targets: usize = rows.iter().map(Example::trained).sum();
        // Rows differ a little, so that their order matters.
        let aim = self.aim + rows[0].ids.len() as f64 * 1e-3;
        let away = self.at - aim;
        self.gradient += 2.0 * away * targets as f64 * pass.scale;
        Ok(Loss { sum: away * away * targets as f64, targets })
    }

    fn loss(&self, rows: &[Example]) -> Result<Loss, NetError> {
        let targets = rows.iter().map(Example::trained).sum();
        Ok(Loss { sum: (self.at - self.aim).powi(2) * targets as f64, targets })
    }

    fn check_gradients(&self, _: usize) -> anyhow::Result<()> {
        Ok(())
    }

    fn step(&mut self, _: usize, _: usize) -> Result<Stepped, NetError> {
        self.velocity = 0.5 * self.velocity + self.gradient;
        self.at -= self.lr * self.velocity;
        let norm = self.gradient.abs();
        self.gradient = 0.0;
        Ok(Stepped { lr: self.lr, norm })
    }

    fn reset(&mut self) -> anyhow::Result<()> {
        (self.at, self.velocity, self.gradient) = (0.0, 0.0, 0.0);
        Ok(())
    }

    fn save(&self, folder: &Path) -> anyhow::Result<()> {
        let bits = [self.at.to_bits(), self.velocity.to_bits()];
        Ok(fs_err::write(folder.join("point.json"), serde_json::to_string(&bits)?)?)
    }

    fn load(&mut self, folder: &Path) -> anyhow::Result<()> {
        let [at, velocity]: [u64; 2] =
            serde_json::from_str(&fs_err::read_to_string(folder.join("point.json"))?)?;
        (self.at, self.velocity) = (f64::from_bits(at), f64::from_bits(velocity));
        Ok(())
    }

    fn base_checksum(&self) -> u64 {
        7
    }

    fn export(&self, folder: &Path) -> anyhow::Result<()> {
        Ok(fs_err::write(folder.join("adapter_model.safetensors"), self.at.to_bits().to_string())?)
    }

    fn merge(&self, _: &Path, _: &OutputRecipe) -> anyhow::Result<()> {
        Ok(())
    }

    fn base_licence(&self) -> Option<String> {
        None
    }
}

/// Says `go` until the words are used up, one word before every step, then the last one for ever.
pub(crate) struct Script {
    pub(crate) words: Vec<Control>,
    pub(crate) waits: usize,
}

impl Script {
    /// Cancels before step `step`.
    pub(crate) fn cancel_before(step: usize) -> Self {
        let mut words = vec![Control::Go; step - 1];
        words.push(Control::Cancel);
        Self { words, waits: 0 }
    }

    pub(crate) fn go() -> Self {
        Self { words: vec![Control::Go], waits: 0 }
    }
}

impl Steering for Script {
    fn word(&mut self) -> Control {
        if self.words.len() > 1 { self.words.remove(0) } else { self.words[0] }
    }

    fn wait(&mut self) {
        self.waits += 1;
    }
}

/// Keeps what a run says.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) logs: Vec<StepLog>,
    pub(crate) lines: Vec<String>,
}

impl Show for Heard {
    fn logged(&mut self, log: &StepLog) {
        self.logs.push(log.clone());
    }

    fn say(&mut self, line: &str) {
        self.lines.push(line.to_owned());
    }
}

/// A step with the bits of its loss, dev loss and gradient norm.
pub(crate) type Bits = (usize, [Option<u64>; 3]);

/// What a resumed run must have in common with an unbroken one.
pub(crate) fn losses(logs: &[StepLog]) -> Vec<Bits> {
    let bits = |log: &StepLog| [log.loss, log.dev_loss, log.grad_norm].map(|number| number.map(f64::to_bits));
    logs.iter().map(|log| (log.step, bits(log))).collect()
}
