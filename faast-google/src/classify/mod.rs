//! What failures mean: `control.rs` for the calls that make and delete things, `invoke.rs` for those of functions.

mod advice;
pub(crate) mod control;
pub(crate) mod invoke;
