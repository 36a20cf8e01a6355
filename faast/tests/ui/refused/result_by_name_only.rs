#[derive(serde::Serialize, serde::Deserialize)]
struct Result(u8);

#[faast::function]
fn load() -> Result {
    Result(1)
}

fn main() {}
