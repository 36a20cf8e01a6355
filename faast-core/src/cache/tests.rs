//! Promises of the cache folder. The environment is never touched: homes are passed in.

use std::os::unix::fs::PermissionsExt as _;

use super::*;

const NO_PATHS: [&Path; 0] = [];

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        children(folder).unwrap().iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn opening_touches_nothing() {
    let home = tempfile::tempdir().unwrap();
    drop(CacheFolder::below(Some(home.path().join(".faast")), "aws", home.path().join("tmp")));
    assert_eq!(names(home.path()), [""; 0]);
}

#[test]
fn folders_and_files_are_for_the_user_alone() {
    let home = tempfile::tempdir().unwrap();
    let cache = CacheFolder::below(Some(home.path().join("a/.faast")), "aws", home.path().join("tmp"));
    let file = cache.write("packages/x.zip", b"zip").unwrap();
    assert_eq!(file, home.path().join("a/.faast/aws/packages/x.zip"));
    assert_eq!(mode(&file), 0o600);
    for folder in ["a", "a/.faast", "a/.faast/aws", "a/.faast/aws/packages"] {
        assert_eq!(mode(&home.path().join(folder)), 0o700, "{folder}");
    }
}

#[test]
fn a_folder_that_others_could_read_is_closed() {
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("aws");
    fs::create_dir(&root).unwrap();
    fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(CacheFolder::at(&root).root(), root);
    assert_eq!(mode(&root), 0o700);
}

#[test]
fn an_unusable_home_is_replaced_by_a_private_temporary_folder() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("file");
    fs::write(&file, []).unwrap();
    for home in [Some(file.join("below-a-file")), None] {
        let cache = CacheFolder::below(home, "aws", place.path().to_owned());
        let user = rustix::process::geteuid().as_raw();
        assert_eq!(cache.root(), place.path().join(format!("faast-{user}/aws")));
        assert_eq!(mode(cache.root().parent().unwrap()), 0o700);
        cache.write("packages/x.zip", b"zip").unwrap();
    }
}

#[test]
fn a_trap_in_the_shared_temporary_folder_is_not_stepped_into() {
    let place = tempfile::tempdir().unwrap();
    let elsewhere = place.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let user = rustix::process::geteuid().as_raw();
    std::os::unix::fs::symlink(&elsewhere, place.path().join(format!("faast-{user}"))).unwrap();
    let cache = CacheFolder::below(None, "aws", place.path().to_owned());
    cache.write("x", b"secret").unwrap();
    assert_eq!(names(&elsewhere), [""; 0]);
    assert_eq!(mode(cache.root()), 0o700);
}

#[test]
fn without_any_folder_writing_fails_and_nothing_panics() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("file");
    fs::write(&file, []).unwrap();
    let cache = CacheFolder::below(Some(file.join("home")), "aws", file.join("tmp"));
    assert!(cache.write("x", b"x").is_err());
    assert!(cache.folder(CacheFolder::RUNS).is_err());
}

#[test]
fn a_write_replaces_the_whole_file_and_leaves_no_part() {
    let home = tempfile::tempdir().unwrap();
    let cache = CacheFolder::at(home.path());
    cache.write("x", b"a long first content").unwrap();
    let path = cache.write("x", b"second").unwrap();
    assert_eq!(fs::read(path).unwrap(), b"second");
    fs::create_dir(home.path().join("taken")).unwrap();
    assert!(cache.write("taken", b"x").is_err());
    assert_eq!(names(home.path()), ["taken", "x"]);
}

#[test]
fn writers_at_once_leave_one_whole_content() {
    let home = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for byte in 0..8u8 {
            let root = home.path().join("aws");
            // A folder of its own for each, as two processes have.
            scope.spawn(move || CacheFolder::at(root).write("packages/x", &vec![byte; 100_000]).unwrap());
        }
    });
    let content = fs::read(home.path().join("aws/packages/x")).unwrap();
    assert!(content.len() == 100_000 && content.iter().all(|byte| *byte == content[0]));
    assert_eq!(names(&home.path().join("aws/packages")), ["x"]);
}

#[test]
fn no_path_leads_out_of_the_cache() {
    let home = tempfile::tempdir().unwrap();
    let cache = CacheFolder::at(home.path().join("aws"));
    for path in ["../google/x", "packages/../../x", "/etc/faast"] {
        assert_eq!(cache.write(path, b"x").unwrap_err().kind(), io::ErrorKind::InvalidInput, "{path}");
    }
    assert_eq!(folder_name("../my cloud"), "___my_cloud");
    assert_eq!(folder_name(""), "_");
}

#[test]
fn an_entry_is_not_used_after_its_time() {
    let home = tempfile::tempdir().unwrap();
    let cache = CacheFolder::at(home.path());
    let path = cache.write("packages/x", b"x").unwrap();
    let made = fs::metadata(&path).unwrap().modified().unwrap();
    let day = CacheFolder::MAX_AGE;
    let second = Duration::from_secs(1);
    assert!(is_fresh(&path, day, made + day));
    assert!(is_fresh(&path, day, made - second));
    assert!(!is_fresh(&path, day, made + day + second));
    assert!(!is_fresh(&path, day, made - day - second));
    assert_eq!(cache.entries_older_than("packages", day, made + day).unwrap(), NO_PATHS);
    assert_eq!(cache.entries_older_than("packages", day, made + day + second).unwrap(), [path]);
    assert_eq!(cache.entries_older_than("nothing", day, made).unwrap(), NO_PATHS);
}
