#[faast::function]
fn add(a: u8, #[cfg(unix)] b: u8) -> u8 {
    a + b
}

fn main() {}
