#[derive(serde::Serialize)]
struct Image(Vec<u8>);

#[faast::function]
fn size(image: Image) -> usize {
    image.0.len()
}

fn main() {}
