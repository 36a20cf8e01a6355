//! What the corpus in `corpus/aws` can't show of the AWS emulator's services: time, permissions, and what tests put there.
//! Over raw HTTP with a signer of its own, so that the emulator does not judge itself.

#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod client;
mod condition;
mod permission;
mod queue;
mod somebody;
mod storage;
mod tag;
