//! A library as a user's workspace has one: its functions register themselves where the program names the crate.

#![forbid(unsafe_code)]

/// Twice the number.
#[faast::function]
pub fn double(n: u32) -> u32 {
    n * 2
}

pub mod nested {
    //! Modules make no difference.

    /// Half of the number, rounded down.
    #[faast::function]
    pub fn half(n: u32) -> u32 {
        n / 2
    }
}
