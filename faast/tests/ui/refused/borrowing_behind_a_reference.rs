use std::borrow::Cow;

#[faast::function]
fn length(text: &Cow<'_, str>) -> usize {
    text.len()
}

fn main() {}
