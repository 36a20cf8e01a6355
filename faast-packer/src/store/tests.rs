//! What is found again, and what is not.

use std::time::Duration;

use super::*;
use crate::source::Subject;

const KEY: Hash = Hash([0xab; 32]);

struct Home {
    _folder: tempfile::TempDir,
    cache: CacheFolder,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cache = CacheFolder::at(folder.path().join("test"));
        Self { _folder: folder, cache }
    }

    fn store(&self) -> Store<'_> {
        self.store_in(Duration::ZERO)
    }

    fn store_in(&self, later: Duration) -> Store<'_> {
        Store::new(&self.cache, SystemTime::now() + later)
    }

    fn files(&self) -> Vec<String> {
        let folder = self.cache.folder(CacheFolder::PACKAGES).unwrap();
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn archive(text: &'static str) -> Archive {
    let bytes = Bytes::from_static(text.as_bytes());
    let executable = Hash([7; 32]);
    Archive { sha256: Hash::of(&bytes), bytes, executable, unpacked: 42, tar: None, here: Vec::new() }
}

/// What is used of [`Store`], for zip archives.
impl Store<'_> {
    fn package(&self, key: Hash) -> Option<Archive> {
        self.archive(key, Form::Zip)
    }

    fn put(&self, key: Hash, archive: &Archive) {
        self.keep(key, Form::Zip, archive);
    }
}

#[test]
fn a_package_is_found_by_its_key() {
    let home = Home::new();
    assert!(home.store().package(KEY).is_none());
    home.store().put(KEY, &archive("archive"));
    let found = home.store().package(KEY).unwrap();
    assert_eq!(found.bytes, "archive");
    assert_eq!((found.sha256, found.executable, found.unpacked), (Hash::of(b"archive"), Hash([7; 32]), 42));
    assert!(home.store().package(Hash([0; 32])).is_none());
}

#[test]
fn a_damaged_package_is_not_found() {
    let home = Home::new();
    for damage in ["zip", "json"] {
        home.store().put(KEY, &archive("archive"));
        home.cache.write(format!("packages/{KEY}.{damage}"), b"archivE").unwrap();
        assert!(home.store().package(KEY).is_none(), "{damage}");
    }
    // As another process leaves it that is writing another archive under the same key.
    home.store().put(KEY, &archive("archive"));
    home.cache.write(format!("packages/{KEY}.zip"), b"another").unwrap();
    assert!(home.store().package(KEY).is_none());
}

#[test]
fn a_package_is_used_for_a_day_and_then_removed() {
    let home = Home::new();
    home.store().put(KEY, &archive("archive"));
    assert!(home.store_in(Duration::from_hours(23)).package(KEY).is_some());
    assert!(home.store_in(Duration::from_hours(25)).package(KEY).is_none());
    let other = Hash([1; 32]);
    home.store_in(Duration::from_hours(25)).put(other, &archive("archive"));
    assert_eq!(home.files(), [format!("{other}.json"), format!("{other}.zip")]);
}

#[test]
fn the_hash_of_an_executable_is_remembered_unless_it_changed_just_now() {
    let home = Home::new();
    let stamp = Subject::Running.open().unwrap().stamp;
    assert_eq!(home.store().memo(stamp), None);
    home.store().remember(stamp, KEY);
    assert_eq!(home.store().memo(stamp), Some(KEY));

    let file = tempfile::NamedTempFile::new().unwrap();
    let fresh = Subject::Given(file.path().into()).open().unwrap().stamp;
    Store::new(&home.cache, file.as_file().metadata().unwrap().modified().unwrap()).remember(fresh, KEY);
    assert_eq!(home.store().memo(fresh), None);
    home.store_in(Duration::from_secs(1)).remember(fresh, KEY);
    assert_eq!(home.store().memo(fresh), Some(KEY));
}

#[test]
fn a_memo_that_is_no_hash_is_none() {
    let home = Home::new();
    let stamp = Subject::Running.open().unwrap().stamp;
    for wrong in ["", "ab", &"x".repeat(64), &"ä".repeat(32), &"a".repeat(65)] {
        home.cache.write(Path::new("packages").join(memo_name(stamp)), wrong.as_bytes()).unwrap();
        assert_eq!(home.store().memo(stamp), None, "{wrong}");
    }
}

#[test]
fn a_home_that_can_not_be_used_is_no_failure() {
    let file = tempfile::NamedTempFile::new().unwrap();
    // What takes its place has its name, in a folder that all of the user's processes share.
    let cache = CacheFolder::at(file.path().join(file.path().file_name().unwrap()));
    let store = Store::new(&cache, SystemTime::now());
    store.put(KEY, &archive("archive"));
    assert!(!cache.root().starts_with(file.path()));
    assert!(store.package(KEY).is_some());
    fs::remove_dir_all(cache.root()).unwrap();
}

#[test]
fn an_archive_with_a_file_of_this_machine_is_used_while_that_is_as_it_was() {
    let home = Home::new();
    let file = tempfile::NamedTempFile::new().unwrap();
    let stamp = Stamp::of_path(file.path()).unwrap();
    let layer = Archive { here: vec![(file.path().to_owned(), stamp)], tar: Some(KEY), ..archive("layer") };
    home.store().keep(KEY, Form::Layer, &layer);
    let found = home.store().archive(KEY, Form::Layer).unwrap();
    assert_eq!((found.bytes, found.tar, found.here), (layer.bytes, layer.tar, layer.here));
    assert!(home.store().package(KEY).is_none(), "it is no zip archive");
    fs::write(file.path(), "another library").unwrap();
    assert!(home.store().archive(KEY, Form::Layer).is_none());
    drop(file);
    assert!(home.store().archive(KEY, Form::Layer).is_none());
}
