use std::borrow::Cow;

#[faast::function]
fn trim(text: &str) -> Cow<'_, str> {
    Cow::Borrowed(text.trim())
}

fn main() {}
