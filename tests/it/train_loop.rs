//! The loop without a network: stopping, going on, choosing, giving up.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use shopclerk::domain::recipe::{Objective, Range, Recipe, SearchMethod};
use shopclerk::domain::run::{Control, StepLog, Trial};
use shopclerk::train::run::checkpoint::State;
use shopclerk::train::run::control::ControlFile;
use shopclerk::train::run::{Folder, Net, Order, Outcome, Start, Steering, journal, run};

use super::train_made::{Heard, Point, Script, losses, run_folder, tokenizer};

const CHATML: &str = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}\
                      {% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

/// An alpha whose network cannot be made.
const HEAVY: f64 = 1000.0;

/// 24 rows to train on in batches of 4, a rank of 3 to reach.
fn recipe() -> Recipe {
    let mut recipe = Recipe::default();
    (recipe.data.dev, recipe.data.test) = (0.2, 0.2);
    (recipe.train.epochs, recipe.train.eval_every, recipe.train.lr) = (3.0, 2, 0.05);
    recipe.lora.rank = 3;
    recipe
}

struct Start1<'a> {
    dir: &'a Path,
    start: Start,
    save_every: Duration,
    breaks_at: u64,
}

impl<'a> Start1<'a> {
    fn fresh(dir: &'a Path) -> Self {
        Self { dir, start: Start::Fresh, save_every: Duration::ZERO, breaks_at: 0 }
    }

    fn resume(dir: &'a Path) -> Self {
        Self { start: Start::Resume, ..Self::fresh(dir) }
    }

    fn go(&self, steering: &mut dyn Steering) -> (anyhow::Result<Option<Outcome>>, Heard) {
        let base = self.dir.join("base");
        tokenizer(&base, CHATML);
        let make = |recipe: &Recipe| {
            anyhow::ensure!(recipe.lora.alpha < HEAVY, "there is no memory");
            let mut point = Point::new(recipe);
            point.breaks_at = self.breaks_at;
            Ok(Box::new(point) as Box<dyn Net>)
        };
        let folder = Folder::new(self.dir);
        let order = Order {
            folder: &folder,
            base: &base,
            start: self.start,
            make: &make,
            now: 1_700_000_000_000,
            save_every: self.save_every,
        };
        let mut heard = Heard::default();
        (run(&order, steering, &mut heard), heard)
    }
}

fn logs(dir: &Path) -> Vec<StepLog> {
    journal::read(&Folder::new(dir)).unwrap()
}

fn adapter(dir: &Path) -> String {
    fs_err::read_to_string(dir.join("adapter/adapter_model.safetensors")).unwrap()
}

#[test]
fn a_run_ends_with_the_best_adapter_and_a_card() {
    let dir = tempfile::tempdir().unwrap();
    run_folder(dir.path(), &recipe(), 40);
    let (outcome, heard) = Start1::fresh(dir.path()).go(&mut Script::go());
    let outcome = outcome.unwrap().unwrap();
    let logged = logs(dir.path());
    assert_eq!(logged.len(), heard.logs.len());
    assert_eq!((logged[0].step, logged[0].loss, logged[0].dev_loss.is_some()), (0, None, true));
    assert_eq!(logged.len(), outcome.steps + 1);
    let looked: Vec<usize> = logged.iter().filter(|l| l.dev_loss.is_some()).map(|l| l.step).collect();
    assert!(looked.starts_with(&[0, 2, 4]) && looked.last() == Some(&outcome.steps), "{looked:?}");
    let best =
        logged.iter().filter(|l| l.step > 0).filter_map(|l| l.dev_loss).min_by(f64::total_cmp).unwrap();
    let (dev, test) = (outcome.dev.unwrap(), outcome.test.unwrap());
    assert_eq!(dev.adapter, best);
    assert!(test.adapter < test.base && (test.base - 9.0).abs() < 1e-9, "{test:?}");
    let card = fs_err::read_to_string(dir.path().join("adapter/README.md")).unwrap();
    for part in
        ["base_model: smollm2-135m-instruct", "| test, used once | 9.0000 |", "[train]", "names no licence"]
    {
        assert!(card.contains(part), "{part}\n{card}");
    }
    let mut again = Start1::resume(dir.path()).go(&mut Script::go()).0.unwrap().unwrap();
    // JSON may lose the last bit of what a clock has measured.
    for (told, was) in
        [(&mut again.seconds, outcome.seconds), (&mut again.tokens_per_second, outcome.tokens_per_second)]
    {
        assert!((*told / was - 1.0).abs() < 1e-12);
        *told = was;
    }
    assert_eq!(again, outcome, "a run that is done stays as it is");
}

