//! What has to be looked after now and then: changes by another process, sessions that are over.

use std::time::Duration;

use actix_web::web;
use tokio::sync::watch;

use crate::web::state::State;

/// A change that `shopclerk staff` made shows within this time.
const LOOK: Duration = Duration::from_secs(1);
/// Looks between two times that the use of sessions is written down.
const TIDY: u32 = 60;

/// Runs until the server goes down.
pub(in crate::web) async fn run(state: web::Data<State>) {
    let mut drain = state.drain.subscribe();
    let mut looks = 0u32;
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = drained(&mut drain) => break,
        }
        state.staff.accounts.look();
        looks += 1;
        if looks.is_multiple_of(TIDY) {
            tidy(&state).await;
        }
    }
    tidy(&state).await;
}

async fn drained(drain: &mut watch::Receiver<bool>) {
    // An error means that the server itself is gone.
    let _ = drain.wait_for(|on| *on).await;
}

async fn tidy(state: &web::Data<State>) {
    let accounts = state.staff.accounts.clone();
    match tokio::task::spawn_blocking(move || accounts.tidy()).await {
        Ok(Ok(())) => {}
        Ok(Err(fault)) => {
            tracing::error!(code = fault.code(), %fault, "the use of sessions was not written down")
        }
        Err(_) => tracing::error!("the use of sessions was not written down"),
    }
}
