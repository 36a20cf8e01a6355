struct Point;

#[faast::function]
impl Point {
    fn x(&self) -> u8 {
        0
    }
}

fn main() {}
