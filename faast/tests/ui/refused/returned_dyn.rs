#[faast::function]
fn numbers() -> Box<dyn Iterator<Item = u8>> {
    Box::new(0..3)
}

fn main() {}
