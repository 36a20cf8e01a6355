//! Libraries of this machine, found where its loader finds them.
//!
//! Responsible for the order: where a file says, where this program has its own from, the loader's cache, the folders
//! that every loader knows. A file for another machine is passed over, as loaders do. Variants for newer processors
//! (`glibc-hwcaps`) are left alone: the other machine may have an older one.

use std::fs;
use std::path::{Path, PathBuf};

use memchr::memmem;

use crate::fit;
use crate::source::{Stamp, Subject};
use crate::target::Target;

/// What `ldconfig` has found.
const CACHE: &str = "/etc/ld.so.cache";
/// The files of this process, those that `LD_LIBRARY_PATH` has led to among them.
const MAPS: &str = "/proc/self/maps";
const VARIANTS: &str = "glibc-hwcaps";

/// A file that was found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) bytes: Vec<u8>,
    /// Its path on this machine and its state when it was read; an included file is not of this machine.
    pub(crate) here: Option<(PathBuf, Stamp)>,
}

impl Found {
    /// A file by its path; its folder is told by the name without links, which all ways to it share.
    pub(crate) fn at(path: &Path) -> Option<Self> {
        let path = path.parent()?.canonicalize().ok()?.join(path.file_name()?);
        let stamp = Stamp::of_path(&path)?;
        Some(Self { bytes: fs::read(&path).ok()?, here: Some((path, stamp)) })
    }
}

/// Where to look.
#[derive(Debug, Default)]
pub(crate) struct Search {
    /// The folder of the program, for paths that begin there.
    program: Option<PathBuf>,
    /// Folders of what this process has loaded, if it is the one that is packed.
    mapped: Vec<PathBuf>,
    cache: Vec<u8>,
    /// The folders of last resort.
    folders: Vec<PathBuf>,
}

impl Search {
    /// For a program on this machine.
    pub(crate) fn of_this_machine(subject: &Subject, target: Target) -> Self {
        let maps =
            if *subject == Subject::Running { fs::read_to_string(MAPS).unwrap_or_default() } else { String::new() };
        let own = target.platform().map_or("", |platform| platform.folder);
        let folders = ["/lib64", "/usr/lib64", "/lib", "/usr/lib"].map(PathBuf::from);
        let of_its_own = ["/lib", "/usr/lib"].map(|folder| Path::new(folder).join(own));
        Self {
            program: subject.path().and_then(|path| Some(path.parent()?.to_owned())),
            mapped: mapped(&maps),
            cache: fs::read(CACHE).unwrap_or_default(),
            folders: of_its_own.into_iter().chain(folders).collect(),
        }
    }

    pub(crate) fn folder_of_program(&self) -> Option<&Path> {
        self.program.as_deref()
    }

    /// A library for the target, by its name or, as few programs have it, by its path.
    pub(crate) fn library(&self, name: &str, run_paths: &[PathBuf], target: Target) -> Option<Found> {
        if name.contains('/') {
            return Some(Path::new(name)).filter(|path| path.is_absolute()).and_then(Found::at);
        }
        let in_folders = |folders: &[PathBuf]| -> Vec<PathBuf> { folders.iter().map(|it| it.join(name)).collect() };
        let before = [in_folders(run_paths), in_folders(&self.mapped)].concat();
        let candidates = before.into_iter().chain(cached(&self.cache, name)).chain(in_folders(&self.folders));
        let platform = target.platform().ok()?;
        candidates.filter_map(|path| Found::at(&path)).find(|it| fit::of_machine(&it.bytes, target, platform).is_ok())
    }
}

/// The folders that are named in the list of a process's memory.
fn mapped(maps: &str) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = Vec::new();
    let paths = maps.lines().filter_map(|line| Some(Path::new(&line[line.find('/')?..])));
    let libraries = paths.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().contains(".so")));
    for folder in libraries.filter_map(Path::parent).filter(|it| !it.components().any(|it| it.as_os_str() == VARIANTS))
    {
        if !folders.iter().any(|it| it == folder) {
            folders.push(folder.to_owned());
        }
    }
    folders
}

/// The paths that the loader's cache has for a name: a header, entries of fixed size, and names at offsets.
fn cached(cache: &[u8], name: &str) -> Vec<PathBuf> {
    const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
    const HEADER: usize = 48;
    const ENTRY: usize = 24;
    // An older form may come before it.
    let Some(cache) = memmem::find(cache, MAGIC).map(|at| &cache[at..]) else { return Vec::new() };
    let number = |bytes: &[u8], at: usize| {
        let bytes: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
        usize::try_from(u32::from_ne_bytes(bytes)).ok()
    };
    let text = |at: usize| {
        let rest = cache.get(at..)?;
        std::str::from_utf8(&rest[..memchr::memchr(0, rest)?]).ok()
    };
    let count = number(cache, MAGIC.len()).unwrap_or(0);
    let entries = cache.get(HEADER..).unwrap_or_default().chunks_exact(ENTRY).take(count);
    let path = |entry: &[u8]| {
        let is_variant = entry[16..ENTRY].iter().any(|byte| *byte != 0);
        let is_it = !is_variant && text(number(entry, 4)?)? == name;
        is_it.then(|| text(number(entry, 8)?).map(PathBuf::from)).flatten()
    };
    entries.filter_map(path).collect()
}

