//! The real model with real adapters.
