//! Ephemeral storage that is full: the function's own error, and a worker that goes on.

use std::fs::{self, File};
use std::io::{self, Write as _};

use faast::ErrorKind;
use faast_aws::AwsOptions as _;
use faast_testkit::emulator_aws::AwsEmulator;

use super::on;

/// Keeps so much in a temporary file for a moment.
#[faast::function]
fn stores(mebibytes: u32) -> io::Result<u32> {
    let path = std::env::temp_dir().join("stored");
    let mut file = File::create(&path)?;
    let mebibyte = vec![7; 1 << 20];
    let stored = (0..mebibytes).try_for_each(|_| file.write_all(&mebibyte));
    fs::remove_file(&path)?;
    stored.map(|()| mebibytes)
}

#[tokio::test]
async fn a_function_that_fills_its_storage_has_its_own_error_and_the_next_call_has_room() {
    let aws = AwsEmulator::builder().limit_storage(true).start();
    let cloud = on(&aws.endpoint()).memory_mb(256).concurrency(1).deploy().await.unwrap();
    let before = cloud.run(stores::call(1)).detail().await.unwrap();
    let error = cloud.run(stores::call(600)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::User, "{error:?}");
    assert!(error.message().contains("No space left on device"), "{error:?}");
    let after = cloud.run(stores::call(400)).detail().await.unwrap();
    assert_eq!((after.value, after.instance), (400, before.instance), "on the same worker");
    cloud.cleanup().await.unwrap();

    // And there is as much of it as was asked for.
    let cloud = on(&aws.endpoint()).memory_mb(256).ephemeral_storage_mb(700).concurrency(1).deploy().await.unwrap();
    assert_eq!(cloud.run(stores::call(600)).await.unwrap(), 600);
    cloud.cleanup().await.unwrap();
}
