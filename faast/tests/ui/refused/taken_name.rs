#[faast::function]
fn parse(text: &str) -> usize {
    text.len()
}

mod parse {}

fn main() {}
