//! Our emulator, for what no server of others does, and a provider whose other services are elsewhere.

use faast_core::Builder;
use faast_google::{Google, GoogleOptions as _};
use faast_testkit::emulator_google::GoogleEmulator;

use crate::audit::Audit;

pub(crate) const REGION: &str = "us-central1";

/// A provider for a project of a test's own.
pub(crate) fn google(emulator: &GoogleEmulator, project: &str) -> Builder<Google> {
    let builder = Builder::new(Google::new()).project(project).region(REGION);
    // Google's emulator brings no tokens, and requests of calls need none of their own then.
    builder.endpoint_url(emulator.endpoint()).invoker_secret()
}

/// A listing of the same project.
pub(crate) fn audit(emulator: &GoogleEmulator, project: &str) -> Audit {
    let here = emulator.endpoint();
    Audit {
        run: here.clone(),
        artifact_registry: here.clone(),
        pubsub: here.clone(),
        storage: here,
        project: project.to_owned(),
        region: REGION.to_owned(),
        token: None,
    }
}

pub(crate) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
