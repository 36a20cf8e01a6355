#[faast::function]
extern "C" fn foreign(n: u8) -> u8 {
    n
}

fn main() {}
