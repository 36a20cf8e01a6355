//! Deployments that a service refuses: what they must not leave or tell, and what users read of them.

#![expect(clippy::expect_used, clippy::missing_panics_doc, reason = "helpers of tests fail as tests do")]

use faast_core::ledger::Ledger;
use faast_core::provider::{CloudProvider, DeployContext, DeploySpec};
use faast_core::{Error, ErrorKind};

/// Deploys, which has to fail, leave no ledger, and say none of the secrets.
pub async fn refused(
    provider: &dyn CloudProvider,
    spec: &DeploySpec,
    context: &DeployContext,
    secrets: &[&str],
) -> Error {
    let error = provider.deploy(spec, context).await.err().expect("a refusal");
    let ledger = context.ledger.path();
    assert!(!ledger.exists(), "{:?}", Ledger::read(&ledger));
    let shown = format!("{error} {error:?} {:?}", error.hint());
    assert!(secrets.iter().all(|secret| !shown.contains(secret)), "{shown}");
    error
}

/// What a user reads of a failure has to be this: the kind, a part of the message, a part of the hint.
#[track_caller]
pub fn says(error: &Error, kind: ErrorKind, message: &str, hint: &str) {
    assert_eq!(error.kind(), kind, "{error:?}");
    assert!(error.message().contains(message), "`{message}` is not in `{}`", error.message());
    let given = error.hint().unwrap_or_default();
    assert!(given.contains(hint), "`{hint}` is not in `{given}`");
}
