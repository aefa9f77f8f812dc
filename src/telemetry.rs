//! Logs and metrics: the only list of names. Logs carry ids and numbers, never what somebody wrote.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// Names of metrics, as Prometheus shows them.
pub mod metric {
    /// Gauge: open WebSockets.
    pub const CONNECTIONS: &str = "shopclerk_connections";
    /// Counter: WebSockets that ended, by the code the server said (label `code`; `none` where the client went first).
    pub const SOCKETS_ENDED: &str = "shopclerk_sockets_ended_total";
    /// Gauge: replies waiting for the model.
    pub const QUEUE_LENGTH: &str = "shopclerk_queue_length";
    /// Gauge: replies being generated.
    pub const RUNNING: &str = "shopclerk_replies_running";
    /// Histogram: seconds from a message's acknowledgement to the first piece of its reply.
    pub const FIRST_TOKEN: &str = "shopclerk_first_token_seconds";
    /// Histogram: tokens per second of one reply.
    pub const TOKEN_RATE: &str = "shopclerk_tokens_per_second";
    /// Counter: replies by how they ended (label `ended`) and who made them (label `by`).
    pub const REPLIES: &str = "shopclerk_replies_total";
    /// Counter: thumbs by who made the reply (label `by`: an adapter's `name@version` or the model) and label `value`.
    pub const RATINGS: &str = "shopclerk_ratings_total";
    /// Counter: tools the model called for a shopper (label `tool`), by what came of it (label `outcome`: `found` or the code of a
    /// refusal).
    pub const TOOL_CALLS: &str = "shopclerk_tool_calls_total";
    /// Histogram: seconds from a command's arrival at the writer to its fsync.
    pub const COMMIT: &str = "shopclerk_commit_seconds";
    /// Counter: requests by route and status.
    pub const REQUESTS: &str = "shopclerk_http_requests_total";
}

/// Logs to stderr: JSON lines if `json`, else for people. `RUST_LOG` selects; the default is `info` without the engine's chatter.
pub fn init(style: LogStyle) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| {
        EnvFilter::new("info,tantivy=warn,mistralrs_core=warn,mistralrs_quant=warn,mistralrs=warn")
    });
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_span_events(FmtSpan::NONE);
    // A second call (in tests) keeps the first subscriber.
    let _ = match style {
        LogStyle::Json => builder.json().try_init(),
        LogStyle::Text => builder.try_init(),
    };
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogStyle {
    #[default]
    Text,
    Json,
}
