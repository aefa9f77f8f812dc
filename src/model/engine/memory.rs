//! Memory that goes back to the machine.

/// Gives freed memory back: a load leaves hundreds of MiB that glibc keeps otherwise. It takes a moment and locks the heap.
pub(super) async fn give_back() {
    let _ = tokio::task::spawn_blocking(trim).await;
}

#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "the C library has no safe face")]
fn trim() {
    unsafe extern "C" {
        fn malloc_trim(pad: usize) -> i32;
    }
    // SAFETY: it takes no pointers, and may be called at any time from any thread (malloc_trim(3)).
    unsafe { malloc_trim(0) };
}

#[cfg(not(target_env = "gnu"))]
fn trim() {}
