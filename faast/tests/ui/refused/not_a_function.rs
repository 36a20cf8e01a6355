#[faast::function]
struct Point {
    x: u8,
}

fn main() {}