#[test]
fn a_run_that_is_cancelled_before_any_step_goes_on_as_if_nothing_had_happened() {
    let whole = tempfile::tempdir().unwrap();
    run_folder(whole.path(), &recipe(), 40);
    let outcome = Start1::fresh(whole.path()).go(&mut Script::go()).0.unwrap().unwrap();
    let expected = losses(&logs(whole.path()));
    for step in 1..=outcome.steps {
        let dir = tempfile::tempdir().unwrap();
        run_folder(dir.path(), &recipe(), 40);
        assert_eq!(Start1::fresh(dir.path()).go(&mut Script::cancel_before(step)).0.unwrap(), None);
        let again = Start1::fresh(dir.path()).go(&mut Script::go()).0.unwrap_err().to_string();
        assert!(again.contains("has begun already"), "{again}");
        let resumed = Start1::resume(dir.path()).go(&mut Script::go()).0.unwrap().unwrap();
        assert_eq!(losses(&logs(dir.path())), expected, "cancelled before step {step}");
        assert_eq!(
            (resumed.dev, resumed.test, resumed.best_step),
            (outcome.dev, outcome.test, outcome.best_step)
        );
        assert_eq!(adapter(dir.path()), adapter(whole.path()));
    }
}

/// `cancel` stays in the file until somebody takes it back, as `train --resume` does.
#[test]
fn a_cancelled_run_goes_on_once_the_word_is_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    run_folder(dir.path(), &recipe(), 40);
    let mut control = ControlFile(dir.path().join("control"));
    fs_err::write(&control.0, "cancel\n").unwrap();
    assert_eq!(Start1::fresh(dir.path()).go(&mut control).0.unwrap(), None);
    assert_eq!(Start1::resume(dir.path()).go(&mut control).0.unwrap(), None);
    control.go_on().unwrap();
    assert!(Start1::resume(dir.path()).go(&mut control).0.unwrap().is_some());
}

/// A kill at any moment finds the checkpoint: it is never removed to be written again.
#[test]
fn a_step_that_is_saved_again_keeps_its_network() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, net) = (Folder::new(dir.path()), Point::new(&recipe()));
    let state = State { step: 4, ..State::default() };
    folder.save(&state, &net).unwrap();
    let file = || fs_err::metadata(folder.checkpoint(4).join("point.json")).unwrap().ino();
    let before = file();
    let later = State { seconds: 2.0, ..state };
    folder.save(&later, &net).unwrap();
    assert_eq!((file(), folder.newest().unwrap()), (before, Some(later)));
}

