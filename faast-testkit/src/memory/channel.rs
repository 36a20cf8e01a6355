//! A bounded channel from a thread to a task: the worker blocks while the client does not take more.
//!
//! Tokio's own can't be used: its blocking send panics inside `block_on`, which is where async functions emit items.
//! The sender closes it when it is dropped or by [`Sender::close`], the receiver when it is dropped.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use faast_core::provider::SendError;
use futures_util::task::AtomicWaker;

/// Makes one that holds at most `capacity` messages.
pub(super) fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared {
        state: Mutex::new(State { messages: VecDeque::new(), closed: false }),
        capacity,
        room: Condvar::new(),
        reader: AtomicWaker::new(),
    });
    (Sender(Arc::new(Closing(Arc::clone(&shared)))), Receiver(shared))
}

struct Shared<T> {
    state: Mutex<State<T>>,
    capacity: usize,
    room: Condvar,
    reader: AtomicWaker,
}

struct State<T> {
    messages: VecDeque<T>,
    /// Set by either end; what was sent before can still be received.
    closed: bool,
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        self.lock().closed = true;
        self.room.notify_all();
        self.reader.wake();
    }
}

/// Closes the channel when the last sender is gone.
struct Closing<T>(Arc<Shared<T>>);

impl<T> Drop for Closing<T> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// The thread's end.
pub(super) struct Sender<T>(Arc<Closing<T>>);

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Sender<T> {
    /// Sends, and blocks while there is no room.
    pub(super) fn send(&self, message: T) -> Result<(), SendError> {
        let shared = &self.0.0;
        let mut state = shared.lock();
        while !state.closed && state.messages.len() >= shared.capacity {
            state = shared.room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.closed {
            return Err(SendError::Closed);
        }
        state.messages.push_back(message);
        drop(state);
        shared.reader.wake();
        Ok(())
    }

    /// Closes it for every sender, also for one that waits for room.
    pub(super) fn close(&self) {
        self.0.0.close();
    }
}

/// The task's end.
pub(super) struct Receiver<T>(Arc<Shared<T>>);

impl<T> Receiver<T> {
    /// The next message; `None` when it is closed and empty.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.0.reader.register(cx.waker());
        let mut state = self.0.lock();
        if let Some(message) = state.messages.pop_front() {
            drop(state);
            self.0.room.notify_one();
            return Poll::Ready(Some(message));
        }
        if state.closed { Poll::Ready(None) } else { Poll::Pending }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::thread;

    use super::*;

    #[tokio::test]
    async fn what_is_sent_arrives_in_order_through_little_room() {
        let (sender, receiver) = channel(2);
        let sending = thread::spawn(move || (0..1000).try_for_each(|n| sender.send(n)));
        for n in 0..1000 {
            assert_eq!(poll_fn(|cx| receiver.poll(cx)).await, Some(n));
        }
        assert_eq!(poll_fn(|cx| receiver.poll(cx)).await, None);
        assert_eq!(sending.join().unwrap(), Ok(()));
    }

    #[test]
    fn a_sender_that_waits_for_room_ends_when_nobody_listens() {
        let (sender, receiver) = channel(1);
        let sending = thread::spawn(move || (0..3).try_for_each(|n| sender.send(n)));
        drop(receiver);
        assert_eq!(sending.join().unwrap(), Err(SendError::Closed));
    }
}
