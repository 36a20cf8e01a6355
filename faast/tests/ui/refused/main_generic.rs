#[faast::main]
async fn main<T>() {}
