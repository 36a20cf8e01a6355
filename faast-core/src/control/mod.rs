//! What the control planes of providers share that make resources in accounts: knowing what is theirs, steps side by side,
//! waiting, pacing, and reading errors.
//!
//! For authors of providers. Nothing here knows a cloud: what a service answers is the provider's to read.

mod backoff;
mod chain;
mod held;
mod pace;
mod steps;
mod tags;

pub use self::backoff::{Backoff, Clock, Ended, Pauses, RealTime, Step, again, wait};
pub use self::chain::chain;
pub use self::held::{Held, Stop};
pub use self::pace::Pace;
pub use self::steps::{Steps, given_up};
pub use self::tags::{Owned, TagKeys, Tags, deployment_of, resource_name, seconds};
