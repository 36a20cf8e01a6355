//! Queue mode as clients see it: the platform takes a request and lets its caller go, and answers come through a queue of
//! the deployment.
//!
//! For authors of providers, who bring the queue ([`Answers`]) and send requests. What is the same for every queue is
//! here: [`Desk`] knows which requests wait, `listen.rs` reads answers for as long as anything is outstanding, `crew.rs`
//! says how many listen. What comes for nobody was run or delivered twice, or was given up: it is counted, and what it
//! cost is kept.

mod crew;
mod desk;
mod listen;

use std::fmt;

use async_trait::async_trait;

pub use self::desk::{Asked, Desk};
use crate::cost::Quantity;
use crate::provider::{InvokeError, Metering};

/// A queue with answers, as its service lets it be read.
///
/// What fails is tried again by the [`Desk`], and told: an implementation does neither.
///
/// ```
/// # use std::{sync::{Arc, Mutex}, time::Duration};
/// # use faast_core::{cost::Quantity, provider::{InvokeError, Metering, Ran, Runtime, RetryClass}};
/// # use faast_core::queue::{Answers, Desk, Received};
/// /// Numbers of requests, and their answers.
/// #[derive(Debug, Default)]
/// struct Mailbox(Mutex<Vec<(u64, String)>>);
///
/// #[async_trait::async_trait]
/// impl Answers for Mailbox {
///     type Record = String;
///     type Refusal = String;
///
///     async fn receive(&self) -> Result<Received<String>, String> {
///         tokio::time::sleep(Duration::from_millis(1)).await;
///         let records = std::mem::take(&mut *self.0.lock().unwrap());
///         let receipts = records.iter().map(|(id, _)| id.to_string()).collect();
///         Ok(Received { records, receipts, used: None })
///     }
///     async fn acknowledge(&self, _: &[String]) -> Result<Option<Quantity>, String> {
///         Ok(None) // they were taken out already, and it costs nothing
///     }
///     fn unclaimed(&self, _: String) -> Option<Metering> {
///         Some(Metering::default())
///     }
///     fn lost(&self, refusal: &String) -> Option<InvokeError> {
///         Some(InvokeError::new(RetryClass::Permanent, Ran::Maybe, refusal))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let runtime = Runtime::start()?;
/// let desk = Desk::new(Mailbox::default(), 4);
/// let worker = Arc::clone(&desk);
/// let mut asked = desk.ask(&runtime, move |id| async move {
///     worker.answers().0.lock().unwrap().push((id, "42".into())); // sent, and answered at once
///     Ok(())
/// })?;
/// assert_eq!(asked.next().await?, "42");
/// desk.close();
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait Answers: fmt::Debug + Send + Sync + 'static {
    /// What comes for a request: its answer, or a part of it.
    type Record: fmt::Debug + Send + 'static;

    /// Why the service did not do what it was asked for.
    type Refusal: fmt::Display + Send + Sync;

    /// One poll, as long as the service lets it be. Dropped by a cleanup.
    async fn receive(&self) -> Result<Received<Self::Record>, Self::Refusal>;

    /// Takes messages out of the queue; gives what that is billed as. One that stays is delivered again, for nobody.
    async fn acknowledge(&self, receipts: &[String]) -> Result<Option<Quantity>, Self::Refusal>;

    /// What a record cost that nobody waits for. `None` if it answers no call, so that it does not count.
    fn unclaimed(&self, record: Self::Record) -> Option<Metering>;

    /// What every request that waits hears after a refusal that does not pass by itself; `None` for one that does.
    fn lost(&self, refusal: &Self::Refusal) -> Option<InvokeError>;
}

/// What one poll brought.
#[derive(Debug)]
pub struct Received<R> {
    /// Records, each with the number of its request.
    pub records: Vec<(u64, R)>,
    /// What acknowledges all messages, those that are no records too.
    pub receipts: Vec<String>,
    /// What the poll is billed as.
    pub used: Option<Quantity>,
}
