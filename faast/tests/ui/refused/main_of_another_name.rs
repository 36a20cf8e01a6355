#[faast::main]
async fn start() {}
