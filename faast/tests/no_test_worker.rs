//! A test binary that left out `faast::test_worker!()`.

use faast::ErrorKind;

#[tokio::test]
async fn a_test_binary_without_test_worker_is_told_so() {
    let error = faast::local().deploy().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
    assert!(error.hint().unwrap().contains("faast::test_worker!()"), "{error:?}");
}
