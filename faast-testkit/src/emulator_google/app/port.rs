//! Ports for processes: out of the range that the system gives to everyone who does not care, so that nobody takes one
//! between now and the moment when its process listens.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the ports that connections and servers without a choice get.
const FIRST: u16 = 10_000;
const COUNT: u16 = 22_000;

/// Where the search goes on. Emulators in other processes begin elsewhere.
static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| AtomicU16::new(fastrand::u16(..COUNT)));

/// A port that nobody listens on; nothing if there is none.
pub(super) fn free() -> Option<u16> {
    let next = || FIRST + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
    (0..COUNT).map(|_| next()).find(|port| TcpListener::bind((Ipv4Addr::UNSPECIFIED, *port)).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_free_and_no_other_caller_has_it() {
        let ports: Vec<u16> = (0..100).filter_map(|_| free()).collect();
        let mut distinct = ports.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!((ports.len(), distinct.len()), (100, 100));
    }
}
