//! A TCP proxy that misbehaves: it delays, cuts, closes one half, and falls silent without a word.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// What becomes of a connection once one direction has carried as many bytes as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// Nothing: it lasts.
    Lasts,
    /// Both directions end at once, in the middle of whatever was on its way.
    Cut,
    /// That direction is closed, the other goes on.
    HalfClosed,
    /// Nothing comes through any more, and nobody is told.
    Silent,
}

const FATES: [Fate; 4] = [Fate::Lasts, Fate::Cut, Fate::HalfClosed, Fate::Silent];

/// How many of all connections last: whoever comes back often enough gets to the end.
const LASTING: f64 = 0.1;

/// Connections by what became of them, in the order of [`FATES`].
#[derive(Debug, Default)]
pub(super) struct Count([AtomicUsize; 4]);

impl Count {
    pub(super) fn all(&self) -> [usize; 4] {
        std::array::from_fn(|n| self.0[n].load(Ordering::Relaxed))
    }
}

/// Ends, with its connections, when dropped.
pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    pub(super) count: Arc<Count>,
    task: tokio::task::JoinHandle<()>,
}

impl Proxy {
    /// Passes everything on to `server`, as `seed` decides.
    pub(super) async fn start(server: SocketAddr, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let count = Arc::<Count>::default();
        let counted = count.clone();
        let task = tokio::spawn(async move {
            let mut rng = StdRng::seed_from_u64(seed);
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let own = StdRng::seed_from_u64(rng.random());
                connections.spawn(connection(client, server, own, counted.clone()));
            }
        });
        Self { address, count, task }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn connection(client: TcpStream, server: SocketAddr, mut rng: StdRng, count: Arc<Count>) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let which = if rng.random_bool(LASTING) { 0 } else { rng.random_range(1..FATES.len()) };
    let fate = FATES[which];
    count.0[which].fetch_add(1, Ordering::Relaxed);
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    // The upgrade alone takes some 400 bytes of each direction: some connections do not even get there.
    let mut room = |most| if fate == Fate::Lasts { usize::MAX } else { rng.random_range(100..most) };
    let (up, down) = (room(3_000), room(12_000));
    let (one, two) = (StdRng::seed_from_u64(rng.random()), StdRng::seed_from_u64(rng.random()));
    let up = pipe(from_client, to_server, Pipe { room: up, fate, rng: one });
    let down = pipe(from_server, to_client, Pipe { room: down, fate, rng: two });
    if fate == Fate::Cut {
        tokio::select! {
            () = up => {}
            () = down => {}
        }
    } else {
        tokio::join!(up, down);
    }
}

struct Pipe {
    /// Bytes it carries before its fate comes.
    room: usize,
    fate: Fate,
    rng: StdRng,
}

async fn pipe(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut pipe: Pipe) {
    let mut bytes = [0; 512];
    while pipe.room > 0 {
        let Ok(count @ 1..) = from.read(&mut bytes).await else { break };
        if pipe.rng.random_bool(0.2) {
            tokio::time::sleep(Duration::from_millis(pipe.rng.random_range(1..20))).await;
        }
        let count = count.min(pipe.room);
        pipe.room -= count;
        if to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
    if pipe.room == 0 && pipe.fate == Fate::Silent {
        // It is read on, so that the sender does not notice either.
        while from.read(&mut bytes).await.is_ok_and(|count| count > 0) {}
        return;
    }
    let _ = to.shutdown().await;
}
