//! Queue mode: Pub/Sub pushes requests to the service, whose workers publish their answers, which the client pulls.
//!
//! What the project has of it is in `topic.rs`. Here is the way of requests: `queue/request.rs` publishes,
//! `queue/answers.rs` pulls, and core's desk brings both together; `queue/message.rs` is what both sides read and write.
//! Messages come at least once: `queue/starts.rs` says what it means that a request was begun again, `queue/seen.rs` which
//! answers are old ones, and `queue/begun.rs` whether the service lets requests in at all.

mod answers;
mod begun;
pub(crate) mod message;
mod request;
mod seen;
mod starts;

pub(crate) use self::begun::Begun;
pub use self::request::Queue;

/// How often a request is delivered: the fewest times that there are.
pub(crate) const DELIVERIES: u32 = 5;
