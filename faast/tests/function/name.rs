//! Functions are found by name, and told apart by signature, wherever they stand.

use std::io;

use crate::support::{self, value};

#[faast::function]
fn r#type(n: u8) -> u8 {
    n
}

mod nested {
    pub(crate) mod deeper {
        #[faast::function]
        pub(in super::super) fn twice(n: u8) -> u8 {
            n * 2
        }
    }
}

#[faast::function(name = "a name", version = 3, idempotent = false, companion = renamed_call)]
fn renamed(n: u8) -> u8 {
    n
}

#[faast::function(version = 4, companion = renamed_call_4)]
fn renamed_4(n: u8) -> u8 {
    n
}

mod renamed {}

mod elsewhere {
    pub(crate) use faast as moved;
}

#[faast::function(crate = crate::name::elsewhere::moved)]
fn through_another_path(n: u8) -> u8 {
    n
}

#[faast::function]
#[cfg(any())]
fn not_there(n: NoSuchType) {}

#[test]
fn names_are_paths_and_entries_say_what_the_attribute_said() {
    assert_eq!(nested::deeper::twice::call(2).function(), "function::name::nested::deeper::twice");
    assert_eq!(value(nested::deeper::twice::call(2)), 4);
    assert_eq!(r#type::call(1).function(), "function::name::type");
    let entry = support::entry(renamed_call::call(1).function());
    assert_eq!((entry.name, entry.idempotent), ("a name", false));
    let (file, place) = entry.location.split_once(':').unwrap();
    assert!(file.ends_with("name.rs") && place.contains(':'), "{}", entry.location);
    assert_ne!(entry.signature, support::entry("function::name::renamed_4").signature);
    assert!(support::entry("function::name::type").idempotent);
    assert_eq!(value(through_another_path::call(1)), 1);
}

mod same_signature {
    #[faast::function]
    pub(crate) fn one(a: &str, b: Vec<u8>) -> u8 {
        u8::try_from(a.len() + b.len()).unwrap()
    }

    #[rustfmt::skip]
    #[faast::function]
    pub(crate) fn two<'x>(first : &'x str, mut second: Vec< u8 >,) -> u8 {
        second.clear();
        u8::try_from(first.len() + second.len()).unwrap()
    }

    #[faast::function]
    pub(crate) fn three(a: &str, b: Vec<u16>) -> u8 {
        u8::try_from(a.len() + b.len()).unwrap()
    }
}

#[test]
fn signatures_differ_by_types_and_nothing_else() {
    let [one, two, three] = ["one", "two", "three"]
        .map(|name| support::entry(&format!("function::name::same_signature::{name}")).signature);
    assert_eq!(one, two);
    assert_ne!(one, three);
}

macro_rules! make {
    ($name:ident, $argument:ty, $result:ty) => {
        #[faast::function]
        fn $name(argument: $argument) -> $result {
            Ok(argument.len())
        }
    };
}

make!(made_by_macro, &str, io::Result<usize>);

#[test]
fn a_function_may_be_made_by_a_macro() {
    assert_eq!(value(made_by_macro::call("abc")), 3);
}

#[test]
fn a_function_may_stand_in_a_function() {
    #[faast::function]
    fn inner(n: u8) -> u8 {
        n + 1
    }
    assert_eq!(value(inner::call(1)), 2);
}
