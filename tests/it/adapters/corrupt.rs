//! Each file of an adapter is damaged in several ways: every one is refused with the file and the field, and what served goes on.

use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};
use shopclerk::model::Scripted;
use shopclerk::model::adapters::{AdapterError, AdapterId, CONFIG, MANIFEST, Registry, WEIGHTS};
use shopclerk::tools::{CALIBRATION, Calibration};

use super::made::{Made, Tensors, tensors, wish, write_tensors};

type Damage = (&'static str, &'static str, &'static str, fn(&Path));

fn set(file: &Path, key: &str, value: Value) {
    let mut json: Value = serde_json::from_slice(&fs_err::read(file).unwrap()).unwrap();
    json[key] = value;
    fs_err::write(file, json.to_string()).unwrap();
}

fn config(folder: &Path, key: &str, value: Value) {
    set(&folder.join(CONFIG), key, value);
}

/// Writes changed tensors, with the manifest's hash to match: only a look inside can find them out.
fn weights(folder: &Path, change: impl FnOnce(&mut Tensors)) {
    let mut all = tensors();
    change(&mut all);
    write_tensors(&folder.join(WEIGHTS), &all);
    rehash(folder);
}

/// A number in a tool's file that parses as well as the right one.
fn calibration(folder: &Path, temperature: f64) {
    set(&folder.join(CALIBRATION), "temperature", temperature.into());
}

/// A manifest as it was before it had hashes of the small files.
fn forget_hashes(folder: &Path) {
    set(&folder.join(MANIFEST), "files", serde_json::json!({}));
}

fn rehash(folder: &Path) {
    let hash = hex::encode(Sha256::digest(fs_err::read(folder.join(WEIGHTS)).unwrap()));
    set(&folder.join(MANIFEST), "weights_hash", hash.into());
}

fn bytes(folder: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let path = folder.join(WEIGHTS);
    let mut bytes = fs_err::read(&path).unwrap();
    change(&mut bytes);
    fs_err::write(path, bytes).unwrap();
    rehash(folder);
}

fn tensor(name: &str) -> String {
    format!("base_model.model.model.layers.{name}.weight")
}

/// The damaged file, what the refusal says of it, a name for the damage, and the damage.
const DAMAGES: &[Damage] = &[
    (MANIFEST, "is missing", "gone", |f| fs_err::remove_file(f.join(MANIFEST)).unwrap()),
    (MANIFEST, "does not parse", "cut", |f| fs_err::write(f.join(MANIFEST), "{\"name\":").unwrap()),
    (MANIFEST, "`name`", "another's", |f| set(&f.join(MANIFEST), "name", "other".into())),
    (MANIFEST, "`version`", "another version's", |f| set(&f.join(MANIFEST), "version", 9.into())),
    (MANIFEST, "base_fingerprint", "of another model", |f| {
        set(&f.join(MANIFEST), "base_fingerprint", "0".repeat(64).into());
    }),
    (WEIGHTS, "weights_hash", "hash of others", |f| set(&f.join(MANIFEST), "weights_hash", "00".into())),
    (CONFIG, "is missing", "gone", |f| fs_err::remove_file(f.join(CONFIG)).unwrap()),
    (CONFIG, "does not parse", "cut", |f| fs_err::write(f.join(CONFIG), "{").unwrap()),
    (CONFIG, "is far too long", "huge", |f| fs_err::write(f.join(CONFIG), vec![b' '; 17 << 20]).unwrap()),
    (CONFIG, "`peft_type`", "no LoRA", |f| config(f, "peft_type", "IA3".into())),
    (CONFIG, "`task_type`", "no chat", |f| config(f, "task_type", "SEQ_CLS".into())),
    (CONFIG, "`bias`", "bias", |f| config(f, "bias", "all".into())),
    (CONFIG, "`use_dora`", "DoRA", |f| config(f, "use_dora", true.into())),
    (CONFIG, "`use_rslora`", "rsLoRA", |f| config(f, "use_rslora", true.into())),
    (CONFIG, "`modules_to_save`", "more modules", |f| config(f, "modules_to_save", vec!["lm_head"].into())),
    (CONFIG, "`rank_pattern`", "ranks", |f| config(f, "rank_pattern", serde_json::json!({"q_proj": 4}))),
    (CONFIG, "`layers_to_transform`", "layers", |f| config(f, "layers_to_transform", vec![0].into())),
    (CONFIG, "`r`", "rank 0", |f| config(f, "r", 0.into())),
    (CONFIG, "`r`", "rank of text", |f| config(f, "r", "2".into())),
    (CONFIG, "`lora_alpha`", "alpha 0", |f| config(f, "lora_alpha", 0.into())),
    (CONFIG, "`target_modules`", "a pattern", |f| config(f, "target_modules", "all-linear".into())),
    (CONFIG, "`target_modules`", "not linear", |f| config(f, "target_modules", vec!["proj"].into())),
    (CONFIG, "`target_modules`", "twice", |f| config(f, "target_modules", vec!["q_proj", "q_proj"].into())),
    (CONFIG, "wrong SHA-256", "ten times the alpha", |f| config(f, "lora_alpha", 40.into())),
    (CALIBRATION, "wrong SHA-256", "another temperature", |f| calibration(f, 15.0)),
    (CALIBRATION, "is missing", "gone", |f| fs_err::remove_file(f.join(CALIBRATION)).unwrap()),
    (CALIBRATION, "wrong SHA-256", "not of the version", |f| {
        let files = hex::encode(Sha256::digest(fs_err::read(f.join(CONFIG)).unwrap()));
        set(&f.join(MANIFEST), "files", serde_json::json!({ CONFIG: files }));
    }),
    (CALIBRATION, "does not parse", "cut", |f| fs_err::write(f.join(CALIBRATION), "{\"bias\":").unwrap()),
    (CALIBRATION, "`temperature` must be above 0", "no temperature, without hashes", |f| {
        forget_hashes(f);
        calibration(f, 0.0);
    }),
    (CALIBRATION, "unknown field `heat`", "another field, without hashes", |f| {
        forget_hashes(f);
        set(&f.join(CALIBRATION), "heat", 1.into());
    }),
    (WEIGHTS, "lora_A.weight` has shape [2, 16] instead of [4, 16]", "rank", |f| config(f, "r", 4.into())),
    (WEIGHTS, "lacks `base_model.model.model.layers.0.self_attn.k_proj", "more targets", |f| {
        config(f, "target_modules", vec!["q_proj", "k_proj", "down_proj"].into());
    }),
    (WEIGHTS, "holds `base_model.model.model.layers.0.mlp.down_proj", "fewer targets", |f| {
        config(f, "target_modules", vec!["q_proj"].into());
    }),
    (WEIGHTS, "is missing", "gone", |f| fs_err::remove_file(f.join(WEIGHTS)).unwrap()),
    (WEIGHTS, "has 0 bytes", "empty", |f| fs_err::write(f.join(WEIGHTS), b"").unwrap()),
    (WEIGHTS, "it is cut short", "header length", |f| bytes(f, |b| b[..8].copy_from_slice(&[0xFF; 8]))),
    (WEIGHTS, "it is cut short", "header cut", |f| bytes(f, |b| b.truncate(100))),
    (WEIGHTS, "does not parse", "header noise", |f| bytes(f, |b| b[8] = b'!')),
    (WEIGHTS, "its header asks for", "data cut", |f| bytes(f, |b| b.truncate(b.len() - 4))),
    (WEIGHTS, "its header asks for", "data added", |f| bytes(f, |b| b.extend([0; 64]))),
    (WEIGHTS, "weights_hash", "one bit", |f| {
        let path = f.join(WEIGHTS);
        let mut bytes = fs_err::read(&path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs_err::write(path, bytes).unwrap();
    }),
    (WEIGHTS, "not a finite number", "NaN", |f| {
        weights(f, |t| t.get_mut(&tensor("1.self_attn.q_proj.lora_B")).unwrap().1[3] = f32::NAN);
    }),
    (WEIGHTS, "not a finite number", "infinity", |f| {
        weights(f, |t| t.get_mut(&tensor("0.mlp.down_proj.lora_A")).unwrap().1[0] = f32::INFINITY);
    }),
    (WEIGHTS, "has shape [8, 2] instead of [2, 8]", "turned", |f| {
        weights(f, |t| t.get_mut(&tensor("0.self_attn.q_proj.lora_A")).unwrap().0 = vec![8, 2]);
    }),
    (WEIGHTS, "lacks `base_model.model.model.layers.1", "a layer less", |f| {
        weights(f, |t| t.retain(|name, _| !name.contains("layers.1")));
    }),
    (WEIGHTS, "holds `base_model.model.model.layers.2", "a layer more", |f| {
        weights(f, |t| {
            let one = t[&tensor("0.self_attn.q_proj.lora_A")].clone();
            t.insert(tensor("2.self_attn.q_proj.lora_A"), one);
        });
    }),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_damage_is_refused_with_file_and_field_while_the_old_one_serves() {
    let made = Made::new();
    let model = Scripted::default();
    let first = made.publish("shop");
    made.promote(&first, None);
    let service = made.service(&model).await;
    assert_eq!(service.current().id(), Some(&first));
    for (file, says, what, damage) in DAMAGES {
        let id = made.publish("shop");
        let folder = made.registry().folder(&id).unwrap();
        damage(&folder);
        let fault = service.promote(wish(&id, None)).await.expect_err(what).to_string();
        assert!(fault.contains(file), "{what}: `{fault}` does not name {file}");
        assert!(fault.contains(says), "{what}: `{fault}` does not say `{says}`");
        assert_eq!(service.current().id(), Some(&first), "{what}");
        let state = made.registry().state("shop").unwrap();
        assert_eq!((state.current.version, state.candidate), (Some(1), None), "{what}");
    }
    assert_eq!(service.status().borrow().loaded.len(), 1);
}

/// Another process promotes a sound version that is damaged before the server loads it.
#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_rots_between_promotion_and_load_is_taken_back() {
    let made = Made::new();
    let model = Scripted::default();
    let first = made.publish("shop");
    made.promote(&first, None);
    let service = made.service(&model).await;
    for share in [None, Some(0.5)] {
        let id = made.publish("shop");
        made.promote(&id, share);
        weights(&made.registry().folder(&id).unwrap(), |t| {
            t.get_mut(&tensor("0.mlp.down_proj.lora_A")).unwrap().1[0] = f32::NAN;
        });
        let watching = service.watch();
        let mut status = service.status();
        let seen = status.wait_for(|s| s.faults.contains_key("shop")).await.unwrap().clone();
        assert!(seen.faults["shop"].contains("not a finite number"), "{seen:?}");
        assert_eq!((seen.current.as_ref(), seen.candidate), (Some(&first), None));
        watching.abort();
        let state = made.registry().state("shop").unwrap();
        assert_eq!(state.current.version, Some(1));
        assert!(state.fault.unwrap().contains("not a finite number"));
        // The next promotion of a sound one clears the fault.
        let good = made.publish("shop");
        service.promote(wish(&good, None)).await.unwrap();
        assert!(service.status().borrow().faults.is_empty());
        service.roll_back("shop", "ann", 1).await.unwrap();
    }
}

#[test]
fn a_manifest_of_before_without_hashes_of_small_files_is_still_served() {
    let made = Made::new();
    let id = made.publish("shop");
    let folder = made.registry().folder(&id).unwrap();
    let files = made.registry().manifest(&id).unwrap().files;
    assert_eq!(files.keys().map(String::as_str).collect::<Vec<_>>(), [CONFIG, CALIBRATION]);
    forget_hashes(&folder);
    made.registry().check(&id, Some(&made.base())).unwrap();
}

#[test]
fn what_ships_with_the_program_is_sound_whatever_its_manifest_is_of() {
    let dir = tempfile::tempdir().unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("adapters");
    let registry = Registry::new(dir.path().to_owned(), vec![shipped]).judging(Calibration::judge);
    let all = registry.list().unwrap();
    assert!(all.len() >= 2, "{all:?}");
    for one in all {
        registry.check(&one.id, None).unwrap();
    }
}

#[test]
fn what_is_no_peft_folder_is_not_published() {
    let made = Made::new();
    let folder = made.peft();
    let wrong = shopclerk::domain::run::Manifest { weights_hash: "00".to_owned(), ..made.manifest("shop") };
    assert!(matches!(made.registry().publish(&folder, wrong), Err(AdapterError::Damaged { .. })));
    for name in ["", "../up", "a/b", ".hidden"] {
        let fault = made.registry().publish(&folder, made.manifest(name));
        assert!(matches!(fault, Err(AdapterError::Name(_))), "{name}");
    }
    config(&folder, "use_dora", true.into());
    assert!(matches!(
        made.registry().publish(&folder, made.manifest("shop")),
        Err(AdapterError::Damaged { .. })
    ));
    assert!(made.registry().names().unwrap().is_empty());
    assert!("shop@0".parse::<AdapterId>().is_err() && "shop".parse::<AdapterId>().is_err());
}
