#[faast::function]
fn show(value: &dyn std::fmt::Display, boxed: Box<dyn std::fmt::Debug>) -> String {
    format!("{value} {boxed:?}")
}

fn main() {}
