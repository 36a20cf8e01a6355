//! Names of the user's that generated code must not stumble over.

mod std {}
mod core {}
mod faast_core {}
#[allow(non_camel_case_types, dead_code)]
mod names {
    pub struct Result2;
    pub struct Vec;
    pub struct Option;
    pub struct Box;
    pub struct String;
    pub fn drop() {}
}
#[allow(unused_imports)]
use names::*;

type Text = ::std::string::String;

#[faast::function]
fn first(list: &[Text]) -> ::std::result::Result<Text, Text> {
    list.first().cloned().ok_or_else(|| "empty".into())
}

#[faast::function]
async fn second(list: ::std::vec::Vec<u8>) -> u8 {
    list[1]
}

fn main() {
    let _ = (first::call(&[]), second::call(::std::vec![1, 2]));
}