/// Only the best checkpoints and one for the way back: a start that lost its last steps does them again.
#[test]
fn steps_after_the_last_checkpoint_are_done_again_and_logged_once() {
    let whole = tempfile::tempdir().unwrap();
    run_folder(whole.path(), &recipe(), 40);
    Start1::fresh(whole.path()).go(&mut Script::go()).0.unwrap();
    let dir = tempfile::tempdir().unwrap();
    run_folder(dir.path(), &recipe(), 40);
    let hourly = Start1 { save_every: Duration::from_secs(3600), breaks_at: 6, ..Start1::fresh(dir.path()) };
    let fault = format!("{:#}", hourly.go(&mut Script::go()).0.unwrap_err());
    assert!(
        fault.starts_with("step 6, row r") && fault.contains("the loss is NaN; lower train.lr"),
        "{fault}"
    );
    assert_eq!(logs(dir.path()).last().unwrap().step, 5);
    let folders: Vec<_> =
        fs_err::read_dir(dir.path().join("checkpoints")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(folders, ["step-000004"]);
    let (done, heard) = Start1::resume(dir.path()).go(&mut Script::go());
    done.unwrap().unwrap();
    assert!(heard.lines.iter().any(|line| line.starts_with("going on after step 4 of")), "{:?}", heard.lines);
    assert_eq!(losses(&logs(dir.path())), losses(&logs(whole.path())));
    assert_eq!(adapter(dir.path()), adapter(whole.path()));
}

#[test]
fn pausing_costs_nothing_but_time() {
    let dir = tempfile::tempdir().unwrap();
    run_folder(dir.path(), &recipe(), 40);
    let words = vec![Control::Go, Control::Pause, Control::Pause, Control::Pause, Control::Go];
    let mut script = Script { words, waits: 0 };
    let (outcome, heard) = Start1::fresh(dir.path()).go(&mut script);
    assert!(outcome.unwrap().is_some());
    assert_eq!((script.waits, heard.lines.iter().filter(|l| *l == "paused").count()), (2, 1));
}

#[test]
fn a_run_that_gets_worse_stops_early_and_keeps_the_best() {
    let dir = tempfile::tempdir().unwrap();
    let mut recipe = recipe();
    // Too fast: it swings away from the aim.
    (recipe.train.lr, recipe.lora.plus) = (1.0, 1.6);
    (recipe.train.patience, recipe.train.eval_every, recipe.train.keep) = (3, 1, 2);
    run_folder(dir.path(), &recipe, 40);
    let outcome = Start1::fresh(dir.path()).go(&mut Script::go()).0.unwrap().unwrap();
    let looks: Vec<f64> = logs(dir.path()).iter().skip(1).filter_map(|l| l.dev_loss).collect();
    let best = (0..looks.len()).min_by(|a, b| looks[*a].total_cmp(&looks[*b])).unwrap() + 1;
    assert_eq!((outcome.best_step, outcome.steps), (best, best + 3));
    assert!(serde_json::to_string(&outcome).unwrap().contains("\"patience\""));
    let mut kept: Vec<usize> = (0..looks.len()).map(|n| n + 1).collect();
    kept.sort_by(|a, b| looks[a - 1].total_cmp(&looks[b - 1]));
    // The two best, and the last one for the way back.
    let expected: BTreeSet<String> =
        [kept[0], kept[1], outcome.steps].iter().map(|step| format!("step-{step:06}")).collect();
    let left = fs_err::read_dir(dir.path().join("checkpoints")).unwrap();
    let left: BTreeSet<String> = left.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(left, expected, "{looks:?}");
}

/// Continued pre-training: rows are plain text, and every token but the first is learnt.
#[test]
fn plain_text_is_trained_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut recipe = recipe();
    recipe.objective = Objective::Text;
    run_folder(dir.path(), &recipe, 0);
    let text = |n: usize| format!("The boots {n} are made of leather, and cost {} euros.", n * 7 % 90);
    let rows: String = (0..40).map(|n| format!("{}\n", serde_json::json!({"text": text(n)}))).collect();
    fs_err::write(dir.path().join("rows.jsonl"), rows).unwrap();
    let outcome = Start1::fresh(dir.path()).go(&mut Script::go()).0.unwrap().unwrap();
    let (dev, test) = (outcome.dev.unwrap(), outcome.test.unwrap());
    assert!(dev.adapter < dev.base && test.adapter < test.base, "{outcome:?}");
    let data: serde_json::Value =
        serde_json::from_str(&fs_err::read_to_string(dir.path().join("data.json")).unwrap()).unwrap();
    let part = &data["parts"][0];
    let number = |key: &str| part[key].as_u64().unwrap();
    assert!(number("rows") > 20 && number("trained") + number("rows") >= number("tokens"), "{part}");
}

