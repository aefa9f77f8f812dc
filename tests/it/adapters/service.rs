//! What serves, who decides it, and how other processes are followed.

use std::time::Duration;

use shopclerk::domain::run::{Manifest, Scorecard};
use shopclerk::model::adapters::{AdapterError, Force, Promotion, Role};
use shopclerk::model::{Model, Scripted};

use super::made::{Made, wish};

#[test]
fn numbers_are_never_given_twice() {
    let made = Made::new();
    let registry = made.registry();
    let (first, second) = (made.publish("shop"), made.publish("shop"));
    assert_eq!((first.version(), second.version()), (1, 2));
    registry.remove(&second).unwrap();
    assert_eq!(made.publish("shop").version(), 3);
    made.promote(&first, None);
    assert!(matches!(registry.remove(&first), Err(AdapterError::InUse(_))));
    let files: Vec<String> = fs_err::read_dir(registry.folder(&first).unwrap())
        .unwrap()
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(files.len(), 5, "{files:?}");
    assert!(registry.manifest(&first).unwrap().weights_hash.len() == 64);
}

#[test]
fn the_gate_is_kept_unless_forced_and_that_is_recorded() {
    let made = Made::new();
    let registry = made.registry();
    let failed =
        Scorecard { passed: false, reasons: vec!["loss is higher".to_owned()], ..Scorecard::default() };
    let publish = |manifest: Manifest| registry.publish(&made.peft(), manifest).unwrap();
    let bad = publish(Manifest { scorecard: Some(failed), ..made.manifest("shop") });
    let unjudged = publish(Manifest { scorecard: None, ..made.manifest("shop") });
    let erased = made.publish("shop");
    registry.taint(&erased).unwrap();
    for (id, says) in [(&bad, "loss is higher"), (&unjudged, "no scorecard"), (&erased, "erased")] {
        let fault = registry.promote(&wish(id, None), Some(&made.base())).unwrap_err();
        assert!(matches!(fault, AdapterError::Gate { .. }));
        assert!(fault.to_string().contains(says), "{fault}");
    }
    assert_eq!(registry.state("shop").unwrap().current.version, None);
    let forced = Promotion { force: Force::Yes, ..wish(&bad, None) };
    let state = registry.promote(&forced, Some(&made.base())).unwrap();
    assert_eq!(state.current.forced_by.as_deref(), Some("ann"));
    assert_eq!(registry.manifest(&bad).unwrap().forced_by.as_deref(), Some("ann"));
    // Force where there is no need is not recorded.
    let good = made.publish("shop");
    let state =
        registry.promote(&Promotion { force: Force::Yes, ..wish(&good, None) }, Some(&made.base())).unwrap();
    assert_eq!((state.current.version, state.current.forced_by), (Some(good.version()), None));
}

