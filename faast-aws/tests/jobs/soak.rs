//! Jobs against the emulator under faults for some time: results equal the model's, and what the client holds stays flat.
//!
//! The client is a process of its own: the emulator remembers every request.

use faast::Hedge;
use faast_testkit::emulator_aws::{AwsEmulator, Faults};
use faast_testkit::soak::{self, Slack};

use super::{declines, double, on};

/// Rounds at least: fewer don't tell whether something grows.
const ROUNDS: usize = 12;

/// Rows of a record's first 20,000 attempts are on disk, and connections come and go.
const SLACK: Slack = Slack { resident_kib: 8 << 10, counts: 12, disk_bytes: 2 << 20 };

/// Does nothing in a test run; the next test runs it in a process of its own.
#[tokio::test(flavor = "multi_thread")]
async fn client() {
    let Some(endpoint) = soak::place() else { return };
    let cloud = on(&endpoint).memory_mb(128).concurrency(8).hedge(Hedge::Off).retries(40).record();
    let cloud = cloud.deploy().await.unwrap();
    soak::rounds(ROUNDS, SLACK, async |_| soak::doubles(&cloud, double::call, declines::call).await).await;
    println!("{:?}", cloud.stats());
    cloud.cleanup().await.unwrap();
}

#[test]
fn what_a_client_holds_stays_flat_under_faults() {
    let faults = Faults { drop_before: 0.01, drop_after: 0.01, error_before: 0.02, ..Faults::default() };
    let aws = AwsEmulator::builder().faults(faults).seed(3).start();
    soak::in_a_process("soak::client", &aws.endpoint());
    assert_eq!(aws.leftovers(), Vec::<String>::new());
}
