//! Each rule, against this test's own executable with one thing changed.

use faast_core::Arch;

use super::*;
use crate::elf::tests::{LIBRARY, OWN, replaced};

fn target(glibc: (u32, u32)) -> Target {
    Target::new(Arch::of_this_machine().unwrap(), glibc)
}

fn checked(bytes: &[u8], glibc: (u32, u32)) -> Result<(), Unfit> {
    check(bytes, target(glibc), &|_| Ok(None)).unwrap()
}

/// The newest glibc that this test needs.
fn newest() -> ((u32, u32), String) {
    let elf = Elf::read(&OWN).unwrap();
    let needs = elf.needs.iter().filter_map(|need| Some((glibc_version(need.version)?, need.version.to_owned())));
    needs.max().unwrap()
}

#[test]
fn an_executable_of_this_machine_starts_where_its_glibc_is_or_a_newer_one() {
    let (newest, _) = newest();
    assert_eq!(checked(&OWN, newest), Ok(()));
    assert_eq!(checked(&OWN, (9, 0)), Ok(()));
}

#[test]
fn the_newest_version_is_named_with_its_symbols() {
    let ((major, minor), name) = newest();
    match checked(&OWN, (major, minor - 1)).unwrap_err() {
        Unfit::Glibc { version, symbols, has } => {
            assert_eq!((version, has), (name, (major, minor - 1)));
            assert!(!symbols.is_empty());
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_version_that_only_a_weak_symbol_needs_counts() {
    let (newest, _) = newest();
    let patched = replaced(&OWN, "GLIBC_2.18", "GLIBC_2.99");
    let unfit = checked(&patched, newest).unwrap_err();
    let (major, minor) = newest;
    assert_eq!(
        unfit.to_string(),
        format!("needs GLIBC_2.99 (for `__cxa_thread_atexit_impl`), and the target has glibc {major}.{minor}")
    );
}

#[test]
fn versions_are_compared_as_numbers() {
    assert_eq!(glibc_version("GLIBC_2.2.5"), Some((2, 2)));
    assert!(glibc_version("GLIBC_2.4") < glibc_version("GLIBC_2.34"));
    assert_eq!(glibc_version("GLIBC_ABI_DT_RELR"), Some((2, 36)));
    assert!(glibc_version("GLIBC_ABI_OF_TOMORROW") > Some((99, 0)));
    assert_eq!(glibc_version("GLIBC_PRIVATE"), None);
    assert_eq!(glibc_version("GCC_3.0"), None);
}

#[test]
fn long_lists_of_symbols_are_cut() {
    let symbols = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
    assert_eq!(for_symbols(&symbols), " (for `a`, `b`, `c`, ..)");
    assert_eq!(for_symbols(&[]), "");
}

#[test]
fn another_machine_is_refused() {
    let other = if cfg!(target_arch = "x86_64") { Arch::Arm64 } else { Arch::X86_64 };
    let unfit = check(&OWN, Target::new(other, (9, 0)), &|_| Ok(None)).unwrap().unwrap_err();
    let here = Arch::of_this_machine().unwrap();
    assert_eq!(unfit.to_string(), format!("is for {here}, and the target is {other}"));
}

#[test]
fn a_library_is_not_started() {
    assert_eq!(checked(&LIBRARY, (9, 0)), Err(Unfit::NotExecutable));
}

#[test]
fn another_interpreter_is_refused() {
    let patched = replaced(&OWN, "/ld-linux", "/ld-other");
    assert!(matches!(checked(&patched, (9, 0)), Err(Unfit::Interpreter { .. })));
}

const MISSING: &str = "libzyx_s.so.1";

/// Needs a library that no machine has.
fn needy() -> Vec<u8> {
    replaced(&OWN, "libgcc_s.so.1", MISSING)
}

#[test]
fn a_library_that_is_nowhere_is_named() {
    assert_eq!(checked(&needy(), (9, 0)), Err(Unfit::Library(MISSING.into())));
}

#[test]
fn a_library_may_come_along() {
    let along = |name: &str| Ok((name == MISSING).then(|| LIBRARY.clone()));
    assert_eq!(check(&needy(), target((9, 0)), &along).unwrap(), Ok(()));
}

#[test]
fn a_library_that_comes_along_is_judged_too() {
    let other_machine = {
        let mut bytes = LIBRARY.clone();
        bytes[18] = 40;
        bytes
    };
    let along = |_: &str| Ok(Some(other_machine.clone()));
    let unfit = check(&needy(), target((9, 0)), &along).unwrap().unwrap_err();
    assert!(
        unfit.to_string().starts_with(&format!("needs the included library `lib/{MISSING}`, which is for arm")),
        "{unfit}"
    );

    let needs_itself = replaced(&LIBRARY, "libc.so.6", "libc.so.7");
    let along = |name: &str| Ok((name == MISSING).then(|| needs_itself.clone()));
    assert_eq!(check(&needy(), target((9, 0)), &along).unwrap(), Err(Unfit::Library("libc.so.7".into())));
}
