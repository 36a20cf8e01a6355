//! Cancellation: a token that a caller fires and that running code can look at or wait for.

use std::future::Future;

use tokio_util::sync::CancellationToken;

/// Says that nobody waits for the result any more. Cheap to clone; clones fire together.
///
/// ```
/// # use faast_core::CancelToken;
/// let token = CancelToken::new();
/// let seen_by_worker = token.clone();
/// token.cancel();
/// assert!(seen_by_worker.is_canceled());
/// ```
#[derive(Debug, Clone, Default)]
pub struct CancelToken(CancellationToken);

impl CancelToken {
    /// A token that has not fired.
    pub fn new() -> Self {
        Self::default()
    }

    /// Fires. Later calls do nothing.
    pub fn cancel(&self) {
        self.0.cancel();
    }

    /// Whether it has fired.
    pub fn is_canceled(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits until it fires. Cancel safe.
    pub fn canceled(&self) -> impl Future<Output = ()> + Send + 'static {
        self.0.clone().cancelled_owned()
    }
}
