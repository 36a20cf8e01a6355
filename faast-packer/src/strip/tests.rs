//! What stays, what goes, and that the rest still runs.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::*;
use crate::elf::Elf;
use crate::elf::tests::OWN;

#[test]
fn a_stripped_executable_runs_and_gives_the_same_output() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stripped");
    let stripped = strip(&OWN).unwrap();
    assert!(stripped.len() * 2 < OWN.len(), "{} of {} bytes are left", stripped.len(), OWN.len());
    fs::write(&path, stripped).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let list = |program: &std::path::Path| {
        let output = Command::new(program).arg("--list").output().unwrap();
        assert!(output.status.success(), "{output:?}");
        output.stdout
    };
    assert_eq!(list(&path), list(&std::env::current_exe().unwrap()));
}

#[test]
fn what_is_loaded_stays_where_it_is() {
    let stripped = strip(&OWN).unwrap();
    let segments = Segments::read(header(&OWN).unwrap(), &OWN).unwrap();
    for segment in segments.headers {
        let (start, length) = segment.file_range(LE);
        let (start, end) = (usize::try_from(start).unwrap(), usize::try_from(start + length).unwrap());
        // The first bytes are the header, which tells where the section headers are.
        let start = start.max(size_of::<Header>());
        assert!(start >= end || OWN[start..end] == stripped[start..end]);
    }
    assert_eq!(Elf::read(&stripped).unwrap().needs, Elf::read(&OWN).unwrap().needs);
}

#[test]
fn loaded_sections_keep_their_numbers_and_names() {
    fn sections(bytes: &[u8]) -> Vec<(Vec<u8>, u64, u64)> {
        let sections = header(bytes).unwrap().sections(LE, bytes).unwrap();
        let named = sections.iter().filter(|it| is_loaded(it)).map(|section| {
            let name = sections.section_name(LE, section).unwrap().to_owned();
            (name, section.sh_addr(LE), section.sh_offset(LE))
        });
        named.collect()
    }
    let stripped = strip(&OWN).unwrap();
    assert_eq!(sections(&OWN), sections(&stripped));
    let all = header(&stripped).unwrap().sections(LE, stripped.as_slice()).unwrap();
    let names: Vec<_> = all.iter().map(|section| all.section_name(LE, section).unwrap()).collect();
    assert!(![b".debug_info".as_slice(), b".symtab", b".strtab", b".comment"].iter().any(|it| names.contains(it)));
    let symbols = Elf::read(&stripped).unwrap().symbols_of("GLIBC_2.18");
    assert_eq!(symbols, ["__cxa_thread_atexit_impl"], "links between sections hold");
}

#[test]
fn stripping_twice_is_stripping_once() {
    assert_eq!(strip(&strip(&OWN).unwrap()), None);
}

#[test]
fn data_behind_the_executable_is_the_programs_and_stays() {
    let with_data = [OWN.as_slice(), b"PK\x03\x04 what the program reads of itself"].concat();
    assert_eq!(strip(&with_data), None);
    let with_padding = [OWN.as_slice(), &[0; 512]].concat();
    assert_eq!(strip(&with_padding), strip(&OWN));
}
