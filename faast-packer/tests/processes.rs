//! Packing in processes of its own: several at once, and with variables that are read from the environment.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use faast_core::Arch;
use faast_core::cache::CacheFolder;
use faast_packer::{PackOptions, Target, pack};

const HOME: &str = "FAAST_TEST_HOME";

/// Packs the running executable in another process, by running the test `packs_where_it_is_told`.
fn packer(home: &Path, variables: &[(&str, &Path)]) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["packs_where_it_is_told", "--exact", "--nocapture"]).env(HOME, home);
    command.envs(variables.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// The hash that the process printed.
fn packed(child: Child) -> String {
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find_map(|line| line.split_once("packed ")).expect("it says what it packed");
    line.1.to_owned()
}

#[test]
fn packs_where_it_is_told() {
    let own = tempfile::tempdir().unwrap();
    let home = std::env::var_os(HOME).map_or_else(|| own.path().to_owned(), Into::into);
    let target = Target::new(Arch::of_this_machine().unwrap(), (9, 0));
    let package = pack(&PackOptions::new(target).launch_args([]), &CacheFolder::at(home)).unwrap();
    let hash = package.sha256.map(|byte| format!("{byte:02x}")).concat();
    println!("packed {hash}");
}

#[test]
fn processes_that_pack_at_once_do_no_harm() {
    let home = tempfile::tempdir().unwrap();
    let children: Vec<_> = (0..4).map(|_| packer(home.path(), &[])).collect();
    let hashes: Vec<_> = children.into_iter().map(packed).collect();
    assert!(hashes.iter().all(|hash| *hash == hashes[0]), "{hashes:?}");
    assert_eq!(packed(packer(home.path(), &[])), hashes[0]);
    let mut names: Vec<_> = fs::read_dir(home.path().join(CacheFolder::PACKAGES))
        .unwrap()
        .map(|it| it.unwrap().path().extension().unwrap().to_owned())
        .collect();
    names.sort();
    assert_eq!(names, ["json", "memo", "zip"], "nothing half written is left");
}

#[test]
fn a_copy_of_each_package_goes_where_the_user_looks() {
    let (home, copies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let folder = copies.path().join("new/folder");
    // The second time it comes from the cache, and the copy is there all the same.
    for _ in 0..2 {
        let hash = packed(packer(home.path(), &[("FAAST_PACKAGE_DIR", &folder)]));
        let files: Vec<_> = fs::read_dir(&folder).unwrap().map(|it| it.unwrap().path()).collect();
        assert_eq!(files.len(), 1);
        assert!(files[0].to_str().unwrap().ends_with(&format!("-{}.zip", &hash[..16])), "{files:?}");
        let kept = fs::read_dir(home.path().join(CacheFolder::PACKAGES)).unwrap().map(|it| it.unwrap().path());
        let kept = kept.into_iter().find(|it| it.extension().unwrap() == "zip").unwrap();
        assert_eq!(fs::read(&files[0]).unwrap(), fs::read(kept).unwrap());
        fs::remove_dir_all(&folder).unwrap();
    }
}

#[test]
fn a_folder_for_copies_that_can_not_be_made_is_no_failure() {
    let (home, file) = (tempfile::tempdir().unwrap(), tempfile::NamedTempFile::new().unwrap());
    let child = packer(home.path(), &[("FAAST_PACKAGE_DIR", &file.path().join("folder"))]);
    assert_eq!(packed(child).len(), 64);
}
