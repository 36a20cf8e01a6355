//! Names, permissions and the script.

use std::fs::{self, Permissions};
use std::os::unix::fs::symlink;
use std::process::Command;

use super::*;

fn put(folder: &Path, name: &str, bytes: &[u8], mode: u32) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn files_are_sorted_by_name_and_keep_whether_they_can_be_run() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "b.txt", b"b", 0o600);
    put(folder.path(), "a/run", b"a", 0o700);
    put(folder.path(), "a.txt", b"", 0o644);
    let files = Included::collect(folder.path()).unwrap().into_entries();
    let files: Vec<_> = files.iter().map(|it| (it.name.as_str(), it.executable, it.size())).collect();
    assert_eq!(files, [("a.txt", false, 0), ("a/run", true, 1), ("b.txt", false, 1)]);
}

#[test]
fn a_link_does_not_get_in() {
    let folder = tempfile::tempdir().unwrap();
    for target in ["/etc/hostname", "..", "inside"] {
        put(folder.path(), "inside", b"", 0o644);
        symlink(target, folder.path().join("link")).unwrap();
        let error = Included::collect(folder.path()).unwrap_err();
        assert!(error.message().contains("`link` is a link"), "{error:?}");
        fs::remove_file(folder.path().join("link")).unwrap();
    }
}

#[test]
fn names_that_packages_need_are_refused() {
    for name in [BOOTSTRAP, PROGRAM] {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), name, b"", 0o755);
        let included = Included::collect(folder.path()).unwrap();
        let error = with_program(Vec::new(), &[], included).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.message().contains(name) && error.hint().is_some(), "{error:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "data/bootstrap", b"", 0o755);
    assert!(with_program(Vec::new(), &[], Included::collect(folder.path()).unwrap()).is_ok());
}

#[test]
fn the_digest_is_of_names_permissions_and_contents() {
    let digest = |name: &str, bytes: &[u8], mode: u32| {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path(), name, bytes, mode);
        Included::collect(folder.path()).unwrap().digest().unwrap()
    };
    let plain = digest("a", b"1", 0o644);
    assert_eq!(plain, digest("a", b"1", 0o600));
    assert_ne!(plain, digest("b", b"1", 0o644));
    assert_ne!(plain, digest("a", b"2", 0o644));
    assert_ne!(plain, digest("a", b"1", 0o744));
    assert_ne!(plain, Included::default().digest().unwrap());
}

#[test]
fn arguments_are_given_by_a_script_from_any_folder() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["two words", "don't", "$HOME `x`", ""].map(str::to_owned);
    let program = b"#!/bin/sh\nfor it in \"$@\"; do echo \"[$it]\"; done\n".to_vec();
    for entry in with_program(program, &arguments, Included::default()).unwrap() {
        put(folder.path(), &entry.name, &read(&entry.content).unwrap(), 0o755);
    }
    let (whole, elsewhere) = (folder.path().join(BOOTSTRAP), Path::new("/"));
    for (program, folder) in [(whole.as_path(), elsewhere), (Path::new("./bootstrap"), folder.path())] {
        let output = Command::new(program).arg("more").current_dir(folder).env_clear().output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(text, "[two words]\n[don't]\n[$HOME `x`]\n[]\n[more]\n");
    }
}

#[test]
fn without_arguments_the_program_itself_is_started() {
    let entries = with_program(b"program".to_vec(), &[], Included::default()).unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(
        (entries[0].name.as_str(), read(&entries[0].content).unwrap().as_slice()),
        (BOOTSTRAP, b"program".as_slice())
    );
}
