//! The conformance suite against the emulator, which unpacks the pushed image of this test's own executable and runs it as
//! Cloud Run would.

use faast_core::Builder;
use faast_google::private::anonymous;
use faast_google::{Google, GoogleOptions as _};
use faast_testkit::emulator_google::{GoogleEmulator, PROJECT, REGION};

thread_local! {
    /// Each test has a thread of its own, and with it a project of its own that ends with the test.
    static EMULATOR: GoogleEmulator = GoogleEmulator::start();
}

fn google() -> Google {
    let endpoint = EMULATOR.with(GoogleEmulator::endpoint);
    let mut builder = Builder::new(Google::new()).endpoint_url(endpoint).project(PROJECT).region(REGION);
    anonymous(builder.provider_mut().clone())
}

faast_testkit::conformance!(provider: google(), workers: remote);

mod queue {
    use faast_core::provider::Mode;

    faast_testkit::conformance!(provider: super::google(), workers: remote, mode: Mode::Queue);
}
