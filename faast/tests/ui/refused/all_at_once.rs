#[faast::function(retries = 1)]
unsafe fn wrong<T>(_list: &mut Vec<T>, name: &'static str, _text: impl AsRef<str>) -> &'static str {
    name
}

fn main() {}
