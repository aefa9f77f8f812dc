//! HTTP and WebSocket: the only room that knows actix and the wire. Decides nothing about a conversation.

mod settings;

pub use settings::Settings;
