//! The running server: the caller owns the listener and the off-switch.

use std::any::Any;
use std::net::TcpListener;
use std::time::Duration;

use actix_web::dev::{Extensions, ServerHandle};
use actix_web::middleware::{Compress, from_fn};
use actix_web::rt::net::TcpStream;
use actix_web::{App, HttpServer, web};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::time::timeout;

use super::socket::Held;
use super::state::State;
use super::{Settings, routes, runs, staff, trace};
use crate::chat::Desk;
use crate::clock::Clock;
use crate::hooks::Hooks;
use crate::keep::Keep;
use crate::runs::Runs;
use crate::staff::Staff;
use crate::tools::Toolbox;

/// How long a peer may leave sent data unacknowledged: a reader that is gone or never reads is cut by the kernel.
const USER_TIMEOUT: Duration = Duration::from_secs(30);
/// Unsent bytes the kernel takes for one peer, beyond what is on its way. Without this a reader that stops is given megabytes.
const UNSENT: u32 = 64 * 1024;
/// Bytes the kernel keeps of what one peer sends; what it has is read at once. Grown by itself it would be megabytes. A client
/// 100 ms away still sends 160 KiB a second.
const RECEIVED: usize = 16 * 1024;
/// Bytes of an answer that wait in this process, besides the piece that made them too many.
const WRITE_BUFFER: usize = 16 * 1024;
/// How long peers have to take their goodbye.
const GOODBYE: Duration = Duration::from_secs(10);
/// Limiters forget quiet addresses this often.
const SWEEP: Duration = Duration::from_secs(60);

/// What the server is made of.
pub struct Parts {
    pub desk: Desk,
    pub tools: Toolbox,
    pub staff: Staff,
    pub keep: Keep,
    pub hooks: Hooks,
    pub settings: Settings,
    pub clock: Clock,
    /// Signs shoppers' tokens: see [`super::auth::secret::load_or_create`].
    pub secret: [u8; 32],
    pub api_key: Option<String>,
    /// What `/metrics` shows; `None` leaves that page out.
    pub metrics: Option<PrometheusHandle>,
    /// Fine-tuning; `None` leaves its routes out.
    pub runs: Option<Runs>,
}

/// A server that runs.
pub struct Running {
    handle: ServerHandle,
    state: web::Data<State>,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
}

/// Serves on `listener` until [`Running::drain`] or [`Running::stop`].
pub fn serve(parts: Parts, listener: TcpListener) -> std::io::Result<Running> {
    let workers = match parts.settings.workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        n => n,
    };
    let state = web::Data::new(State::new(parts));
    let shared = state.clone();
    let server = HttpServer::new(move || {
        App::new()
            .app_data(shared.clone())
            .wrap(Compress::default())
            .wrap(from_fn(trace::around))
            .configure(routes::configure)
    })
    .workers(workers)
    .on_connect(bound_silence)
    .h1_write_buffer_size(WRITE_BUFFER)
    .client_request_timeout(Duration::from_secs(5))
    .client_disconnect_timeout(Duration::from_secs(1))
    // A small frame after another one must not wait for the peer's acknowledgement (40 ms).
    .tcp_nodelay(true)
    .shutdown_timeout(5)
    .disable_signals()
    .listen(listener)?
    .run();
    let handle = server.handle();
    let task = tokio::spawn(server);
    tokio::spawn(sweep(state.clone()));
    tokio::spawn(staff::upkeep::run(state.clone()));
    tokio::spawn(runs::chronicle(state.clone()));
    Ok(Running { handle, state, task })
}

async fn sweep(state: web::Data<State>) {
    let mut drain = state.drain.subscribe();
    loop {
        tokio::select! {
            () = tokio::time::sleep(SWEEP) => state.limits.sweep(),
            _ = drain.wait_for(|on| *on) => return,
        }
    }
}

fn bound_silence(connection: &dyn Any, held: &mut Extensions) {
    held.insert(Held::default());
    let Some(stream) = connection.downcast_ref::<TcpStream>() else { return };
    // Not every platform has these; the heartbeat still finds those who are gone.
    #[cfg(target_os = "linux")]
    {
        let socket = socket2::SockRef::from(stream);
        let _ = socket.set_tcp_user_timeout(Some(USER_TIMEOUT));
        let _ = socket.set_tcp_notsent_lowat(UNSENT);
        let _ = socket.set_recv_buffer_size(RECEIVED);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (stream, USER_TIMEOUT, UNSENT, RECEIVED);
}

impl Running {
    /// Says that the server is not ready, refuses new sockets and messages, and says goodbye (`bye`, Close 1012) to
    /// everybody who is not being answered. The caller ends the answers next.
    pub fn leave(&self) {
        self.state.desk.refuse_new();
        self.state.leaving.send_replace(true);
    }

    /// Says goodbye to all who are left, and waits until they are gone or 10 s have passed. Requests still run: the caller
    /// calls [`Running::stop`] next.
    pub async fn drain(&self) {
        self.leave();
        self.state.drain.send_replace(true);
        if timeout(GOODBYE, self.state.drain.closed()).await.is_err() {
            tracing::warn!("some sockets did not close in time");
        }
    }

    /// Stops listening; running requests may finish within 5 s.
    pub async fn stop(self) {
        self.handle.stop(true).await;
        let _ = self.task.await;
    }

    /// Resolves when the server ended by itself, e.g. because its listener failed.
    pub async fn ended(&mut self) -> std::io::Result<()> {
        match (&mut self.task).await {
            Ok(outcome) => outcome,
            Err(fault) => Err(std::io::Error::other(fault)),
        }
    }
}
