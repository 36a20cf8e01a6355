#[faast::function(retries = 3, memory_mb = 1024)]
fn add(a: u8, b: u8) -> u8 {
    a + b
}

fn main() {}
