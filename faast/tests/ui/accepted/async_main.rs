//! `main` runs on a runtime with timers.

#[faast::main]
async fn main() -> faast::Result<()> {
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    tokio::spawn(async {}).await.map_err(|error| faast::Error::new(faast::ErrorKind::Internal, error.to_string()))?;
    Ok(())
}
