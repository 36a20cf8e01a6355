//! What this crate's own tests and benches use of its inside. No part of the public interface, and free to change.

use std::time::Duration;

use crate::Aws;
pub use crate::cost::prices;
pub use crate::deploy::{LONGEST_CHAIN, LONGEST_CHAIN_QUEUE};
pub use crate::invoke::{Invoker, Plan};
pub use crate::queue::Queue;

/// A provider whose control plane pauses so long before it calls again, where AWS's own pace would keep a test waiting.
pub fn first_pause(mut aws: Aws, pause: Duration) -> Aws {
    aws.settings.first_pause = Some(pause);
    aws
}
