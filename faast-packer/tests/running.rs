//! The running executable as a package: what is in it starts, and does what the running one does.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod home;

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::Command;

use faast_core::function::{Body, FunctionEntry, Registered};
use faast_core::{Arch, Error, ErrorKind, inventory, marked_name};
use faast_packer::{CargoBuild, Limits, PackOptions, Package, Source, Target, pack};
use sha2::{Digest as _, Sha256};
use zip::{CompressionMethod, DateTime, ZipArchive};

use self::home::Home;

/// Newer than any C library here, so that the tests don't depend on where they run.
const ANY_GLIBC: (u32, u32) = (9, 0);

static GREET: FunctionEntry = FunctionEntry {
    name: marked_name!("running::greet", 0x1234),
    signature: 0x1234,
    location: "tests/running.rs:1:1",
    idempotent: true,
    body: Body::Sync(|_, _| Ok(())),
};

inventory::submit! { Registered(&GREET) }

impl Home {
    fn pack(&self, options: &PackOptions) -> Package {
        pack(options, &self.cache).unwrap()
    }

    fn refusal(&self, options: &PackOptions) -> Error {
        let error = pack(options, &self.cache).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
        error
    }

    /// The archive unpacked, as a platform does it.
    fn unpacked(&self, package: &Package) -> PathBuf {
        let folder = self.path("unpacked");
        archive(package).extract(&folder).unwrap();
        folder
    }
}

fn here() -> Target {
    Target::new(Arch::of_this_machine().expect("tests run on x86_64 and arm64"), ANY_GLIBC)
}

fn elsewhere() -> Target {
    Target::new(if here().arch == Arch::X86_64 { Arch::Arm64 } else { Arch::X86_64 }, ANY_GLIBC)
}

fn options() -> PackOptions {
    PackOptions::new(here())
}

fn running() -> PathBuf {
    std::env::current_exe().unwrap()
}

fn archive(package: &Package) -> ZipArchive<Cursor<&[u8]>> {
    ZipArchive::new(Cursor::new(package.bytes.as_ref())).unwrap()
}

fn names(package: &Package) -> Vec<String> {
    let mut archive = archive(package);
    (0..archive.len()).map(|index| archive.by_index(index).unwrap().name().unwrap().into_owned()).collect()
}