#[tokio::test]
async fn only_what_answers_chats_can_be_on_trial() {
    let made = Made::new();
    let (shop, tool) = (made.publish("shop"), made.publish("sentiment"));
    let (service, registry) = (made.service(&Scripted::default()).await, made.registry().answering("shop"));
    let says = "share: sentiment@1 answers no conversations, so it cannot have a share of them; leave it out (only `shop` can be on trial)";
    let (base, before) = (made.base(), registry.state("sentiment").unwrap());
    assert_eq!(registry.promote(&wish(&tool, Some(0.1)), Some(&base)).unwrap_err().to_string(), says);
    assert_eq!(service.promote(wish(&tool, Some(0.1))).await.unwrap_err().to_string(), says);
    assert_eq!(registry.state("sentiment").unwrap(), before, "nothing was changed");
    registry.promote(&wish(&tool, Some(1.0)), Some(&base)).unwrap();
    assert!(service.promote(wish(&shop, Some(0.1))).await.unwrap().candidate.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_server_follows_the_files_and_says_so() {
    let made = Made::new();
    let model = Scripted::default();
    let service = made.service(&model).await;
    assert_eq!(service.current().id(), None);
    assert_eq!(made.registry().noticed("shop").unwrap(), None, "no server watches yet");
    let watching = service.watch();
    let id = made.publish("shop");
    let revision = made.promote(&id, None);
    let mut status = service.status();
    status.wait_for(|s| s.current.as_ref() == Some(&id)).await.unwrap();
    assert_eq!(made.registry().noticed("shop").unwrap(), Some(revision));
    assert_eq!(model.variants(), ["shop@1"]);
    let next = made.publish("shop");
    made.promote(&next, Some(0.25));
    status.wait_for(|s| s.candidate.as_ref() == Some(&next) && s.share == Some(0.25)).await.unwrap();
    assert_eq!(model.variants(), ["shop@1", "shop@2"]);
    for expected in [Some(&id), None] {
        made.registry().roll_back("shop", "ann", 1).unwrap();
        status.wait_for(|s| s.current.as_ref() == expected && s.candidate.is_none()).await.unwrap();
    }
    status.wait_for(|s| s.loaded.is_empty()).await.unwrap();
    assert!(model.variants().is_empty());
    watching.abort();
    let _ = watching.await;
    drop(service);
    // Whoever took the last version out of memory may hold the service a moment longer.
    let gone = async {
        while made.registry().noticed("shop").unwrap().is_some() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone).await.expect("the lock goes with the server");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_version_leaves_with_its_last_answer_and_can_be_called_back() {
    let made = Made::new();
    let model = Scripted::default();
    let (first, second) = (made.publish("shop"), made.publish("shop"));
    made.promote(&first, None);
    let service = made.service(&model).await;
    let running = service.for_chat(b"a").await;
    service.promote(wish(&second, None)).await.unwrap();
    assert_eq!(service.for_chat(b"a").await.id(), Some(&second));
    assert_eq!(model.variants(), ["shop@1", "shop@2"], "an answer is still being made by the first");
    // Called back before it has left: it never went away.
    service.roll_back("shop", "ann", 1).await.unwrap();
    assert_eq!(service.for_chat(b"a").await.id(), Some(&first));
    let mut status = service.status();
    status.wait_for(|s| s.loaded.len() == 1).await.unwrap();
    assert_eq!(model.variants(), ["shop@1"]);
    drop(running);
    service.promote(wish(&second, None)).await.unwrap();
    status.wait_for(|s| s.loaded.len() == 1 && s.current.as_ref() == Some(&second)).await.unwrap();
    assert_eq!(model.variants(), ["shop@2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_start_the_newest_version_that_loads_serves_and_the_files_stay() {
    let made = Made::new();
    let model = Scripted::default();
    for _ in 0..3 {
        let id = made.publish("shop");
        made.promote(&id, None);
    }
    let before = made.registry().state("shop").unwrap();
    model.refuse("shop@3");
    let service = made.service(&model).await;
    assert_eq!(service.current().name().as_deref(), Some("shop@2"));
    assert!(service.status().borrow().faults["shop"].contains("shop@3"));
    assert_eq!(made.registry().state("shop").unwrap(), before);
    // Under way, a version that cannot be loaded is taken back in the files as well.
    model.refuse("shop@4");
    let id = made.publish("shop");
    let fault = service.promote(wish(&id, None)).await.unwrap_err();
    assert!(matches!(fault, AdapterError::Load { .. }) && fault.to_string().contains("shop@4"), "{fault}");
    assert_eq!(service.current().name().as_deref(), Some("shop@2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_another_base_nothing_is_lost_and_the_base_answers() {
    let made = Made::new();
    let model = Scripted::default();
    let id = made.publish("shop");
    made.promote(&id, None);
    let before = made.registry().state("shop").unwrap();
    fs_err::write(made.dir.path().join("base/model.safetensors"), b"other weights").unwrap();
    let service = made.service(&model).await;
    assert_eq!(service.current().id(), None);
    assert!(service.status().borrow().faults["shop"].contains("trained for another model"));
    assert_eq!(made.registry().state("shop").unwrap(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_load_when_they_are_used_and_make_room_for_one_another() {
    let made = Made::new();
    let model = Scripted::default();
    for name in ["shop", "extract", "sentiment"] {
        let id = made.publish(name);
        made.promote(&id, None);
    }
    let service = made.service_with(&model, 2).await;
    assert_eq!(model.variants(), ["shop@1"], "a tool's adapter is not loaded before it is used");
    let extract = service.for_tool("extract", b"1").await;
    assert_eq!(extract.name().as_deref(), Some("extract@1"));
    assert_eq!(model.variants(), ["extract@1", "shop@1"]);
    // Full, and in use: one more than there is room for.
    let sentiment = service.for_tool("sentiment", b"1").await;
    assert_eq!(model.variants(), ["extract@1", "sentiment@1", "shop@1"]);
    drop((extract, sentiment));
    drop(service.for_tool("extract", b"2").await);
    assert_eq!(service.for_tool("nothing", b"1").await.id(), None);
    // A new version of a tool at work replaces the old one at once; chats are never pushed out.
    let next = made.publish("extract");
    service.promote(wish(&next, None)).await.unwrap();
    assert_eq!(service.for_tool("extract", b"2").await.id(), Some(&next));
    assert!(model.variants().contains(&"shop@1".to_owned()));
}

#[test]
fn what_ships_with_the_program_serves_until_somebody_decides() {
    let made = Made::new();
    let elsewhere = Made::new();
    let id = elsewhere.publish("sentiment");
    let from = elsewhere.registry().folder(&id).unwrap();
    let to = made.dir.path().join("shipped/sentiment/1");
    fs_err::create_dir_all(&to).unwrap();
    for entry in fs_err::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs_err::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
    let registry = made.registry();
    let listed = registry.list().unwrap();
    assert_eq!(listed.len(), 1);
    assert!(listed[0].shipped && listed[0].role == Role::Current && listed[0].passed == Some(true));
    assert!(matches!(registry.remove(&id), Err(AdapterError::Shipped(_))));
    let own = made.publish("sentiment");
    assert_eq!(own.version(), 2);
    assert_eq!(registry.state("sentiment").unwrap().current.version, Some(1));
    made.promote(&own, None);
    let state = registry.roll_back("sentiment", "ann", 1).unwrap();
    assert_eq!(state.current.version, Some(1));
}
