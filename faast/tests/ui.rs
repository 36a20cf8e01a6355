//! What the compiler says about wrong uses of the macros, to the letter.
//!
//! The texts are the compiler's, so they hold for one version of it: `cargo test --workspace` leaves this out, and
//! `cargo test -p faast --test ui` runs it.

#[test]
fn wrong_uses_are_refused_with_the_way_out() {
    trybuild::TestCases::new().compile_fail("tests/ui/refused/*.rs");
}

#[test]
fn generated_code_passes_where_much_is_forbidden() {
    trybuild::TestCases::new().pass("tests/ui/accepted/*.rs");
}
