//! Invoking: the deployed function as core sees it.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use faast_core::cost::Usage;
use faast_core::provider::{CleanupReport, CloudFunction, Event, ExecutionId, InvokeError, Limits, Request};
use faast_core::{Error, ErrorKind, Result};
use futures_core::stream::BoxStream;

use crate::cleanup;
use crate::pool::Pool;
use crate::stream::Invocation;

/// A deployment on this machine.
#[derive(Debug)]
pub(crate) struct LocalFunction {
    pool: Arc<Pool>,
    keep_logs: bool,
    /// Written by the first cleanup, which is the only one that does anything.
    cleaned: Mutex<Option<CleanupReport>>,
}

impl LocalFunction {
    pub(crate) fn new(pool: Arc<Pool>, keep_logs: bool) -> Self {
        Self { pool, keep_logs, cleaned: Mutex::new(None) }
    }

    pub(crate) fn warm_up(&self) -> io::Result<()> {
        self.pool.warm_up()
    }

    fn cleaned(&self) -> Option<CleanupReport> {
        self.cleaned.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl CloudFunction for LocalFunction {
    fn invoke(&self, request: Request) -> BoxStream<'static, Result<Event, InvokeError>> {
        Box::pin(Invocation::new(Arc::clone(&self.pool), request))
    }

    fn limits(&self) -> Limits {
        Limits::concurrency(self.pool.concurrency())
    }

    async fn renew(&self, until: SystemTime) -> Result<()> {
        self.pool.logs.renew(until).map_err(|error| {
            Error::new(ErrorKind::Io, "the log folder's time of expiry can't be written").with_source(error)
        })
    }

    fn log_url(&self, execution: Option<&ExecutionId>) -> String {
        self.pool.logs.url(execution)
    }

    async fn usage(&self) -> Usage {
        Usage::default()
    }

    async fn cleanup(&self) -> CleanupReport {
        if let Some(report) = self.cleaned() {
            return report;
        }
        let report = cleanup::close_elsewhere(&self.pool, self.keep_logs).await;
        self.cleaned.lock().unwrap_or_else(PoisonError::into_inner).insert(report).clone()
    }
}

impl Drop for LocalFunction {
    fn drop(&mut self) {
        if self.cleaned().is_none() {
            cleanup::close_on_drop(&self.pool, self.keep_logs);
        }
    }
}
