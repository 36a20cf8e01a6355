#[faast::function(version = "two", idempotent = 0)]
fn add(a: u8, b: u8) -> u8 {
    a + b
}

#[faast::function(name = "a", name = "b")]
fn subtract(a: u8, b: u8) -> u8 {
    a - b
}

#[faast::function(name = "")]
fn multiply(a: u8, b: u8) -> u8 {
    a * b
}

fn main() {}
