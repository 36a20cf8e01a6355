//! Promises of staging, on real folders.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;

fn tree(files: &[&str]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for file in files {
        let path = root.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file).unwrap();
    }
    root
}

fn owned(patterns: &[&str]) -> Vec<String> {
    patterns.iter().map(|text| (*text).to_owned()).collect()
}

fn chosen(root: &tempfile::TempDir, include: &[&str], exclude: &[&str]) -> Vec<String> {
    let files = select(&owned(include), &owned(exclude), root.path()).unwrap();
    files.iter().map(|file| file.path.to_str().unwrap().to_owned()).collect()
}

fn refused(root: &tempfile::TempDir, include: &[&str]) -> Error {
    select(&owned(include), &[], root.path()).unwrap_err()
}

const NONE: [&str; 0] = [];

#[test]
fn the_name_of_a_file_or_folder_includes_it() {
    let root = tree(&["a.txt", "data/b.txt", "data/deep/.hidden", "other/c.txt"]);
    assert_eq!(chosen(&root, &["a.txt"], &[]), ["a.txt"]);
    for name in ["data", "data/", "./data", "data/."] {
        assert_eq!(chosen(&root, &[name], &[]), ["data/b.txt", "data/deep/.hidden"], "{name}");
    }
    assert_eq!(chosen(&root, &["."], &[]).len(), 4);
}

#[test]
fn a_star_stays_in_its_folder_and_two_do_not() {
    let root = tree(&["a.txt", "b.csv", "data/c.txt", "data/deep/d.txt"]);
    assert_eq!(chosen(&root, &["*.txt"], &[]), ["a.txt"]);
    assert_eq!(chosen(&root, &["data/*"], &[]), ["data/c.txt"]);
    assert_eq!(chosen(&root, &["*/*.txt"], &[]), ["data/c.txt"]);
    assert_eq!(chosen(&root, &["**/*.txt"], &[]), ["a.txt", "data/c.txt", "data/deep/d.txt"]);
    assert_eq!(chosen(&root, &["./data/**"], &[]), ["data/c.txt", "data/deep/d.txt"]);
    assert_eq!(chosen(&root, &["{a.txt,data/deep/*}"], &[]), ["a.txt", "data/deep/d.txt"]);
    assert_eq!(chosen(&root, &["[ab].*"], &[]), ["a.txt", "b.csv"]);
}

#[test]
fn files_are_listed_once_and_sorted() {
    let root = tree(&["b", "a/z", "a/b", "c"]);
    assert_eq!(chosen(&root, &["c", "*", "a", "a/*"], &[]), ["a/b", "a/z", "b", "c"]);
}

#[test]
fn a_glob_takes_hidden_files_only_if_it_writes_the_dot() {
    let root = tree(&[".env", "a", "x/.git/config", "x/b", ".github/ci.yml"]);
    assert_eq!(chosen(&root, &["*"], &[]), ["a"]);
    assert_eq!(chosen(&root, &["**"], &[]), ["a", "x/b"]);
    assert_eq!(chosen(&root, &[".e*"], &[]), [".env"]);
    assert_eq!(chosen(&root, &[".github/*"], &[]), [".github/ci.yml"]);
}

#[test]
fn a_name_that_exists_is_no_glob() {
    let root = tree(&["[1].txt", "1.txt"]);
    assert_eq!(chosen(&root, &["[1].txt"], &[]), ["[1].txt"]);
}

#[test]
fn excludes_take_away_files_and_whole_folders() {
    let root = tree(&["data/a", "data/a.tmp", "data/x/b.tmp", "data/x/c", "data/node_modules/d/e"]);
    assert_eq!(chosen(&root, &["data"], &["**/*.tmp", "data/x"]), ["data/a", "data/node_modules/d/e"]);
    assert_eq!(chosen(&root, &["data"], &["**/node_modules", "data/*.tmp"]), ["data/a", "data/x/b.tmp", "data/x/c"]);
    assert_eq!(chosen(&root, &["data/x/*", "data/a"], &["data/x"]), ["data/a"]);
    assert_eq!(chosen(&root, &["data/x/c"], &["d*"]), NONE);
    assert_eq!(chosen(&root, &["data/a"], &["not/there"]), ["data/a"]);
}

