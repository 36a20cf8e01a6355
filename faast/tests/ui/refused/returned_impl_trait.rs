#[faast::function]
fn show() -> impl std::fmt::Display {
    "shown"
}

fn main() {}
