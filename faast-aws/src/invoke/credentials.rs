//! Credentials of the invoking client: asked for once, kept until shortly before they expire.
//!
//! The SDK's providers do what the user's configuration says (files, SSO, roles, the environment). They may need sockets,
//! so they run on faast's runtime; one asks while the others wait.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use faast_core::provider::{InvokeError, Runtime};

use crate::classify::invoke as classify;

/// So long before they expire credentials are replaced: a call must not take them with it and come too late.
const BEFORE_EXPIRY: Duration = Duration::from_mins(1);

/// The current credentials.
pub(crate) struct CredentialCache {
    provider: Option<SharedCredentialsProvider>,
    runtime: Runtime,
    current: Mutex<Option<Arc<Credentials>>>,
    /// Held by the one that asks.
    asking: tokio::sync::Mutex<()>,
}

impl CredentialCache {
    pub(crate) fn new(provider: Option<SharedCredentialsProvider>, runtime: Runtime) -> Self {
        Self { provider, runtime, current: Mutex::new(None), asking: tokio::sync::Mutex::new(()) }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Credentials>>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn current(&self, now: SystemTime) -> Option<Arc<Credentials>> {
        let current = self.lock();
        current.as_ref().filter(|it| it.expiry().is_none_or(|at| now + BEFORE_EXPIRY < at)).cloned()
    }

    /// The credentials to sign with now.
    pub(crate) async fn get(&self, now: SystemTime) -> Result<Arc<Credentials>, InvokeError> {
        if let Some(current) = self.current(now) {
            return Ok(current);
        }
        let _asking = self.asking.lock().await;
        if let Some(current) = self.current(now) {
            return Ok(current);
        }
        let provider = self.provider.clone().ok_or_else(classify::no_credentials)?;
        let (tell, told) = tokio::sync::oneshot::channel();
        self.runtime.spawn(async move {
            // Nobody waits any more: then nobody needs them.
            let _ = tell.send(provider.provide_credentials().await);
        });
        let credentials = told.await.map_err(|_| classify::runtime_ended())?.map_err(classify::credentials)?;
        let credentials = Arc::new(credentials);
        *self.lock() = Some(Arc::clone(&credentials));
        Ok(credentials)
    }

    /// The service refused these: the next call asks the provider again.
    pub(crate) fn forget(&self) {
        *self.lock() = None;
    }
}

impl fmt::Debug for CredentialCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Whoever provides them may print more than it should.
        f.debug_struct("CredentialCache").finish_non_exhaustive()
    }
}
