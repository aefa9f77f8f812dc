//! Several runs of one recipe and the mean of them, without a network.

use std::path::Path;

use shopclerk::domain::recipe::Recipe;
use shopclerk::domain::run::StepLog;

use super::train_loop::{Start1, adapter, logs, recipe};
use super::train_made::{Script, losses, run_folder};

fn three_times() -> Recipe {
    let mut recipe = recipe();
    (recipe.train.runs, recipe.train.seed) = (3, 5);
    recipe
}

/// What the network of one number ended at.
fn point(dir: &Path) -> f64 {
    f64::from_bits(adapter(dir).parse().unwrap())
}

#[test]
fn the_adapter_is_the_mean_of_runs_with_seeds_of_their_own() {
    let dir = tempfile::tempdir().unwrap();
    run_folder(dir.path(), &three_times(), 40);
    let (outcome, heard) = Start1::fresh(dir.path()).go(&mut Script::go());
    let outcome = outcome.unwrap().unwrap();
    let mut alone = Vec::new();
    let mut steps = 0;
    for seed in 5..8 {
        let dir = tempfile::tempdir().unwrap();
        let mut recipe = recipe();
        recipe.train.seed = seed;
        run_folder(dir.path(), &recipe, 40);
        steps += Start1::fresh(dir.path()).go(&mut Script::go()).0.unwrap().unwrap().steps;
        alone.push(point(dir.path()));
    }
    assert!(alone[0] != alone[1] && alone[1] != alone[2], "{alone:?}");
    let mean = alone.iter().sum::<f64>() / 3.0;
    assert!((point(dir.path()) - mean).abs() < 1e-12, "{} of {alone:?}", point(dir.path()));
    assert_eq!((outcome.steps, outcome.mean_of), (steps, Some(3)));
    let (dev, test) = (outcome.dev.unwrap(), outcome.test.unwrap());
    assert!((dev.adapter - (mean - 3.0).powi(2)).abs() < 1e-9 && test.adapter < test.base);
    // One journal, numbered on, as it was shown.
    let logged = logs(dir.path());
    let numbers: Vec<usize> = logged.iter().map(|log| log.step).collect();
    assert_eq!(numbers, (0..=steps).collect::<Vec<_>>());
    assert!(logged.iter().all(|log| log.of == steps) && logged.is_sorted_by_key(|log| log.tokens));
    let close = |one: Option<f64>, other: Option<f64>| match (one, other) {
        // JSON may lose the last bit.
        (Some(one), Some(other)) => (one - other).abs() <= 1e-12 * one.abs(),
        (one, other) => one == other,
    };
    assert_eq!(heard.logs.len(), logged.len());
    for (shown, written) in heard.logs.iter().zip(&logged) {
        assert!(shown.step == written.step && close(shown.loss, written.loss), "{shown:?}");
        assert!(close(shown.dev_loss, written.dev_loss), "{shown:?}");
    }
    let card = fs_err::read_to_string(dir.path().join("adapter/README.md")).unwrap();
    assert!(card.contains("the adapter is the mean of 3 runs") && card.contains("runs = 3"), "{card}");
}

#[test]
fn cancelled_anywhere_it_goes_on_as_if_nothing_had_happened() {
    let whole = tempfile::tempdir().unwrap();
    run_folder(whole.path(), &three_times(), 40);
    let outcome = Start1::fresh(whole.path()).go(&mut Script::go()).0.unwrap().unwrap();
    let expected = losses(&logs(whole.path()));
    for step in 1..=outcome.steps {
        let dir = tempfile::tempdir().unwrap();
        run_folder(dir.path(), &three_times(), 40);
        assert_eq!(Start1::fresh(dir.path()).go(&mut Script::cancel_before(step)).0.unwrap(), None);
        let before: Vec<StepLog> = logs(dir.path());
        assert_eq!(before.len(), step, "the steps so far are seen while it runs");
        let again = Start1::fresh(dir.path()).go(&mut Script::go()).0.unwrap_err().to_string();
        assert!(again.contains("has begun already"), "{again}");
        let resumed = Start1::resume(dir.path()).go(&mut Script::go()).0.unwrap().unwrap();
        assert_eq!(losses(&logs(dir.path())), expected, "cancelled before step {step}");
        assert_eq!((resumed.dev, resumed.test), (outcome.dev, outcome.test));
        assert_eq!(adapter(dir.path()), adapter(whole.path()));
    }
}

#[test]
fn a_run_that_was_killed_before_its_end_was_written_does_not_train_again() {
    let dir = tempfile::tempdir().unwrap();
    run_folder(dir.path(), &three_times(), 40);
    let outcome = Start1::fresh(dir.path()).go(&mut Script::go()).0.unwrap().unwrap();
    let was = adapter(dir.path());
    fs_err::remove_file(dir.path().join("result.json")).unwrap();
    fs_err::remove_dir_all(dir.path().join("adapter")).unwrap();
    let (again, heard) = Start1::resume(dir.path()).go(&mut Script::go());
    assert_eq!((again.unwrap().unwrap().test, adapter(dir.path())), (outcome.test, was));
    assert!(heard.logs.is_empty());
}
