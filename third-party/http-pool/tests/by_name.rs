//! The provider as users meet it: chosen by its name, with functions of their own.

use http_pool as _;

faast::test_worker!();

/// The length of a word.
#[faast::function]
fn length(word: &str) -> usize {
    word.len()
}

#[tokio::test]
async fn it_is_known_by_its_name() -> faast::Result<()> {
    let cloud = faast::provider("http-pool")?.concurrency(2).deploy().await?;
    let lengths = cloud.map(["one", "three"].map(length::call)).try_collect().await?;
    assert_eq!(lengths, [3, 5]);
    cloud.cleanup().await
}
