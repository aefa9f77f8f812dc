//! The machine below: memory that goes back to it, and work that lets other work go first.

/// Gives freed memory back to the machine; glibc keeps it otherwise.
#[cfg(target_env = "gnu")]
#[expect(unsafe_code, reason = "the C library has no safe face")]
pub(super) fn give_back() {
    unsafe extern "C" {
        fn malloc_trim(pad: usize) -> i32;
    }
    // SAFETY: it takes no pointers, and may be called at any time from any thread (malloc_trim(3)).
    unsafe { malloc_trim(0) };
}

#[cfg(not(target_env = "gnu"))]
pub(super) fn give_back() {}

/// Lowers the priority of the calling thread and of those it starts.
pub(super) fn work_in_the_background() {
    // Linux takes "this process" for the calling thread (setpriority(2)). If it is forbidden, loading is merely less polite.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, 10);
}
