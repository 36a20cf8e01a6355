struct Resizer;

impl Resizer {
    #[faast::function]
    fn resize(&self, width: u32) -> u32 {
        width
    }
}

fn main() {}
