#[faast::function]
fn numbers() -> impl Iterator {
    0..3
}

fn main() {}
