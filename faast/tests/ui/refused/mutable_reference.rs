#[faast::function]
fn sort(list: &mut [u8]) {
    list.sort_unstable();
}

fn main() {}
