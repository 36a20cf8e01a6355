//! Real files, whole and broken.

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use faast_core::Arch;
use proptest::prelude::*;

use super::*;
use crate::table::Table;
use crate::{Target, fit, strip};

/// This test's own executable.
pub(crate) static OWN: LazyLock<Vec<u8>> = LazyLock::new(|| fs::read("/proc/self/exe").unwrap());

/// A shared library that it has loaded.
pub(crate) static LIBRARY: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let path = maps.lines().filter_map(|line| line.split_whitespace().last()).find(|it| it.contains("libgcc_s.so"));
    fs::read(PathBuf::from(path.unwrap())).unwrap()
});

/// All places where `from` stands have `to`, of the same length.
pub(crate) fn replaced(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes.to_owned();
    let places: Vec<usize> = memchr::memmem::find_iter(&bytes, from).collect();
    assert!(!places.is_empty(), "there is no {from}");
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    bytes
}

#[test]
fn an_executable_tells_machine_interpreter_libraries_and_versions() {
    let elf = Elf::read(&OWN).unwrap();
    assert_eq!(elf.kind, Kind::Executable);
    assert_eq!(machine_name(elf.machine), Arch::of_this_machine().unwrap().to_string());
    assert!(elf.interpreter.unwrap().contains("/ld-linux"), "{:?}", elf.interpreter);
    assert!(elf.libraries.contains(&"libc.so.6"), "{:?}", elf.libraries);
    let of_libc = |need: &&Need<'_>| need.library == "libc.so.6" && need.version.starts_with("GLIBC_2.");
    assert!(elf.needs.iter().filter(of_libc).count() > 1, "{:?}", elf.needs);
}

#[test]
fn a_shared_library_is_no_executable() {
    assert_eq!(Elf::read(&LIBRARY).unwrap().kind, Kind::Library);
}

#[test]
fn symbols_are_found_by_the_version_that_they_need() {
    // Weak, in the standard library: older systems don't have it.
    let elf = Elf::read(&OWN).unwrap();
    assert_eq!(elf.symbols_of("GLIBC_2.18"), ["__cxa_thread_atexit_impl"]);
    assert_eq!(elf.symbols_of("GLIBC_9.9"), [""; 0]);
}

#[test]
fn other_files_are_told_apart() {
    let first = |at: usize, byte: u8| {
        let mut bytes = OWN[..4096].to_owned();
        bytes[at] = byte;
        Elf::read(&bytes).unwrap_err()
    };
    assert_eq!(Elf::read(b"").unwrap_err(), Unreadable::NotElf);
    assert_eq!(Elf::read(b"#!/bin/sh\n").unwrap_err(), Unreadable::NotElf);
    assert_eq!(first(0, 0xcf), Unreadable::NotElf);
    assert_eq!(first(4, 1), Unreadable::Bits32);
    assert_eq!(first(5, 2), Unreadable::BigEndian);
    assert!(matches!(first(4, 3), Unreadable::Damaged(_)));
    assert!(matches!(first(8, 0), Unreadable::Damaged(_)), "the segments are cut off");
}

#[test]
fn what_lies_behind_a_segment_is_not_in_memory() {
    let segments = Segments::read(header(&OWN).unwrap(), &OWN).unwrap();
    let size = segments.dynamic().unwrap().iter().position(|entry| entry.d_tag.get(LE) == DT_STRSZ).unwrap();
    let dynamic = segments.headers.iter().find(|it| it.p_type(LE) == object::elf::PT_DYNAMIC).unwrap();
    let at = usize::try_from(dynamic.p_offset(LE)).unwrap() + size * size_of::<Dyn64<LittleEndian>>() + 8;
    let mut bytes = OWN.clone();
    bytes[at..at + 8].copy_from_slice(&(OWN.len() as u64 / 2).to_le_bytes());
    assert_eq!(Elf::read(&bytes).unwrap_err(), Unreadable::Damaged("it has no table of names"));
    assert!(!go_over(&bytes));
}

/// Does all that is done with the bytes of an executable; says whether it could be read.
fn go_over(bytes: &[u8]) -> bool {
    let target = Target::new(Arch::of_this_machine().unwrap(), (2, 17));
    let fits = fit::check(bytes, target, &|_| Ok(Some(bytes.to_owned()))).unwrap();
    let readable = Elf::read(bytes).is_ok();
    assert!(readable || fits.is_err());
    Table::read(bytes);
    if let Some(stripped) = strip::strip(bytes) {
        assert!(stripped.len() < bytes.len());
        assert_eq!(Elf::read(&stripped).is_ok(), readable);
    }
    readable
}

/// A place in the parts of the file that are read as structure: headers, names, versions, and the table of sections.
fn structure() -> impl Strategy<Value = usize> {
    let sections = header(&OWN).unwrap().e_shoff.get(LE).try_into().unwrap();
    let loaded = Segments::read(header(&OWN).unwrap(), &OWN).unwrap();
    let dynamic = loaded.headers.iter().find(|it| it.p_type(LE) == object::elf::PT_DYNAMIC).unwrap();
    let dynamic = usize::try_from(dynamic.p_offset(LE)).unwrap();
    let dynamic_end = dynamic + 600;
    prop_oneof![0_usize..1024, 1024_usize..16384, dynamic..dynamic_end, sections..OWN.len()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_file_that_is_cut_off_is_no_reason_to_panic(length in prop_oneof![0_usize..8192, 0..OWN.len()]) {
        go_over(&OWN[..length]);
    }

    #[test]
    fn broken_bytes_are_no_reason_to_panic(changes in proptest::collection::vec((structure(), any::<u8>()), 1..8)) {
        let mut bytes = OWN.clone();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        go_over(&bytes);
    }
}

#[test]
fn a_whole_file_is_read() {
    assert!(go_over(&OWN));
}
