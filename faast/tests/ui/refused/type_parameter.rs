#[faast::function]
fn largest<T: Ord + Copy>(items: Vec<T>) -> Option<T> {
    items.into_iter().max()
}

fn main() {}
