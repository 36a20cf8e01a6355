struct View<'a>(&'a str);

#[faast::function]
fn length(view: View<'_>) -> usize {
    view.0.len()
}

fn main() {}
