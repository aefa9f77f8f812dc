//! The way out to one client, bounded in bytes.
//!
//! actix-ws takes 32 messages of any size, and its body turns all that wait into one buffer, whoever reads. The meter stands at
//! both ends of that queue: it counts what was put in and has not been taken for writing yet. So a reader that stops
//! costs [`UNSENT`] here and one such piece in the write buffer of the connection, and a place for the Close is always left.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::web::Bytes;
use actix_ws::{CloseReason, Closed, Session};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::{End, SEND_WITHIN};

/// Bytes of frames that may wait to be written; one longer frame may wait alone.
const UNSENT: usize = 16 * 1024;
/// Frames that may wait: fewer than the 32 that actix-ws has room for, so that a Close always fits.
const FRAMES: usize = 24;

/// What was handed over and not yet taken for writing.
#[derive(Debug, Default)]
pub(super) struct Meter {
    /// The size of each frame on the wire, oldest first.
    frames: RefCell<VecDeque<usize>>,
    room: Notify,
}

impl Meter {
    /// Waits for room for a frame with `payload` bytes, and counts it.
    async fn take(&self, payload: usize) {
        let size = payload + header(payload);
        while !self.has_room(size) {
            self.room.notified().await;
        }
        self.frames.borrow_mut().push_back(size);
    }

    fn has_room(&self, size: usize) -> bool {
        let frames = self.frames.borrow();
        frames.is_empty() || (frames.len() < FRAMES && frames.iter().sum::<usize>() + size <= UNSENT)
    }

    /// `bytes` were taken for writing: whole frames, oldest first. A Close, which is not counted, may be among them.
    fn taken(&self, mut bytes: usize) {
        let mut frames = self.frames.borrow_mut();
        while let Some(size) = frames.front().filter(|size| **size <= bytes) {
            bytes -= size;
            frames.pop_front();
        }
        self.room.notify_one();
    }

    /// Nobody will take anything any more: whoever waits finds the session closed.
    fn end(&self) {
        self.frames.borrow_mut().clear();
        self.room.notify_one();
    }
}

/// Bytes of a server's header before `payload` bytes (RFC 6455, section 5.2; never masked).
fn header(payload: usize) -> usize {
    match payload {
        0..=125 => 2,
        126..=0xFFFF => 4,
        _ => 10,
    }
}

/// The body of the upgrade's answer, at the meter's other end.
pub(super) struct Metered {
    pub body: BoxBody,
    pub meter: Rc<Meter>,
}

impl MessageBody for Metered {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let next = Pin::new(&mut self.body).poll_next(cx);
        if let Poll::Ready(Some(Ok(bytes))) = &next {
            self.meter.taken(bytes.len());
        }
        next
    }
}

impl Drop for Metered {
    fn drop(&mut self) {
        self.meter.end();
    }
}

/// Sends frames, each within [`SEND_WITHIN`] or not at all.
pub(super) struct Out {
    pub session: Session,
    pub meter: Rc<Meter>,
}

impl Out {
    pub(super) async fn text(&mut self, text: String) -> Result<(), End> {
        in_time(async {
            self.meter.take(text.len()).await;
            self.session.text(text).await
        })
        .await
    }

    pub(super) async fn ping(&mut self) -> Result<(), End> {
        in_time(async {
            self.meter.take(0).await;
            self.session.ping(b"").await
        })
        .await
    }

    pub(super) async fn pong(&mut self, bytes: &[u8]) -> Result<(), End> {
        in_time(async {
            self.meter.take(bytes.len()).await;
            self.session.pong(bytes).await
        })
        .await
    }

    /// Puts a Close behind what waits; false if the client is gone.
    pub(super) async fn close(self, reason: Option<CloseReason>) -> bool {
        in_time(self.session.close(reason)).await.is_ok()
    }

    /// Answers the client's own Close.
    pub(super) async fn close_back(&self, reason: Option<CloseReason>) {
        let _ = in_time(self.session.clone().close(reason)).await;
    }
}

async fn in_time(sending: impl Future<Output = Result<(), Closed>>) -> Result<(), End> {
    match timeout(SEND_WITHIN, sending).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(End::Gone),
        Err(_) => Err(End::Stuck),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn fits(meter: &Meter, payload: usize) -> bool {
        timeout(Duration::from_millis(5), meter.take(payload)).await.is_ok()
    }

    #[tokio::test]
    async fn waiting_bytes_and_frames_are_bounded_and_come_back_when_taken() {
        let meter = Meter::default();
        assert!(fits(&meter, 200_000).await, "one long frame may wait alone");
        assert!(!fits(&meter, 0).await, "and nothing with it");
        meter.taken(200_010);
        assert!(fits(&meter, 10_000).await && !fits(&meter, 10_000).await && fits(&meter, 6_000).await);
        // The first frame and a Close of 20 bytes.
        meter.taken(10_004 + 20);
        assert!(fits(&meter, 10_000).await);
        meter.taken(usize::MAX);
        for _ in 0..FRAMES {
            assert!(fits(&meter, 1).await);
        }
        assert!(!fits(&meter, 1).await, "a place is left for the Close");
        meter.end();
        assert!(fits(&meter, UNSENT - 4).await && !fits(&meter, 1).await);
    }
}
