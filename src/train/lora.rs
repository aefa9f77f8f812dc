//! The real network behind the loop: the decoder with its adapter, and AdamW.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use super::example::Example;
use super::nn::{AdamW, Network, Options, learning_rate};
use super::run::{Loss, Net, NetError, Pass, Stepped};
use super::{TrainError, files, merge, nn, peft};
use crate::domain::recipe::{AdapterDtype, OutputRecipe, Recipe};

const MOMENTS: &str = "moments.safetensors";

/// A model folder's network with the adapter of a recipe.
pub struct Lora {
    network: Network,
    optimiser: AdamW,
    recipe: Recipe,
    base: PathBuf,
    /// The adapter before the first step.
    untrained: std::collections::BTreeMap<String, nn::Matrix>,
}

impl Lora {
    /// Reads the base from its folder and puts the recipe's adapter beside it.
    ///
    /// # Errors
    /// A model the trainer does not know, or a damaged file, by name.
    pub fn load(base: &Path, recipe: &Recipe) -> Result<Self, TrainError> {
        let train = &recipe.train;
        let options = Options { seed: train.seed, recompute: train.recompute, threads: train.threads };
        let network = Network::load(base, &recipe.lora, &options)?;
        let untrained = network.adapter().tensors();
        Ok(Self {
            network,
            optimiser: AdamW::new(train, recipe.lora.plus),
            recipe: recipe.clone(),
            base: base.to_owned(),
            untrained,
        })
    }
}

impl Net for Lora {
    fn backward(&mut self, rows: &[Example], pass: &Pass) -> Result<Loss, NetError> {
        let nn_pass = nn::Pass { step: pass.step, first_row: pass.first_row, scale: pass.scale };
        let found = self.network.backward(rows, &nn_pass).map_err(|fault| explain(fault, pass.first_row))?;
        Ok(Loss { sum: found.sum, targets: found.targets })
    }

    fn loss(&self, rows: &[Example]) -> Result<Loss, NetError> {
        let mut all = Loss::default();
        for one in self.network.loss(rows).map_err(|fault| explain(fault, 0))? {
            all.add(Loss { sum: one.sum, targets: one.targets });
        }
        Ok(all)
    }

    fn check_gradients(&self, step: usize) -> anyhow::Result<()> {
        for (module, pair) in self.network.adapter().pairs() {
            ensure!(
                pair.grad_a.shape() == pair.a.shape() && pair.grad_b.shape() == pair.b.shape(),
                "{module}: the gradient has another shape than the adapter. This is a bug."
            );
            for (letter, gradient) in [("B", &pair.grad_b), ("A", &pair.grad_a)] {
                let hidden = letter == "A" && step == 1;
                ensure!(
                    hidden || gradient.numbers.iter().any(|n| *n != 0.0),
                    "{module}: no gradient reaches its {letter}, so it would learn nothing. This is a bug."
                );
            }
        }
        Ok(())
    }

    fn step(&mut self, step: usize, of: usize) -> Result<Stepped, NetError> {
        let lr = learning_rate(step, of, &self.recipe.train);
        let adapter = self.network.adapter_mut();
        let norm =
            self.optimiser.step(adapter, lr, self.recipe.train.clip).map_err(|fault| explain(fault, 0))?;
        adapter.zero_grads();
        Ok(Stepped { lr, norm })
    }

    fn reset(&mut self) -> anyhow::Result<()> {
        self.network.adapter_mut().set_tensors(self.untrained.clone())?;
        self.network.adapter_mut().zero_grads();
        self.optimiser = AdamW::new(&self.recipe.train, self.recipe.lora.plus);
        Ok(())
    }

    fn save(&self, folder: &Path) -> anyhow::Result<()> {
        // Whole, whatever is written at the end: who goes on from half of the digits ends elsewhere.
        peft::write_as(AdapterDtype::F32, folder, self.network.adapter(), &self.recipe)?;
        self.optimiser.save(&folder.join(MOMENTS))?;
        Ok(())
    }

    fn load(&mut self, folder: &Path) -> anyhow::Result<()> {
        let found = peft::read(folder)?;
        self.network
            .adapter_mut()
            .set_tensors(found.tensors)
            .with_context(|| folder.display().to_string())?;
        self.network.adapter_mut().zero_grads();
        self.optimiser.load(&folder.join(MOMENTS), self.network.adapter())?;
        Ok(())
    }

    fn base_checksum(&self) -> u64 {
        self.network.base_checksum()
    }

    fn export(&self, folder: &Path) -> anyhow::Result<()> {
        Ok(peft::write(folder, self.network.adapter(), &self.recipe)?)
    }

    fn merge(&self, folder: &Path, output: &OutputRecipe) -> anyhow::Result<()> {
        // Through the files, as everybody else reads the adapter.
        let adapter = peft::read(&folder.join("adapter"))?;
        if output.merged {
            files::write_folder(&folder.join("merged"), |into| {
                merge::write_folder(&self.base, &adapter, into, merge::Precision::F32)
            })?;
        }
        if output.gguf {
            let part = folder.join(".part-gguf");
            merge::write_gguf((&self.base, &self.recipe.name), &adapter, &part, merge::Blocks::Q8_0)?;
            fs_err::File::open(&part)?.sync_all()?;
            fs_err::rename(part, folder.join("model.gguf"))?;
        }
        Ok(())
    }

    /// From the manifest that `shopclerk model` writes, or the front matter of the model's README.
    fn base_licence(&self) -> Option<String> {
        let manifest = fs_err::read_to_string(self.base.join("shopclerk.json")).unwrap_or_default();
        let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap_or_default();
        if let Some(licence) = manifest.get("licence").and_then(serde_json::Value::as_str) {
            return Some(licence.to_owned());
        }
        let readme = fs_err::read_to_string(self.base.join("README.md")).ok()?;
        let front = readme.strip_prefix("---\n")?.split("\n---").next()?;
        let line = front.lines().find_map(|line| line.strip_prefix("license:"))?;
        Some(line.trim().to_owned()).filter(|licence| !licence.is_empty())
    }
}

/// A row that is named by its place in the batch, by its place in the call.
fn explain(fault: TrainError, first: u64) -> NetError {
    match fault {
        TrainError::NonFinite { row, loss } => {
            NetError::NonFinite { row: row.saturating_sub(first) as usize, loss }
        }
        TrainError::Gradient { .. } => NetError::Gradient(fault.to_string()),
        other => NetError::Other(other.into()),
    }
}
