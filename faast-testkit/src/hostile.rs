//! Hostile input by seed: valid bytes, damaged as nobody would by chance.
//!
//! For tests of what reads bytes from outside: half of all damage goes through the first checks, which random bytes never
//! do. Responsible for the damage alone; the invariant is that a seed always does the same.

use std::fs;

use fastrand::Rng;

/// Numbers at the ends of what their types hold, as little and big endian bytes.
const EDGES: [u64; 8] = [0, 1, 0x7f, 0xff, 0xffff, 0x7fff_ffff, 0xffff_ffff, u64::MAX];

/// Bytes with a meaning in what faast reads: of MessagePack, JSON, HTTP and of its own formats.
const SIGNS: &[u8] = b"\x00\x01\x7f\x80\xc0\xc1\xc6\xc9\xcf\xdb\xdd\xdf\xff{}[]\",:0-e\r\n ;";

/// What stands in the place of a number in a text.
const WORDS: [&str; 12] = [
    "0",
    "-1",
    "18446744073709551615",
    "18446744073709551616",
    "9223372036854775807",
    "-9223372036854775808",
    "1e308",
    "1e-308",
    "null",
    "\"x\"",
    "[]",
    "{}",
];

/// Damages bytes.
pub fn bytes(seed: u64, valid: &[u8]) -> Vec<u8> {
    let mut rng = Rng::with_seed(seed);
    let mut bytes = valid.to_vec();
    for _ in 0..rng.usize(1..4) {
        let at = rng.usize(..=bytes.len());
        match rng.u8(..8) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, SIGNS[rng.usize(..SIGNS.len())]),
            2 => overwrite(&mut bytes, at, &[SIGNS[rng.usize(..SIGNS.len())]]),
            3 => overwrite(&mut bytes, at, &EDGES[rng.usize(..EDGES.len())].to_le_bytes()[..1 << rng.u8(..4)]),
            4 => overwrite(&mut bytes, at, &EDGES[rng.usize(..EDGES.len())].to_be_bytes()),
            5 => overwrite(&mut bytes, at, &[rng.u8(..)]),
            6 => drop(bytes.drain(at..(at + rng.usize(..16)).min(bytes.len()))),
            _ => {
                let piece = bytes[at..(at + rng.usize(..64)).min(bytes.len())].to_vec();
                let to = rng.usize(..=bytes.len());
                bytes.splice(to..to, piece);
            }
        }
    }
    bytes
}

fn overwrite(bytes: &mut [u8], at: usize, with: &[u8]) {
    for (to, from) in bytes.iter_mut().skip(at).zip(with) {
        *to = *from;
    }
}

/// Damages a text that holds numbers, so that it mostly remains one that can be read.
///
/// It gets other numbers, other words, lines twice, lines that are missing. One time in four it is damaged as
/// [`bytes()`] are.
pub fn text(seed: u64, valid: &[u8]) -> Vec<u8> {
    let mut rng = Rng::with_seed(seed);
    if rng.u8(..4) == 0 {
        return bytes(seed, valid);
    }
    let mut text = valid.to_vec();
    for _ in 0..rng.usize(1..6) {
        let numbers = numbers(&text);
        if numbers.is_empty() {
            break;
        }
        let (from, to) = numbers[rng.usize(..numbers.len())];
        text.splice(from..to, WORDS[rng.usize(..WORDS.len())].bytes());
    }
    let mut lines: Vec<_> = text.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    if rng.u8(..8) == 0 && !lines.is_empty() {
        let line = lines.swap_remove(rng.usize(..lines.len()));
        if rng.bool() {
            lines.extend([line.clone(), line]);
        }
        text = lines.concat();
    }
    text
}

/// Where numbers begin and end.
fn numbers(text: &[u8]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut from = None;
    for (at, byte) in text.iter().chain(b" ").enumerate() {
        match (from, byte.is_ascii_digit()) {
            (None, true) => from = Some(at),
            (Some(start), false) => {
                found.push((start, at));
                from = None;
            }
            _ => {}
        }
    }
    found
}

/// The most address space that this process has had, in KiB; `None` where there is no `/proc`.
///
/// A buffer as long as a lie claims shows here, used or not.
pub fn peak_kib() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmPeak:"))?;
    peak.trim().trim_end_matches(" kB").trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_does_the_same_damage_and_others_do_other() {
        let valid = b"{\"a\":17,\"b\":[1,2]}\n{\"a\":18}\n";
        for seed in 0..2_000 {
            assert_eq!(bytes(seed, valid), bytes(seed, valid));
            assert_eq!(text(seed, valid), text(seed, valid));
        }
        let kinds: std::collections::HashSet<_> = (0..2_000).map(|seed| text(seed, valid)).collect();
        assert!(kinds.len() > 500, "{}", kinds.len());
    }

    #[test]
    fn nothing_can_be_damaged_too() {
        for seed in 0..500 {
            bytes(seed, b"");
            text(seed, b"");
        }
    }
}
