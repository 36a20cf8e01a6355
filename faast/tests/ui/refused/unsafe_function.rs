#[faast::function]
unsafe fn risky(n: u8) -> u8 {
    n
}

fn main() {}
