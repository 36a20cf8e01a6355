struct Resizer(u32);

impl Resizer {
    #[faast::function]
    fn new(width: u32) -> Self {
        Self(width)
    }
}

fn main() {}
