#[faast::function]
fn trim(text: &str) -> &str {
    text.trim()
}

#[faast::function]
fn name() -> Option<&'static str> {
    Some("faast")
}

fn main() {}
