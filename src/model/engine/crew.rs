//! The engine's thread works along with rayon's.
//!
//! candle hands each product of a matrix with one token to rayon, 210 times a token for the default model and as often for each
//! token of a prompt. From a thread that is no worker of a pool each of them is handed over, and slept on until it is done: two
//! switches of threads, often longer than the product itself. mistralrs starts its engine's thread by itself, but runs the
//! logits processors of a request on it. One of those makes that thread the first worker of a pool of its own.

use std::cell::OnceCell;

use candle_core::Tensor;
use mistralrs::NormalRequest;
use rayon::{ThreadPool, ThreadPoolBuilder};

thread_local! {
    /// Kept as long as the engine's thread lives; `None` if it could not be.
    static CREW: OnceCell<Option<ThreadPool>> = const { OnceCell::new() };
}

/// `request`, whose first token makes the thread that draws it a worker.
pub(super) fn enlisting(mut request: NormalRequest) -> NormalRequest {
    let enlist = |logits: &Tensor, _: &[u32]| {
        enlist();
        Ok(logits.clone())
    };
    request.logits_processors.get_or_insert_default().push(std::sync::Arc::new(enlist));
    request
}

fn enlist() {
    // A batch of several is drawn by the pool's own threads: those are workers already.
    if rayon::current_thread_index().is_some() {
        return;
    }
    CREW.with(|crew| {
        crew.get_or_init(|| match rayon::current_num_threads() {
            // With nobody beside it, what is left to the others would wait for ever.
            1 => None,
            threads => ThreadPoolBuilder::new()
                .num_threads(threads)
                .use_current_thread()
                .thread_name(|n| format!("model-{n}"))
                .build()
                .inspect_err(|fault| tracing::debug!(%fault, "the engine's thread stays alone"))
                .ok(),
        });
    });
}
