//! The conformance suite against the emulator, which unpacks this test's own executable and runs it as Lambda would.

use faast_aws::{Aws, AwsOptions as _};
use faast_core::Builder;
use faast_testkit::emulator_aws::AwsEmulator;

thread_local! {
    /// Each test has a thread of its own, and with it an account of its own that ends with the test.
    static ACCOUNT: AwsEmulator = AwsEmulator::start();
}

fn aws() -> Aws {
    let endpoint = ACCOUNT.with(AwsEmulator::endpoint);
    let mut builder = Builder::new(Aws::new()).endpoint_url(endpoint).region("us-west-2");
    builder = builder.credentials("test", "test", None);
    builder.provider_mut().clone()
}

faast_testkit::conformance!(provider: aws(), workers: remote);

mod queue {
    use faast_core::provider::Mode;

    faast_testkit::conformance!(provider: super::aws(), workers: remote, mode: Mode::Queue);
}
