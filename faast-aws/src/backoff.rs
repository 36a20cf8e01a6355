//! Waiting for what a service says will pass by itself.

use std::future::Future;
use std::time::Duration;

use faast_core::CancelToken;
use faast_core::control::{Backoff, Pauses, RealTime, again};
use fastrand::Rng;

use crate::classify::control::{Cause, Refusal};

/// How long a service is given for it.
const PASSING: Backoff = Backoff {
    first: Duration::from_millis(250),
    factor: 2.0,
    most: Duration::from_secs(5),
    total: Duration::from_secs(45),
};

/// Calls again while the refusal has one of these causes, for some time; then the refusal stands.
pub(crate) async fn while_passing<T, F>(
    causes: &[Cause],
    halt: &CancelToken,
    call: impl FnMut() -> F,
) -> Result<T, Refusal>
where
    F: Future<Output = Result<T, Refusal>>,
{
    let passes = |refusal: &Refusal| causes.contains(&refusal.cause());
    again(&RealTime::start(), Pauses::new(PASSING, Rng::new()), halt, passes, call).await
}