#[test]
fn a_pattern_that_matches_nothing_is_an_error_that_names_it() {
    let root = tree(&["data/a", "empty/x/y"]);
    fs::remove_file(root.path().join("empty/x/y")).unwrap();
    for pattern in ["missing", "*.csv", "data/*/deep", "missing/**", "empty", "data/a/b"] {
        let error = refused(&root, &["data", pattern]);
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_eq!(error.to_string(), format!("`{pattern}` in `include` matches nothing"));
        assert!(error.hint().unwrap().contains(root.path().to_str().unwrap()));
    }
}

#[test]
fn paths_outside_of_the_root_are_refused_with_the_way_out() {
    let root = tree(&["a"]);
    for pattern in ["../x", "a/../../x", "/etc/passwd", "/etc/*", ""] {
        let error = refused(&root, &[pattern]);
        assert_eq!(error.kind(), ErrorKind::Config, "{pattern}");
        assert!(error.hint().is_some() && error.to_string().contains(&format!("`{pattern}`")), "{error}");
    }
    let absolute = root.path().join("a").to_str().unwrap().to_owned();
    assert_eq!(refused(&root, &[&absolute]).hint(), Some("write it relative to the current folder: `a`"));
    assert_eq!(select(&[], &owned(&["../x"]), root.path()).unwrap_err().kind(), ErrorKind::Config);
}

#[test]
fn a_malformed_glob_is_an_error() {
    let root = tree(&["a"]);
    assert!(refused(&root, &["a[b"]).to_string().starts_with("the pattern `a[b` is malformed: "));
}

#[test]
fn links_are_followed() {
    let root = tree(&["real/a", "data/b"]);
    symlink("../real", root.path().join("data/link")).unwrap();
    symlink("real/a", root.path().join("file")).unwrap();
    assert_eq!(chosen(&root, &["data", "file"], &[]), ["data/b", "data/link/a", "file"]);
    let into = tempfile::tempdir().unwrap();
    stage(&owned(&["data", "file"]), &[], root.path(), into.path()).unwrap();
    assert!(into.path().join("file").symlink_metadata().unwrap().is_file());
    assert_eq!(fs::read_to_string(into.path().join("data/link/a")).unwrap(), "real/a");
}

#[test]
fn a_link_in_a_circle_or_to_nowhere_is_an_error_only_when_chosen() {
    let root = tree(&["data/a.txt", "data/deep/b.txt"]);
    symlink("..", root.path().join("data/deep/circle")).unwrap();
    symlink("gone", root.path().join("data/nowhere")).unwrap();
    let circle = refused(&root, &["data"]);
    assert_eq!(circle.to_string(), "the link `data/deep/circle` leads back to a folder above it");
    assert!(circle.hint().unwrap().contains(".exclude(\"data/deep/circle\")"));
    let nowhere = select(&owned(&["data/**"]), &owned(&["**/circle"]), root.path()).unwrap_err();
    assert_eq!(nowhere.to_string(), "the link `data/nowhere` leads nowhere");
    let both = ["data/a.txt", "data/deep/b.txt"];
    assert_eq!(chosen(&root, &["data"], &["**/circle", "data/nowhere"]), both);
    assert_eq!(chosen(&root, &["data/**/*.txt"], &[]), both);
}

#[test]
fn modes_are_kept_and_the_originals_are_not_touched() {
    let root = tree(&["bin/run.sh", "bin/read-only"]);
    let mode = |folder: &Path, name: &str| fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o777;
    for (name, bits) in [("bin/run.sh", 0o755), ("bin/read-only", 0o444)] {
        fs::set_permissions(root.path().join(name), Permissions::from_mode(bits)).unwrap();
    }
    let into = tempfile::tempdir().unwrap();
    let staged = stage(&owned(&["bin"]), &[], root.path(), &into.path().join("new")).unwrap();
    assert_eq!(staged.len(), 2);
    let copy = into.path().join("new");
    assert_eq!((mode(&copy, "bin/run.sh"), mode(&copy, "bin/read-only")), (0o755, 0o444));
    fs::write(copy.join("bin/run.sh"), "changed").unwrap();
    assert_eq!(fs::read_to_string(root.path().join("bin/run.sh")).unwrap(), "bin/run.sh");
}

#[test]
fn without_patterns_nothing_happens() {
    let into = tempfile::tempdir().unwrap();
    assert_eq!(stage(&[], &[], into.path(), &into.path().join("new")).unwrap(), []);
    assert!(!into.path().join("new").exists());
}
