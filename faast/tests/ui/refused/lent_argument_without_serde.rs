struct Image(Vec<u8>);

#[faast::function]
fn resize(name: &str, image: &Image, more: &[Image], perhaps: Option<&Image>) -> usize {
    name.len() + image.0.len() + more.len() + perhaps.into_iter().count()
}

fn main() {}
