//! A model of two tiny layers as far as adapters look at it, and adapters for it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use safetensors::Dtype;
use safetensors::tensor::TensorView;
use shopclerk::domain::run::{Manifest, Scorecard};
use shopclerk::model::adapters::{self, AdapterId, Adapters, Base, Force, Promotion, Registry};
use shopclerk::model::{Scripted, SharedModel};
use shopclerk::tools::{CALIBRATION, Calibration};

const CONFIG: &str = r#"{"model_type":"llama","hidden_size":8,"intermediate_size":16,"num_hidden_layers":2,
    "num_attention_heads":2,"num_key_value_heads":1}"#;

/// A data folder with a base model; adapters are published into it.
pub(crate) struct Made {
    pub(crate) dir: tempfile::TempDir,
}

/// Names of tensors with their shapes and values.
pub(crate) type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

impl Made {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().join("base");
        fs_err::create_dir(&base).unwrap();
        fs_err::write(base.join("config.json"), CONFIG).unwrap();
        fs_err::write(base.join("model.safetensors"), b"these are the weights").unwrap();
        Self { dir }
    }

    pub(super) fn registry(&self) -> Registry {
        let (own, shipped) = (self.dir.path().join("adapters"), self.dir.path().join("shipped"));
        Registry::new(own, vec![shipped]).judging(Calibration::judge)
    }

    pub(super) fn base(&self) -> Base {
        Base::read(&self.dir.path().join("base"), &self.registry().cache()).unwrap()
    }

    /// A PEFT folder that fits.
    pub(crate) fn peft(&self) -> PathBuf {
        let folder = self.dir.path().join("peft");
        fs_err::create_dir_all(&folder).unwrap();
        let config = serde_json::json!({
            "peft_type": "LORA", "task_type": "CAUSAL_LM", "r": 2, "lora_alpha": 4, "bias": "none",
            "target_modules": ["q_proj", "down_proj"], "use_rslora": false, "rank_pattern": {},
        });
        fs_err::write(folder.join(adapters::CONFIG), config.to_string()).unwrap();
        let calibration = serde_json::json!({"version": 2, "temperature": 1.5, "bias": [0.1, 0.2, 0.3]});
        fs_err::write(folder.join(CALIBRATION), calibration.to_string()).unwrap();
        write_tensors(&folder.join(adapters::WEIGHTS), &tensors());
        folder
    }

    pub(crate) fn manifest(&self, name: &str) -> Manifest {
        Manifest {
            name: name.to_owned(),
            version: 0,
            base: "tiny".to_owned(),
            base_fingerprint: self.base().fingerprint().to_owned(),
            weights_hash: String::new(),
            data_hash: "d".repeat(64),
            recipe: String::new(),
            scorecard: Some(Scorecard { passed: true, ..Scorecard::default() }),
            run: None,
            created_at: 1,
            forced_by: None,
            tainted: false,
            files: Default::default(),
        }
    }

    pub(super) fn publish(&self, name: &str) -> AdapterId {
        self.registry().publish(&self.peft(), self.manifest(name)).unwrap()
    }

    /// As another process would.
    pub(super) fn promote(&self, id: &AdapterId, share: Option<f64>) -> u64 {
        self.registry().promote(&wish(id, share), Some(&self.base())).unwrap().revision
    }

    pub(super) async fn service(&self, model: &Scripted) -> Adapters {
        self.service_with(model, 3).await
    }

    pub(super) async fn service_with(&self, model: &Scripted, room: usize) -> Adapters {
        let model: SharedModel = Arc::new(model.clone());
        let (registry, base) = (self.registry(), Some(self.base()));
        Adapters::open(adapters::Parts { registry, model, base, chat: "shop".to_owned(), room }).await
    }
}

pub(super) fn wish(id: &AdapterId, share: Option<f64>) -> Promotion {
    Promotion { id: id.clone(), share, by: "ann".to_owned(), force: Force::No, at: 1000 }
}

/// All tensors of rank 2 on q_proj and down_proj of the two layers.
pub(crate) fn tensors() -> Tensors {
    let mut all = Tensors::new();
    for layer in 0..2 {
        for (part, rows, columns) in [("self_attn.q_proj", 8, 8), ("mlp.down_proj", 8, 16)] {
            let stem = format!("base_model.model.model.layers.{layer}.{part}");
            all.insert(format!("{stem}.lora_A.weight"), (vec![2, columns], vec![0.5; 2 * columns]));
            all.insert(format!("{stem}.lora_B.weight"), (vec![rows, 2], vec![-0.25; 2 * rows]));
        }
    }
    all
}

pub(crate) fn write_tensors(path: &Path, tensors: &Tensors) {
    let bytes: Vec<(&String, &Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .map(|(name, (shape, values))| (name, shape, values.iter().flat_map(|v| v.to_le_bytes()).collect()))
        .collect();
    let views = bytes
        .iter()
        .map(|(name, shape, data)| (*name, TensorView::new(Dtype::F32, (*shape).clone(), data).unwrap()));
    fs_err::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}
