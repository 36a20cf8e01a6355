#[faast::function]
fn forever() -> ! {
    loop {}
}

fn main() {}
