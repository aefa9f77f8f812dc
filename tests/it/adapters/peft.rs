//! An adapter that Python PEFT made is served, and gives PEFT's logits.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use shopclerk::domain::run::Manifest;
use shopclerk::model::adapters::{Base, Registry};
use shopclerk::model::engine::Engine;
use shopclerk::model::settings::Quantise;
use shopclerk::model::{Model, Settings};

use crate::engine::{ALONE, runtime};

/// What `tests/peft_reference.py` writes beside `adapter/`.
#[derive(Deserialize)]
struct Reference {
    ids: Vec<u32>,
    /// After the last id: of the base, and with the adapter.
    base: Vec<f32>,
    logits: Vec<f32>,
}

fn apart(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn top(logits: &[f32]) -> usize {
    (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b])).unwrap()
}

/// `make peft` makes the reference, and says where it is.
#[test]
fn pefts_adapter_serves_pefts_logits() {
    let Some(peft) = std::env::var_os("SHOPCLERK_PEFT").map(PathBuf::from) else {
        return println!("skipped: no reference; `make peft` makes one");
    };
    let folder = crate::need::model().expect("`make peft` names the model too");
    let reference: Reference =
        serde_json::from_slice(&fs_err::read(peft.join("logits.json")).unwrap()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let registry = Registry::new(dir.path().join("adapters"), Vec::new());
    let base = Base::read(&folder, &registry.cache()).unwrap();
    let id = registry.publish(&peft.join("adapter"), manifest(&base)).unwrap();
    let bundle = registry.check(&id, Some(&base)).unwrap();
    let runtime = runtime();
    runtime.block_on(async {
        let _alone = ALONE.lock().await;
        let engine = load(&folder).await;
        engine.install(bundle).await.unwrap();
        let ids = reference.ids.clone();
        let plain = engine.logits_after(ids.clone(), None).await.unwrap();
        let served = engine.logits_after(ids, Some(&id.to_string())).await.unwrap();
        let (base_off, off) = (apart(&plain, &reference.base), apart(&served, &reference.logits));
        let moved = apart(&served, &plain);
        println!(
            "base {base_off:.5} off transformers, adapter {off:.5} off PEFT; it moves them by {moved:.2}"
        );
        assert!(moved > 0.5, "the adapter changes nothing");
        assert!(base_off < 2e-2 && off < 2e-2);
        assert_eq!(top(&served), top(&reference.logits));
    });
    runtime.shutdown_background();
}

async fn load(folder: &Path) -> Engine {
    let settings = Settings { quantise: Quantise::None, ..Settings::default() };
    Engine::load(folder, "smollm2-135m-instruct", &settings).await.unwrap()
}

fn manifest(base: &Base) -> Manifest {
    Manifest {
        name: "foreign".to_owned(),
        version: 0,
        base: "smollm2-135m-instruct".to_owned(),
        base_fingerprint: base.fingerprint().to_owned(),
        weights_hash: String::new(),
        data_hash: String::new(),
        recipe: String::new(),
        scorecard: None,
        run: None,
        created_at: 1,
        forced_by: None,
        tainted: false,
        files: Default::default(),
    }
}