#[test]
fn without_held_out_rows_the_last_adapter_is_the_result() {
    let dir = tempfile::tempdir().unwrap();
    let mut recipe = recipe();
    (recipe.data.dev, recipe.data.test, recipe.train.max_steps) = (0.0, 0.0, 5);
    run_folder(dir.path(), &recipe, 12);
    let outcome = Start1::fresh(dir.path()).go(&mut Script::go()).0.unwrap().unwrap();
    assert_eq!((outcome.steps, outcome.best_step, outcome.dev, outcome.test), (5, 5, None, None));
}

#[test]
fn two_trainers_do_not_share_a_folder_and_a_checkpoint_of_another_recipe_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    run_folder(dir.path(), &recipe(), 40);
    let folder = Folder::new(dir.path());
    let lock = folder.lock().unwrap();
    let fault = Start1::fresh(dir.path()).go(&mut Script::go()).0.unwrap_err().to_string();
    assert!(fault.contains("another trainer"), "{fault}");
    drop(lock);
    Start1::fresh(dir.path()).go(&mut Script::cancel_before(3)).0.unwrap();
    let mut other = recipe();
    other.train.lr = 0.01;
    fs_err::write(folder.recipe_file(), other.to_toml()).unwrap();
    let fault = Start1::resume(dir.path()).go(&mut Script::go()).0.unwrap_err().to_string();
    assert!(fault.contains("of another recipe"), "{fault}");
}

fn searched(method: SearchMethod, space: &[(&str, Range)]) -> Recipe {
    let mut recipe = recipe();
    recipe.search.method = method;
    recipe.search.space = space.iter().map(|(key, range)| ((*key).to_owned(), range.clone())).collect();
    recipe
}

