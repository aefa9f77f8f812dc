//! The one integration test binary: each extra one would link the model engine again.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod layers;
mod model_files;
#[cfg(feature = "import")]
mod model_files_gguf;
mod model_files_hub;
#[cfg(feature = "import")]
mod model_files_made;
#[cfg(feature = "import")]
mod model_files_pull;
mod store;
