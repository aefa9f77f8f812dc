//! Who may use the model now: a few at once, the others in one fair line, each told its place. Drafts for the staff come
//! behind all of them, and give their place up when a shopper waits.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::sync::{oneshot, watch};

use crate::telemetry::metric;

/// Hears of a change of place: 1 is next, 0 is "your turn".
type Tell = Box<dyn Fn(usize) + Send>;

/// The line in front of the model.
#[derive(Clone)]
pub(super) struct Admission {
    line: Arc<Mutex<Line>>,
    present: watch::Sender<usize>,
    /// How many wait in the line, not counting those behind it.
    pressed: watch::Sender<usize>,
}

/// Somebody who is answered or waits for it.
struct Present(watch::Sender<usize>);

impl Present {
    fn new(count: &watch::Sender<usize>) -> Self {
        count.send_modify(|n| *n += 1);
        Self(count.clone())
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.0.send_modify(|n| *n = n.saturating_sub(1));
    }
}

struct Line {
    free: usize,
    next: u64,
    waiting: VecDeque<Waiting>,
    /// Served when nobody else waits.
    behind: VecDeque<Waiting>,
}

struct Waiting {
    ticket: u64,
    go: oneshot::Sender<()>,
    tell: Tell,
}

/// The right to run one answer; dropping it lets the next one in.
pub(super) struct Permit {
    line: Admission,
    /// Gone only after the place was given on.
    _present: Present,
}

impl Drop for Permit {
    fn drop(&mut self) {
        metrics::gauge!(metric::RUNNING).decrement(1.0);
        self.line.leave();
    }
}

impl Admission {
    /// `parallel` answers at once. How many may wait is decided at the door: see [`super::lives`].
    pub(super) fn new(parallel: usize) -> Self {
        let (waiting, behind) = Default::default();
        let line = Line { free: parallel.max(1), next: 0, waiting, behind };
        let (present, pressed) = (watch::Sender::new(0), watch::Sender::new(0));
        Self { line: Arc::new(Mutex::new(line)), present, pressed }
    }

    /// Resolves when somebody waits in the line: who came from behind it gives way.
    pub(super) async fn pressed(&self) {
        // The sender lives as long as `self`.
        let _ = self.pressed.subscribe().wait_for(|waiting| *waiting > 0).await;
    }

    /// How many are answered or wait for it.
    pub(super) fn present(&self) -> watch::Receiver<usize> {
        self.present.subscribe()
    }

    /// Waits for a permit. `tell` hears the place at once and whenever it changes; not at all if there is no waiting.
    /// Dropping the future leaves the line.
    pub(super) async fn enter(&self, tell: Tell) -> Permit {
        let present = Present::new(&self.present);
        let mut place = {
            let mut line = self.lock();
            if line.free > 0 {
                line.free -= 1;
                return self.permit(present);
            }
            let (sender, go) = oneshot::channel();
            let ticket = line.next;
            line.next += 1;
            tell(line.waiting.len() + 1);
            line.waiting.push_back(Waiting { ticket, go: sender, tell });
            self.count(&line);
            Place { line: self.clone(), ticket, go, taken: false }
        };
        // The sender lives in the line until it is used, and the line as long as `self`: this cannot fail.
        let _ = (&mut place.go).await;
        place.taken = true;
        self.permit(present)
    }

    /// Waits for a permit behind everybody who is in the line or comes to it meanwhile.
    pub(super) async fn enter_behind(&self) -> Permit {
        let present = Present::new(&self.present);
        let mut place = {
            let mut line = self.lock();
            if line.free > 0 && line.waiting.is_empty() {
                line.free -= 1;
                return self.permit(present);
            }
            let (sender, go) = oneshot::channel();
            let ticket = line.next;
            line.next += 1;
            line.behind.push_back(Waiting { ticket, go: sender, tell: Box::new(|_| {}) });
            Place { line: self.clone(), ticket, go, taken: false }
        };
        let _ = (&mut place.go).await;
        place.taken = true;
        self.permit(present)
    }

    fn permit(&self, present: Present) -> Permit {
        metrics::gauge!(metric::RUNNING).increment(1.0);
        Permit { line: self.clone(), _present: present }
    }

    /// Gives the freed place to the first who waits.
    fn leave(&self) {
        let mut line = self.lock();
        while let Some(first) = line.waiting.pop_front() {
            if first.go.send(()).is_ok() {
                (first.tell)(0);
                self.announce(&line);
                return;
            }
        }
        while let Some(first) = line.behind.pop_front() {
            if first.go.send(()).is_ok() {
                return;
            }
        }
        line.free += 1;
    }

