trait Resize {
    #[faast::function]
    fn resize(width: u32) -> u32;
}

fn main() {}
