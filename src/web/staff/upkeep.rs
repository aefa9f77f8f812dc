//! What has to be looked after now and then: changes by another process, sessions that are over.

use std::time::Duration;

use actix_web::web;
use tokio::sync::watch;

use crate::chat::HandOffs;
use crate::domain::handoff::Rules;
use crate::staff::StaffError;
use crate::web::state::State;

/// A change that `shopclerk staff` made shows within this time.
const LOOK: Duration = Duration::from_secs(1);
/// Looks between two times that remembered things are written down.
const TIDY: u32 = 10;

/// Runs until the server goes down.
pub(in crate::web) async fn run(state: web::Data<State>) {
    let mut drain = state.drain.subscribe();
    let mut team = state.staff.team.changes();
    let mut accounts = state.staff.accounts.changes();
    let mut looks = 0u32;
    block(&state);
    rules(&state);
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            Ok(()) = team.changed() => {
                block(&state);
                rules(&state);
                continue;
            }
            Ok(()) = accounts.changed() => {
                rules(&state);
                continue;
            }
            () = drained(&mut drain) => break,
        }
        state.staff.accounts.look();
        state.staff.team.look();
        looks += 1;
        if looks.is_multiple_of(TIDY) {
            tidy(&state).await;
        }
    }
    tidy(&state).await;
    let numbers = state.staff.numbers.clone();
    written(tokio::task::spawn_blocking(move || numbers.save()).await);
}

async fn drained(drain: &mut watch::Receiver<bool>) {
    // An error means that the server itself is gone.
    let _ = drain.wait_for(|on| *on).await;
}

/// The desk hears whom the team blocked.
pub(super) fn block(state: &State) {
    state.desk.block(state.staff.team.blocked().into_iter().collect());
}

/// The desk hears what brings a person. Where nobody has an account nobody would come: the model goes on.
pub(super) fn rules(state: &State) {
    let settings = state.staff.team.settings();
    let staffed = state.staff.accounts.profiles().iter().any(|profile| profile.active);
    state.desk.hand_off_by(HandOffs {
        rules: if staffed { settings.handoff } else { Rules::OFF },
        words: settings.handoff_words,
        schedule: settings.schedule,
    });
}

/// Writes down what was only remembered: when sessions were used, how far conversations were read, what was counted.
async fn tidy(state: &State) {
    let staff = state.staff.clone();
    let work = move || {
        let done = [staff.accounts.tidy(), staff.board.save(), staff.numbers.tidy()];
        done.into_iter().collect()
    };
    written(tokio::task::spawn_blocking(work).await);
}

fn written(outcome: Result<Result<(), StaffError>, tokio::task::JoinError>) {
    match outcome {
        Ok(Ok(())) => {}
        Ok(Err(fault)) => {
            tracing::error!(code = fault.code(), %fault, "sessions, read marks or numbers were not written");
        }
        Err(_) => tracing::error!("sessions, read marks or numbers were not written"),
    }
}
