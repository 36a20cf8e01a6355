#[faast::function]
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(' ')
}

fn main() {}
