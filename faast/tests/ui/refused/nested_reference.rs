use std::collections::HashMap;

#[faast::function]
fn join(words: &[&str], counts: HashMap<&str, u8>) -> String {
    format!("{} {}", words.join(" "), counts.len())
}

fn main() {}
