//! Likelihoods through the real engine: PEFT's loss on the golden conversations, and no difference by cache or by quantisation's
//! path.

use std::path::Path;

use serde::Deserialize;
use shopclerk::domain::run::Manifest;
use shopclerk::model::adapters::{Base, Bundle, CONFIG, Registry, WEIGHTS};
use shopclerk::model::engine::Engine;
use shopclerk::model::settings::Quantise;
use shopclerk::model::{Model, ModelError, Opening, Passage, Settings};

use super::need;

#[derive(Deserialize)]
struct Rendered {
    ids: Vec<u32>,
    mask: Vec<u8>,
}

struct Golden {
    rendered: Vec<Rendered>,
    loss: f64,
    adapter: Bundle,
}

fn golden(model: &Path) -> Option<Golden> {
    let run = need::shared_golden("lora_run.json")?;
    let shared = run.parent()?;
    let run: serde_json::Value = serde_json::from_str(&fs_err::read_to_string(&run).unwrap()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let peft = dir.path().join("peft");
    fs_err::create_dir(&peft).unwrap();
    fs_err::copy(shared.join("adapter_config.json"), peft.join(CONFIG)).unwrap();
    fs_err::copy(shared.join("lora_init.safetensors"), peft.join(WEIGHTS)).unwrap();
    let registry = Registry::new(dir.path().join("adapters"), Vec::new());
    let base = Base::read(model, &dir.path().join("cache.json")).unwrap();
    let manifest = Manifest {
        name: "golden".to_owned(),
        version: 0,
        base: "smollm2-135m-instruct".to_owned(),
        base_fingerprint: base.fingerprint().to_owned(),
        weights_hash: String::new(),
        data_hash: String::new(),
        recipe: String::new(),
        scorecard: None,
        run: None,
        created_at: 0,
        forced_by: None,
        tainted: false,
        files: Default::default(),
    };
    let id = registry.publish(&peft, manifest).unwrap();
    Some(Golden {
        rendered: serde_json::from_str(&need::golden("chat_render.json")).unwrap(),
        loss: run["steps"][0]["loss"].as_f64().unwrap(),
        adapter: registry.check(&id, Some(&base)).unwrap(),
    })
}

fn passage(rendered: &Rendered, adapter: Option<&str>) -> Passage {
    let targets = (1..rendered.ids.len()).filter(|n| rendered.mask[*n] == 1).collect();
    Passage { ids: rendered.ids.clone(), targets, adapter: adapter.map(str::to_owned) }
}

/// The mean loss over all conversations, in nats.
async fn loss(engine: &Engine, golden: &Golden, adapter: Option<&str>) -> f64 {
    let (mut sum, mut tokens) = (0.0, 0);
    for rendered in &golden.rendered {
        let found = engine.log_likelihood(passage(rendered, adapter)).await.unwrap();
        sum -= found.iter().map(|log| f64::from(*log)).sum::<f64>();
        tokens += found.len();
    }
    assert_eq!(tokens, 50);
    sum / tokens as f64
}

#[test]
fn likelihoods_are_pefts() {
    let Some(model) = need::model() else { return };
    let Some(golden) = golden(&model) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for (quantise, tolerance) in [(Quantise::None, 1e-3), (Quantise::Q8_0, 0.05)] {
            let settings = Settings { quantise, ..Settings::default() };
            let engine = Engine::load(&model, "smollm2-135m-instruct", &settings).await.unwrap();
            engine.install(golden.adapter.clone()).await.unwrap();
            engine.prove("golden@1").await.unwrap();
            let found = loss(&engine, &golden, Some("golden@1")).await;
            println!("{quantise:?}: {found:.6} with the adapter (PEFT {:.6})", golden.loss);
            assert!((found - golden.loss).abs() < tolerance, "{found} instead of {}", golden.loss);
            let base = loss(&engine, &golden, None).await;
            println!("{quantise:?}: {base:.6} without");
            assert!((base - found).abs() > 1e-3, "the adapter changes something");
            the_cache_changes_nothing(&engine, &golden.rendered[0]).await;
        }
    });
    runtime.shutdown_background();
}

/// An answer leaves its tokens in the engine's cache; the likelihoods of the same tokens are then found another way.
async fn the_cache_changes_nothing(engine: &Engine, rendered: &Rendered) {
    let asked = passage(rendered, None);
    let before = engine.log_likelihood(asked.clone()).await.unwrap();
    let from = asked.targets[asked.targets.len() / 2];
    let opening = Opening { ids: rendered.ids[..from].to_vec(), max_tokens: 4, adapter: None };
    let said = engine.go_on(opening.clone()).await.unwrap();
    assert!(!said.is_empty());
    assert_eq!(engine.go_on(opening).await.unwrap(), said, "greedy: the same every time");
    let after = engine.log_likelihood(asked).await.unwrap();
    assert_eq!(before.len(), after.len());
    for (one, other) in before.iter().zip(&after) {
        assert!((one - other).abs() < 5e-2, "{one} and {other}");
    }
    let outside = Passage { ids: vec![1, 2], targets: vec![0], adapter: None };
    assert!(matches!(engine.log_likelihood(outside).await, Err(ModelError::Invalid(_))));
    let long = Passage { ids: vec![1; 100_000], targets: vec![5], adapter: None };
    assert!(matches!(engine.log_likelihood(long).await, Err(ModelError::TooLong { .. })));
}
