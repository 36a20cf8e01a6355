//! Marks: how an executable tells, without being run, which functions it holds.
//!
//! Responsible for writing a mark at compile time and for reading one; whoever packs an executable looks for them in its
//! bytes. A function's name is a part of its mark, so that a mark is in the executable exactly when its function is
//! registered there: no link section, nothing that a linker could collect alone, and nothing done at run time.
//!
//! A mark is [`PREFIX`], the name, a separator, the signature in 16 hex digits, an end. Names have no control
//! characters, the prefix ends in one, so that other text in an executable is no mark.

use crate::provider::FunctionId;

/// How every mark begins.
pub const PREFIX: &[u8] = b"faast-function\x1f";

const SEPARATOR: u8 = 0x1f;
const END: u8 = 0x1e;
const DIGITS: usize = 16;

/// How long the mark of a function of that name is.
pub const fn len(name: &str) -> usize {
    PREFIX.len() + name.len() + 1 + DIGITS + 1
}

/// The mark of a function; `N` is [`len`] of its name.
pub const fn write<const N: usize>(name: &str, signature: u64) -> [u8; N] {
    let mut mark = [0; N];
    let mut at = copy(&mut mark, 0, PREFIX);
    at = copy(&mut mark, at, name.as_bytes());
    at = copy(&mut mark, at, &[SEPARATOR]);
    let mut digit = 0;
    while digit < DIGITS {
        let value = (signature >> (4 * (DIGITS - 1 - digit))) & 0xf;
        mark[at + digit] = b"0123456789abcdef"[value as usize];
        digit += 1;
    }
    mark[at + DIGITS] = END;
    mark
}

const fn copy(to: &mut [u8], at: usize, from: &[u8]) -> usize {
    let mut i = 0;
    while i < from.len() {
        to[at + i] = from[i];
        i += 1;
    }
    at + i
}

/// The name within a mark: the same bytes, not a copy.
pub const fn name(mark: &[u8]) -> &str {
    let (_, rest) = mark.split_at(PREFIX.len());
    let (name, _) = rest.split_at(rest.len() - DIGITS - 2);
    match std::str::from_utf8(name) {
        Ok(name) => name,
        Err(_) => "",
    }
}

/// The function whose mark begins there; `None` if it only looks as if one did.
pub fn read(bytes: &[u8]) -> Option<FunctionId> {
    let rest = bytes.strip_prefix(PREFIX)?;
    let length = rest.iter().position(u8::is_ascii_control)?;
    let (name, rest) = rest.split_at(length);
    let (digits, rest) = rest.strip_prefix(&[SEPARATOR])?.split_at_checked(DIGITS)?;
    let signature = std::str::from_utf8(digits).ok().and_then(|digits| u64::from_str_radix(digits, 16).ok())?;
    let name = std::str::from_utf8(name).ok().filter(|name| !name.is_empty())?;
    rest.starts_with(&[END]).then(|| FunctionId { name: name.to_owned().into(), signature })
}

/// The name of a function for its [`FunctionEntry`](super::FunctionEntry), with its mark around it in the executable.
///
/// Both arguments are constants: the name, and the signature that the entry has.
#[macro_export]
#[doc(hidden)]
macro_rules! marked_name {
    ($name:expr, $signature:expr) => {{
        static MARK: [u8; $crate::function::mark::len($name)] = $crate::function::mark::write($name, $signature);
        $crate::function::mark::name(&MARK)
    }};
}

#[cfg(test)]
mod tests {
    use super::*;

    static NAME: &str = crate::marked_name!("job::größe", 0x0123_4567_89ab_cdef);

    fn mark(name: &'static str) -> Vec<u8> {
        [PREFIX, name.as_bytes(), b"\x1f00000000000000ff\x1e"].concat()
    }

    #[test]
    fn a_mark_is_read_as_the_function_it_was_written_for() {
        const MARK: [u8; len("job::run")] = write("job::run", 0xff);
        assert_eq!(MARK.as_slice(), mark("job::run"));
        assert_eq!(read(&mark("job::run")), Some(FunctionId { name: "job::run".into(), signature: 255 }));
        assert_eq!(name(&MARK), "job::run");
    }

    #[test]
    fn a_marked_name_is_the_name() {
        assert_eq!(NAME, "job::größe");
    }

    #[test]
    fn what_only_begins_like_a_mark_is_none() {
        let whole = mark("job::run");
        for length in 0..whole.len() {
            assert_eq!(read(&whole[..length]), None, "{length}");
        }
        assert_eq!(read(&mark("")), None);
        let other_digits: Vec<u8> = whole.iter().map(|byte| if *byte == b'f' { b'g' } else { *byte }).collect();
        assert_eq!(read(&other_digits), None);
    }
}
