//! The way back from a worker to the client: straight into the request's channel, or through the queue of answers.

use std::sync::Arc;
use std::sync::mpsc;

use bytes::Bytes;
use faast_core::provider::SendError;

use super::channel::Sender;

/// A message in the queue of answers; without a body it says that nothing more comes.
pub(super) struct Answer {
    pub(super) execution: u64,
    pub(super) body: Option<Bytes>,
}

/// Where the events of one request go. The request ends when the last clone is dropped.
#[derive(Clone)]
pub(super) enum Reply {
    Direct(Sender<Bytes>),
    Queued(Arc<Queued>),
}

pub(super) struct Queued {
    execution: u64,
    answers: mpsc::Sender<Answer>,
}

impl Drop for Queued {
    fn drop(&mut self) {
        // A queue that is gone has told everybody already.
        let _ = self.answers.send(Answer { execution: self.execution, body: None });
    }
}

impl Reply {
    pub(super) fn queued(execution: u64, answers: mpsc::Sender<Answer>) -> Self {
        Self::Queued(Arc::new(Queued { execution, answers }))
    }

    /// Sends encoded events.
    pub(super) fn send(&self, body: Bytes) -> Result<(), SendError> {
        match self {
            Self::Direct(sender) => sender.send(body),
            Self::Queued(queued) => {
                let answer = Answer { execution: queued.execution, body: Some(body) };
                queued.answers.send(answer).map_err(|_| SendError::Closed)
            }
        }
    }

    /// Ends the request now, even while another thread waits for room.
    pub(super) fn close(&self) {
        if let Self::Direct(sender) = self {
            sender.close();
        }
    }
}
