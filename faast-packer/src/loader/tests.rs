//! This test's own executable, with one thing changed, against the libraries of this machine.

use faast_core::Arch;

use super::*;
use crate::elf::tests::{LIBRARY, OWN, replaced};
use crate::source::Subject;

const MISSING: &str = "libzyx_s.so.1";

fn here() -> Target {
    Target::bare(Arch::of_this_machine().unwrap())
}

fn gathered(executable: &[u8], along: &[(&str, &[u8])]) -> Result<Vec<Loaded>, Unfit> {
    let included = |name: &str| Ok(along.iter().find(|(it, _)| *it == name).map(|(_, bytes)| bytes.to_vec()));
    let search = Search::of_this_machine(&Subject::Running, here());
    gather(executable, here(), &search, &included).map_err(|refusal| match refusal {
        Refusal::Unfit(unfit) => unfit,
        Refusal::Failed(error) => panic!("{error:?}"),
    })
}

#[test]
fn the_loader_is_where_programs_name_it_and_libraries_are_where_it_looks() {
    let loaded = gathered(&OWN, &[]).unwrap();
    let places: Vec<_> = loaded.iter().map(|it| it.place.as_str()).collect();
    let interpreter = Elf::read(&OWN).unwrap().interpreter.unwrap();
    assert!(places.contains(&interpreter), "{places:?}");
    let libc = places.iter().find(|it| it.ends_with("/libc.so.6")).expect("its C library comes along");
    let folder = libc.strip_suffix("libc.so.6").unwrap();
    let others: Vec<_> = places.iter().filter(|it| **it != interpreter).collect();
    assert!(others.iter().all(|it| it.starts_with(folder)), "{places:?}");
    for library in Elf::read(&OWN).unwrap().libraries.iter().filter(|it| **it != name_of(interpreter)) {
        assert!(places.contains(&format!("{folder}{library}").as_str()), "{library} is not among {places:?}");
    }
    assert!(loaded.iter().all(|it| it.here.is_some()));
}

#[test]
fn a_library_that_is_nowhere_is_named() {
    let needy = replaced(&OWN, "libgcc_s.so.1", MISSING);
    assert_eq!(gathered(&needy, &[]).unwrap_err(), Unfit::NotHere(MISSING.into()));
}

#[test]
fn an_included_library_goes_where_the_loader_looks() {
    let needy = replaced(&OWN, "libgcc_s.so.1", MISSING);
    let loaded = gathered(&needy, &[(MISSING, &LIBRARY)]).unwrap();
    let included = loaded.iter().find(|it| it.place.ends_with(MISSING)).unwrap();
    assert_eq!((&included.bytes, &included.here), (&*LIBRARY, &None));
    let libc = loaded.iter().find(|it| it.place.ends_with("/libc.so.6")).unwrap();
    assert_eq!(included.place.strip_suffix(MISSING), libc.place.strip_suffix("libc.so.6"));
}

#[test]
fn what_a_library_lacks_is_said_with_the_library() {
    let needy = replaced(&OWN, "libgcc_s.so.1", MISSING);
    let needs_more = replaced(&LIBRARY, "libc.so.6", "libc.so.7");
    let unfit = gathered(&needy, &[(MISSING, &needs_more)]).unwrap_err();
    assert_eq!(
        unfit.to_string(),
        format!("needs the library `{MISSING}`, which needs the library `libc.so.7`, which this machine does not have")
    );
    let mut other = LIBRARY.clone();
    other[18] = 40;
    let unfit = gathered(&needy, &[(MISSING, &other)]).unwrap_err().to_string();
    assert!(unfit.starts_with(&format!("needs the included library `lib/{MISSING}`, which is for arm")), "{unfit}");
}

#[test]
fn a_version_that_the_library_does_not_offer_is_named() {
    let unfit = gathered(&replaced(&OWN, "GLIBC_2.18", "GLIBC_2.99"), &[]).unwrap_err();
    let (library, version) = ("libc.so.6".into(), "GLIBC_2.99".into());
    assert_eq!(unfit, Unfit::NotOffered { library, version });
}

#[test]
fn a_loader_that_is_not_here_is_named() {
    let unfit = gathered(&replaced(&OWN, "/ld-linux", "/ld-other"), &[]).unwrap_err();
    assert!(unfit.to_string().contains("/ld-other") && unfit.to_string().ends_with("does not have"), "{unfit}");
}

#[test]
fn what_is_no_program_for_the_machine_is_refused() {
    assert_eq!(gathered(&LIBRARY, &[]).unwrap_err(), Unfit::NotExecutable);
    assert_eq!(gathered(b"#!/bin/sh", &[]).unwrap_err(), Unfit::Unreadable(crate::elf::Unreadable::NotElf));
    let mut narrow = OWN.clone();
    narrow[4] = 1;
    assert_eq!(gathered(&narrow, &[]).unwrap_err(), Unfit::Unreadable(crate::elf::Unreadable::Bits32));
    let mut other = OWN.clone();
    other[18] = 243;
    assert!(matches!(gathered(&other, &[]).unwrap_err(), Unfit::Machine { .. }));
}

#[test]
fn places_that_a_file_names_are_looked_at_from_where_it_lies() {
    let mut elf = Elf::read(&OWN).unwrap();
    elf.run_paths = vec!["$ORIGIN/../lib", "/opt/lib", "${ORIGIN}"];
    let paths = |folder| Wants::of(&elf, None, folder).run_paths;
    let here = Path::new("/job/bin");
    assert_eq!(paths(Some(here)), ["/job/bin/../lib", "/opt/lib", "/job/bin/"].map(PathBuf::from));
    assert_eq!(paths(None), [PathBuf::from("/opt/lib")]);
}
