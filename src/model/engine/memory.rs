//! Memory that goes back to the machine.

/// Gives freed memory back; glibc keeps it otherwise.
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