fn output(program: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir("/").env_clear().output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// This executable with another text in it, of the same length.
fn changed(from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = fs::read(running()).unwrap();
    let places: Vec<usize> = memchr::memmem::find_iter(&bytes, from).collect();
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    bytes
}

#[test]
fn the_packed_program_starts_and_gives_the_same_output() {
    let home = Home::new();
    let package = home.pack(&options());
    let folder = home.unpacked(&package);

    let packed = fs::read(folder.join("bootstrap")).unwrap();
    assert_eq!(package.executable_sha256, <[u8; 32]>::from(Sha256::digest(&packed)));
    assert_eq!(package.sha256, <[u8; 32]>::from(Sha256::digest(&package.bytes)));
    assert_eq!(package.unpacked, packed.len() as u64);
    assert!(package.unpacked < fs::metadata(running()).unwrap().len(), "debug information is taken out");
    let list = output(&folder.join("bootstrap"), &["--list"]);
    assert_eq!(list, output(&running(), &["--list"]));
    assert!(list.contains("the_packed_program_starts"), "{list}");
}

#[test]
fn a_program_that_needs_arguments_gets_them_from_its_bootstrap() {
    let home = Home::new();
    let test = "the_packed_program_starts_and_gives_the_same_output";
    let arguments = ["--list", "--exact", test].map(str::to_owned);
    let package = home.pack(&options().launch_args(arguments));
    assert_eq!(names(&package), ["bootstrap", "program"]);
    let list = output(&home.unpacked(&package).join("bootstrap"), &[]);
    assert_eq!(list, format!("{test}: test\n\n1 test, 0 benchmarks\n"));
}

#[test]
fn included_files_are_beside_the_program_with_fixed_times_and_permissions() {
    let home = Home::new();
    home.put("staged/data/words.txt", b"some words", 0o600);
    home.put("staged/tool", b"#!/bin/sh\necho tool\n", 0o750);
    let package = home.pack(&options().staged(home.path("staged")));
    assert_eq!(names(&package), ["bootstrap", "data/words.txt", "tool"]);
    let mut archive = archive(&package);
    for (name, mode) in [("bootstrap", 0o755), ("data/words.txt", 0o644), ("tool", 0o755)] {
        let file = archive.by_name(name).unwrap();
        assert_eq!(file.unix_mode(), Some(0o100_000 | mode), "{name}");
        assert_eq!(file.last_modified(), Some(DateTime::DEFAULT), "{name}");
        assert_eq!(file.compression(), CompressionMethod::Deflated, "{name}");
    }
    let folder = home.unpacked(&package);
    assert_eq!(fs::read(folder.join("data/words.txt")).unwrap(), b"some words");
    assert_eq!(output(&folder.join("tool"), &[]), "tool\n");
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let packages = [0o644, 0o600].map(|mode| {
        let home = Home::new();
        for name in if mode == 0o600 { ["staged/b", "staged/a"] } else { ["staged/a", "staged/b"] } {
            home.put(name, b"content", mode);
        }
        home.pack(&options().staged(home.path("staged")))
    });
    assert_eq!(packages[0].bytes, packages[1].bytes);
}

#[test]
fn what_was_packed_before_is_found_again() {
    let home = Home::new();
    home.put("staged/a", b"content", 0o644);
    let options = options().staged(home.path("staged"));
    let package = home.pack(&options);
    let kept = home.packages("zip");
    assert_eq!(home.pack(&options).bytes, package.bytes);
    assert_eq!((kept.len(), home.packages("zip")), (1, kept.clone()));

    home.put("staged/a", b"another", 0o644);
    assert_ne!(home.pack(&options).bytes, package.bytes);
    let target = Target::new(here().arch, (9, 1));
    home.pack(&PackOptions::new(target));
    assert_eq!(home.packages("zip").len(), 3);
}

#[test]
fn an_executable_that_did_not_change_is_not_read_again() {
    let home = Home::new();
    // Nothing is remembered of an executable that was linked a moment ago.
    while home.packages("memo").is_empty() {
        home.pack(&options());
    }
    let (memo, _) = home.packages("memo").remove(0);
    let told = "ab".repeat(32);
    fs::write(memo, &told).unwrap();
    // Believes the memo, and finds no package of an executable with that hash.
    home.pack(&options());
    assert_eq!(home.packages("zip").len(), 2);
}

#[test]
fn a_damaged_package_is_made_again() {
    let home = Home::new();
    let package = home.pack(&options());
    let (path, _) = home.packages("zip").remove(0);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    assert_eq!(home.pack(&options()).bytes, package.bytes);
    assert_eq!(fs::read(&path).unwrap(), package.bytes);
}

#[test]
fn a_program_for_another_machine_is_refused_with_what_to_write() {
    let home = Home::new();
    let error = home.refusal(&PackOptions::new(elsewhere()));
    let (wanted, here) = (elsewhere().arch, here().arch);
    assert_eq!(error.message(), format!("the running executable is for {here}, and the target is {wanted}"));
    let hint = error.hint().unwrap();
    for part in [".build(CargoBuild::test(\"running\"))", "pip install ziglang", "cargo install cargo-zigbuild"] {
        assert!(hint.contains(part), "{hint}");
    }
}

#[test]
fn a_program_that_needs_a_newer_glibc_is_refused_before_anything_is_packed() {
    let home = Home::new();
    let error = home.refusal(&PackOptions::new(Target::new(here().arch, (2, 2))));
    assert!(error.message().starts_with("the running executable needs GLIBC_2."), "{error:?}");
    assert!(error.message().ends_with("and the target has glibc 2.2"), "{error:?}");
    assert_eq!(home.packages("zip"), []);
}

#[test]
fn a_library_that_the_target_lacks_may_be_included() {
    let home = Home::new();
    let program = home.put("program", &changed("libgcc_s.so.1", "libxyz_s.so.1"), 0o755);
    let options = options().source(Source::Executable(program)).staged(home.path("staged"));
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let library = maps.lines().filter_map(|it| it.split_whitespace().last()).find(|it| it.contains("libgcc_s.so"));
    home.put("staged/other", b"", 0o644);
    let error = home.refusal(&options);
    assert!(
        error.message().ends_with("needs the library `libxyz_s.so.1`, which the target does not have"),
        "{error:?}"
    );
    assert!(error.hint().unwrap().contains("`.include(\"lib/libxyz_s.so.1\")`"), "{error:?}");

    home.put("staged/lib/libxyz_s.so.1", &fs::read(library.unwrap()).unwrap(), 0o644);
    assert_eq!(names(&home.pack(&options)), ["bootstrap", "lib/libxyz_s.so.1", "other"]);
}

#[test]
fn a_copy_of_the_program_is_as_good_as_the_running_one() {
    let home = Home::new();
    let copy = home.put("copy", &fs::read(running()).unwrap(), 0o600);
    let package = home.pack(&options().source(Source::Executable(copy)));
    assert_eq!(package.bytes, home.pack(&options()).bytes);
}

#[test]
fn a_program_without_the_functions_of_this_one_is_refused() {
    let home = Home::new();
    let other = home.put("other", &changed("\x1frunning::greet", "\x1frunning::leave"), 0o755);
    let error = home.refusal(&options().source(Source::Executable(other.clone())));
    let side = "does not have `running::greet`, which this program has; it has `running::leave`";
    assert_eq!(error.message(), format!("`{}` {side}", other.display()));
    assert!(error.hint().unwrap().contains("CargoBuild::test(\"running\")"), "{error:?}");

    let signed = home.put("signed", &changed("greet\x1f0000000000001234", "greet\x1f0000000000001235"), 0o755);
    let error = home.refusal(&options().source(Source::Executable(signed)));
    assert!(error.message().contains("has `running::greet` with other parameters"), "{error:?}");
}

#[test]
fn what_is_no_executable_is_refused() {
    let home = Home::new();
    let script = home.put("script", b"#!/bin/sh\n", 0o755);
    let error = home.refusal(&options().source(Source::Executable(script.clone())));
    assert_eq!(error.message(), format!("`{}` is no Linux executable", script.display()));
    home.refusal(&options().source(Source::Executable(home.path(""))));
    let error = pack(&options().source(Source::Executable(home.path("missing"))), &home.cache).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
}

#[test]
fn a_package_that_is_too_large_is_refused_with_both_sizes_and_the_largest_files() {
    let home = Home::new();
    home.put("staged/model.bin", &vec![0; 64 << 20], 0o644);
    let options = options().staged(home.path("staged")).limits(Limits::new(32 << 20));
    let error = home.refusal(&options);
    for part in ["the platform takes 32.0 MiB", "64.0 MiB are included files"] {
        assert!(error.message().contains(part), "{error:?}");
    }
    assert!(
        error.hint().unwrap().starts_with("the largest files are `model.bin` with 64.0 MiB, `bootstrap`"),
        "{error:?}"
    );
}

#[test]
fn a_described_build_is_for_where_the_running_program_can_not_be_used() {
    let home = Home::new();
    // There is no such example: a build would fail.
    let build = CargoBuild::example("there_is_none").profile("dev");
    let package = home.pack(&options().source(Source::Build(build.clone())));
    assert_eq!(package.bytes, home.pack(&options()).bytes);
    let error = home.refusal(&options().source(Source::Build(build.always())));
    assert!(error.message().contains("--example there_is_none"), "{error:?}");
}
