#[faast::function]
fn check(text: &str) -> Result<u8, &str> {
    Err(text)
}

fn main() {}
