#[faast::function]
fn pair() -> (impl Iterator<Item = u8>, u8) {
    (0..3, 1)
}

fn main() {}
