//! Keys: what a result is found again by, on any provider and in any order of the input.

use sha2::{Digest as _, Sha256};

use super::build::first_16;
use crate::error::Result;
use crate::function::FunctionEntry;
use crate::wire;

/// A hash of function, signature, version and arguments.
pub(crate) type Key = [u8; 16];

/// The key of a call. Maps count as equal whatever the order of their entries; sets that have no order, such as
/// `HashSet`, are sequences to serde, and do not.
///
/// # Errors
///
/// [`Decode`](crate::ErrorKind::Decode) for bytes that are no arguments.
pub(crate) fn key(entry: &FunctionEntry, args: &[u8]) -> Result<Key> {
    let mut hash = Sha256::new();
    hash.update((entry.name.len() as u64).to_le_bytes());
    hash.update(entry.name);
    hash.update(entry.signature.to_le_bytes());
    hash.update(wire::canonical(args)?);
    Ok(first_16(hash))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::function::Body;

    const fn entry(name: &'static str, signature: u64) -> FunctionEntry {
        FunctionEntry { name, signature, location: "", idempotent: true, body: Body::Sync(|_, _| Ok(())) }
    }

    fn encoded<T: wire::Wire + 'static>(value: &T) -> Vec<u8> {
        let mut bytes = Vec::new();
        wire::encode_value(value, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn function_signature_and_arguments_each_change_the_key() {
        let of = |name, signature, value: u64| key(&entry(name, signature), &encoded(&value)).unwrap();
        let one = of("f", 1, 7);
        assert_eq!(one, of("f", 1, 7));
        assert!([of("g", 1, 7), of("f", 2, 7), of("f", 1, 8)].iter().all(|other| *other != one));
    }

    #[test]
    fn the_order_of_a_maps_entries_is_no_matter_at_any_depth() {
        let entries: Vec<(String, Vec<u32>)> = (0..40).map(|n| (format!("key {n}"), vec![n; 3])).collect();
        let nested = |of: Vec<(String, Vec<u32>)>| vec![Some(of.into_iter().collect::<HashMap<_, _>>())];
        let (mut seen, mut keys) = (Vec::new(), Vec::new());
        for _ in 0..8 {
            // Each map has a random order of its own.
            let bytes = encoded(&nested(entries.clone()));
            keys.push(key(&entry("f", 1), &bytes).unwrap());
            seen.push(bytes);
        }
        assert!(seen.iter().any(|bytes| *bytes != seen[0]), "every map had the same order");
        assert!(keys.iter().all(|key| *key == keys[0]));
        let fewer = encoded(&nested(entries[1..].to_vec()));
        assert_ne!(key(&entry("f", 1), &fewer).unwrap(), keys[0]);
    }

    #[test]
    fn the_order_of_a_list_matters() {
        let of = |list: [u32; 2]| key(&entry("f", 1), &encoded(&list.to_vec())).unwrap();
        assert_ne!(of([1000, 2000]), of([2000, 1000]));
    }
}