fn trials(dir: &Path) -> Vec<Trial> {
    let text = fs_err::read_to_string(dir.join("trials.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_grid_is_tried_whole_and_a_killed_search_keeps_what_is_done() {
    let rates = Range::Choice(vec![0.0001.into(), 0.001.into(), 0.05.into()]);
    let recipe = searched(
        SearchMethod::Grid,
        &[("train.lr", rates), ("lora.alpha", Range::Choice(vec![8.0.into(), 16.0.into()]))],
    );
    let whole = tempfile::tempdir().unwrap();
    run_folder(whole.path(), &recipe, 40);
    let (outcome, heard) = Start1::fresh(whole.path()).go(&mut Script::go());
    let outcome = outcome.unwrap().unwrap();
    let all = trials(whole.path());
    assert_eq!(all.len(), 6);
    let winner = &all[outcome.trial.unwrap()];
    assert_eq!(winner.values["train.lr"], 0.05);
    assert!(heard.lines.iter().any(|line| line.contains("<- best")), "{:?}", heard.lines);
    assert_eq!(logs(whole.path()).len(), outcome.steps + 1, "the winner's journal is the run's");
    let dir = tempfile::tempdir().unwrap();
    run_folder(dir.path(), &recipe, 40);
    assert_eq!(Start1::fresh(dir.path()).go(&mut Script::cancel_before(25)).0.unwrap(), None);
    let before = trials(dir.path());
    assert!(!before.is_empty() && before.len() < 6);
    // As a kill in the middle of a line leaves it.
    let torn = fs_err::read_to_string(dir.path().join("trials.jsonl")).unwrap() + "{\"number\":";
    fs_err::write(dir.path().join("trials.jsonl"), torn).unwrap();
    let again = Start1::resume(dir.path()).go(&mut Script::go()).0.unwrap().unwrap();
    assert_eq!(trials(dir.path())[..before.len()], before[..]);
    assert_eq!((again.trial, again.test), (outcome.trial, outcome.test));
    assert_eq!(adapter(dir.path()), adapter(whole.path()));
}

/// A rate at which the numbers run away costs its trial, not the search; what is wrong with the machine ends it.
#[test]
fn a_trial_that_runs_away_is_lost_and_the_search_goes_on() {
    let plus = |values: &[f64]| Range::Choice(values.iter().map(|v| (*v).into()).collect());
    let go = |space: &[(&str, Range)], dir: &Path| {
        run_folder(dir, &searched(SearchMethod::Grid, space), 40);
        Start1::fresh(dir).go(&mut Script::go())
    };
    let dir = tempfile::tempdir().unwrap();
    let (outcome, heard) = go(&[("lora.plus", plus(&[1e200, 1.0, 1e250, 2.0]))], dir.path());
    let outcome = outcome.unwrap().unwrap();
    let all = trials(dir.path());
    let lost: Vec<usize> =
        all.iter().filter(|trial| trial.fault.is_some()).map(|trial| trial.number).collect();
    assert_eq!((all.len(), lost), (4, vec![0, 2]));
    assert!(all[0].dev_loss.is_none() && !all[0].pruned);
    assert!(all[0].fault.as_ref().unwrap().contains("lower train.lr"), "{:?}", all[0].fault);
    assert!([Some(1), Some(3)].contains(&outcome.trial), "{:?}", outcome.trial);
    assert!(heard.lines.iter().any(|line| line.ends_with("  lost")), "{:?}", heard.lines);

    let dir = tempfile::tempdir().unwrap();
    let fault = go(&[("lora.plus", plus(&[1e200]))], dir.path()).0.unwrap_err().to_string();
    assert!(fault.starts_with("search: no trial finished; the last one was lost: step 2, row "), "{fault}");

    let dir = tempfile::tempdir().unwrap();
    let fault = go(&[("lora.alpha", plus(&[HEAVY, 8.0]))], dir.path()).0.unwrap_err().to_string();
    assert_eq!(fault, "there is no memory");
    assert!(!dir.path().join("trials.jsonl").exists());
}

#[test]
fn tpe_finds_the_better_rates_and_hopeless_trials_are_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let rate = Range::Between { min: 1e-6, max: 0.2, log: true };
    let mut recipe = searched(SearchMethod::Tpe, &[("train.lr", rate)]);
    recipe.search.trials = 24;
    run_folder(dir.path(), &recipe, 40);
    let outcome = Start1::fresh(dir.path()).go(&mut Script::go()).0.unwrap().unwrap();
    let all = trials(dir.path());
    assert_eq!(all.len(), 24);
    assert!(all.iter().any(|trial| trial.pruned) && !all[outcome.trial.unwrap()].pruned);
    let high = |trial: &&Trial| trial.values["train.lr"].as_f64().unwrap() > 0.01;
    let (early, late) = (all[..8].iter().filter(high).count(), all[16..].iter().filter(high).count());
    assert!(late > early, "{early} of the first 8 rates are high, {late} of the last 8");
    let best = all[outcome.trial.unwrap()].values["train.lr"].as_f64().unwrap();
    assert!(best > 0.01, "{best}");
}

#[test]
fn a_space_that_cannot_be_searched_is_explained() {
    for (space, fault) in [
        (("train.speed", Range::Choice(vec![1.into()])), "there is no field \"train.speed\""),
        (("data.dev", Range::Choice(vec![0.1.into()])), "only fields of `train` and `lora`"),
        (("train.lr", Range::Choice(vec![7.0.into()])), "train.lr: 7"),
        (("train.lr", Range::Between { min: 0.1, max: 0.2, log: false }), "a grid needs a list"),
        (("lora.rank", Range::Between { min: 0.0, max: 8.0, log: false }), "lora.rank: 0"),
        (("train.lr", Range::Between { min: 1e-5, max: 5.0, log: true }), "train.lr: 5"),
        (("lora.base", Range::Between { min: 0.0, max: 1.0, log: false }), "search.space"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        run_folder(dir.path(), &searched(SearchMethod::Grid, &[space]), 40);
        let found = format!("{:#}", Start1::fresh(dir.path()).go(&mut Script::go()).0.unwrap_err());
        assert!(found.contains(fault), "{found}");
    }
}
