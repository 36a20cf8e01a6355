struct Image(Vec<u8>);

struct Size {
    width: u32,
}

#[faast::function]
fn resize(name: String, image: Image, sizes: Vec<Size>) -> u32 {
    name.len() as u32 + image.0.len() as u32 + sizes[0].width
}

fn main() {}