#[cfg(test)]
mod tests {
    use faast_core::Arch;

    use super::*;
    use crate::elf::tests::{LIBRARY, OWN};

    fn here() -> Target {
        Target::bare(Arch::of_this_machine().unwrap())
    }

    /// A cache as `ldconfig` writes it.
    fn cache(entries: &[(&str, &str, u64)]) -> Vec<u8> {
        let strings_at = 48 + 24 * entries.len();
        let (mut table, mut strings) = (Vec::new(), Vec::new());
        for (name, path, variant) in entries {
            let mut place = |text: &str| {
                let at = u32::try_from(strings_at + strings.len()).unwrap();
                strings.extend_from_slice(text.as_bytes());
                strings.push(0);
                at.to_ne_bytes()
            };
            let parts = [1_u32.to_ne_bytes(), place(name), place(path), 0_u32.to_ne_bytes()].concat();
            table.extend([parts, variant.to_ne_bytes().to_vec()].concat());
        }
        let count = u32::try_from(entries.len()).unwrap().to_ne_bytes();
        let mut header = [b"ld.so-1.7.0\0older".as_slice(), b"glibc-ld.so.cache1.1", &count].concat();
        header.resize(17 + 48, 0);
        [header, table, strings].concat()
    }

    #[test]
    fn the_cache_tells_paths_by_name_and_variants_are_left_alone() {
        let bytes = cache(&[
            ("liba.so.1", "/v3/liba.so.1", 1 << 62),
            ("liba.so.1", "/opt/liba.so.1", 0),
            ("libb.so.1", "/opt/libb.so.1", 0),
        ]);
        assert_eq!(cached(&bytes, "liba.so.1"), [PathBuf::from("/opt/liba.so.1")]);
        assert_eq!(cached(&bytes, "liba.so"), Vec::<PathBuf>::new());
        for cut in 0..bytes.len() {
            cached(&bytes[..cut], "libb.so.1");
        }
    }

    #[test]
    fn a_library_that_this_program_has_loaded_is_found_through_the_loader_s_own_cache() {
        let search = Search { cache: fs::read(CACHE).unwrap(), ..Search::default() };
        let found = search.library("libgcc_s.so.1", &[], here()).unwrap();
        assert_eq!(found.bytes, *LIBRARY);
    }

    #[test]
    fn folders_are_gone_through_in_order_and_files_for_other_machines_are_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["other", "asked", "mapped", "last"] {
            fs::create_dir(path(name)).unwrap();
        }
        let mut other = OWN.clone();
        other[18] = 40;
        fs::write(path("other/liba.so"), other).unwrap();
        fs::write(path("asked/liba.so"), &*OWN).unwrap();
        fs::write(path("mapped/libb.so"), &*OWN).unwrap();
        fs::write(path("last/liba.so"), &*OWN).unwrap();
        fs::write(path("last/libc.so"), b"/* no library, but words for the linker */").unwrap();
        let search = Search { mapped: vec![path("mapped")], folders: vec![path("last")], ..Search::default() };
        let found = |name: &str| {
            let found = search.library(name, &[path("other"), path("asked")], here())?;
            Some(found.here.unwrap().0.strip_prefix(folder.path()).unwrap().to_owned())
        };
        assert_eq!(found("liba.so"), Some("asked/liba.so".into()));
        assert_eq!(found("libb.so"), Some("mapped/libb.so".into()));
        assert_eq!(found("libc.so"), None);
        assert_eq!(found("libd.so"), None);
        assert_eq!(found("last/liba.so"), None, "a path that is not absolute depends on where one is");
        assert!(search.library(path("last/liba.so").to_str().unwrap(), &[], here()).is_some());
    }

    #[test]
    fn folders_of_loaded_libraries_are_taken_once_and_variants_are_left_alone() {
        let maps = "55d0-55d1 r-xp 00 08:01 1 /usr/bin/job\n\
                    7f00-7f01 r-xp 00 08:01 2 /opt/my libs/liba.so.1\n\
                    7f02-7f03 rw-p 00 08:01 2 /opt/my libs/liba.so.1\n\
                    7f04-7f05 r-xp 00 08:01 3 /usr/lib/glibc-hwcaps/x86-64-v3/libb.so.1\n\
                    7ffc-7ffd rw-p 00 00:00 0 [stack]\n";
        assert_eq!(mapped(maps), [PathBuf::from("/opt/my libs")]);
    }
}