    fn announce(&self, line: &Line) {
        self.count(line);
        for (n, waiting) in line.waiting.iter().enumerate() {
            (waiting.tell)(n + 1);
        }
    }

    fn count(&self, line: &Line) {
        metrics::gauge!(metric::QUEUE_LENGTH).set(line.waiting.len() as f64);
        self.pressed
            .send_if_modified(|pressed| std::mem::replace(pressed, line.waiting.len()) != line.waiting.len());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Line> {
        self.line.lock().expect("no code panics while it holds the line. This is a bug.")
    }
}

/// A place in the line, given up when its owner goes away.
struct Place {
    line: Admission,
    ticket: u64,
    go: oneshot::Receiver<()>,
    taken: bool,
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.taken {
            return;
        }
        let mut line = self.line.lock();
        let before = line.waiting.len();
        line.waiting.retain(|w| w.ticket != self.ticket);
        if line.waiting.len() != before {
            self.line.announce(&line);
            return;
        }
        let before = line.behind.len();
        line.behind.retain(|w| w.ticket != self.ticket);
        if line.behind.len() != before {
            return;
        }
        drop(line);
        // It was called in the same moment: the place goes to the next.
        if self.go.try_recv().is_ok() {
            self.line.leave();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::FutureExt;

    use super::*;

    fn deaf() -> Tell {
        Box::new(|_| {})
    }

    fn ear() -> (Arc<AtomicUsize>, Tell) {
        let heard = Arc::new(AtomicUsize::new(usize::MAX));
        let copy = heard.clone();
        (heard, Box::new(move |n| copy.store(n, Ordering::SeqCst)))
    }

    #[tokio::test]
    async fn the_line_is_fair_and_tells_places() {
        let line = Admission::new(1);
        let running = line.enter(deaf()).await;
        let (first_heard, first_ear) = ear();
        let (second_heard, second_ear) = ear();
        let mut first = Box::pin(line.enter(first_ear));
        let mut second = Box::pin(line.enter(second_ear));
        assert!(first.as_mut().now_or_never().is_none() && second.as_mut().now_or_never().is_none());
        assert_eq!((first_heard.load(Ordering::SeqCst), second_heard.load(Ordering::SeqCst)), (1, 2));
        drop(running);
        assert_eq!((first_heard.load(Ordering::SeqCst), second_heard.load(Ordering::SeqCst)), (0, 1));
        let running = first.await;
        assert!(second.as_mut().now_or_never().is_none());
        drop(running);
        second.await;
    }

    #[tokio::test]
    async fn drafts_come_behind_everybody_and_hear_when_a_shopper_waits() {
        let line = Admission::new(1);
        let running = line.enter_behind().await;
        assert!(line.pressed().now_or_never().is_none(), "nobody waits");
        let mut draft = Box::pin(line.enter_behind());
        let mut gone = Box::pin(line.enter_behind());
        let mut shopper = Box::pin(line.enter(deaf()));
        assert!(draft.as_mut().now_or_never().is_none() && gone.as_mut().now_or_never().is_none());
        assert!(shopper.as_mut().now_or_never().is_none());
        assert!(line.pressed().now_or_never().is_some());
        drop(gone);
        drop(running);
        assert!(draft.as_mut().now_or_never().is_none(), "the shopper came later and is first");
        let answered = shopper.now_or_never().expect("the shopper's turn");
        assert!(line.pressed().now_or_never().is_none());
        drop(answered);
        drop(draft.now_or_never().expect("now the draft"));
        assert!(line.enter(deaf()).now_or_never().is_some(), "nothing was lost");
    }

    #[tokio::test]
    async fn who_goes_away_gives_up_the_place_even_when_just_called() {
        let line = Admission::new(1);
        let running = line.enter(deaf()).await;
        let mut gone = Box::pin(line.enter(deaf()));
        let mut called = Box::pin(line.enter(deaf()));
        let mut last = Box::pin(line.enter(deaf()));
        assert!(gone.as_mut().now_or_never().is_none());
        assert!(called.as_mut().now_or_never().is_none());
        assert!(last.as_mut().now_or_never().is_none());
        drop(gone);
        drop(running);
        drop(called);
        assert!(last.as_mut().now_or_never().is_some());
        assert!(line.enter(deaf()).now_or_never().is_some(), "nothing was lost");
    }
}
