#[faast::function]
fn apply(f: fn(u8) -> u8) -> u8 {
    f(1)
}

fn main() {}
