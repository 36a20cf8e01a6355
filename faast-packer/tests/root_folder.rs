//! Images, proven by running them in a root folder that holds nothing else.
//!
//! `unshare` of util-linux makes the folder the root: as root, or in a user namespace. Where neither is allowed these
//! tests fail, because nothing else shows that an image is whole.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

mod home;

use std::fs;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use faast_core::{Arch, ErrorKind};
use faast_packer::{CargoBuild, Image, PackOptions, Source, Target, image, pack};
use flate2::read::GzDecoder;
use rustls::{ClientConfig, RootCertStore};
use sha2::{Digest as _, Sha256};

use self::home::Home;

/// Set for the test that runs inside.
const INSIDE: &str = "FAAST_TEST_INSIDE";

impl Home {
    fn image(&self, options: &PackOptions) -> Image {
        image(options, &self.cache).unwrap()
    }

    /// A folder with what is in the layer, and nothing else.
    fn root_folder(&self, image: &Image) -> PathBuf {
        let root = self.path("root");
        let mut layer = tar::Archive::new(GzDecoder::new(image.layer.as_ref()));
        layer.set_preserve_permissions(true);
        // Only root can give files away; in a user namespace everything is its user's.
        layer.set_preserve_ownerships(is_root());
        layer.unpack(&root).unwrap();
        root
    }
}

fn here() -> Target {
    Target::bare(Arch::of_this_machine().expect("tests run on x86_64 and arm64"))
}

fn options() -> PackOptions {
    PackOptions::new(here()).launch_args([])
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Runs an image as a platform does: its entry point, user, folder and variables, in its own root folder.
fn run(image: &Image, root: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let config: serde_json::Value = serde_json::from_slice(&image.config).unwrap();
    let config = &config["config"];
    let (user, group) = config["User"].as_str().unwrap().split_once(':').unwrap();
    let mut command = Command::new("unshare");
    command.arg("--root").arg(root).arg("--wd").arg(config["WorkingDir"].as_str().unwrap());
    if is_root() {
        command.args(["--setgid", group, "--setuid", user]);
    } else {
        command.args(["--user", "--map-root-user"]);
    }
    command.arg("--").args(config["Entrypoint"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()));
    command.args(arguments).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
    for variable in config["Env"].as_array().unwrap() {
        let (key, value) = variable.as_str().unwrap().split_once('=').unwrap();
        // The one with programs is needed to find `unshare` itself.
        if key != "PATH" {
            command.env(key, value);
        }
    }
    command
        .envs(variables.iter().copied())
        .output()
        .unwrap_or_else(|error| panic!("NOTHING IS PROVEN: `unshare` of util-linux can't be started: {error}"))
}

/// What an image has to be good for; it runs in the root folder of one.
#[test]
fn inside_of_an_image() {
    if std::env::var_os(INSIDE).is_none() {
        // An ordinary run of all tests: `an_image_has_all_that_a_program_needs` runs this one where it means something.
        return;
    }
    assert!(!Path::new("/usr/bin").exists() && !Path::new("/proc/self").exists(), "this is no root folder of an image");
    assert_eq!(std::env::current_dir().unwrap(), Path::new("/work"));
    assert_eq!(fs::read_to_string("data/words.txt").unwrap(), "some words");

    let addresses: Vec<IpAddr> = ("localhost", 80).to_socket_addrs().unwrap().map(|it| it.ip()).collect();
    assert!(addresses.iter().any(IpAddr::is_loopback), "{addresses:?}");
    // Asks for the user's entry where no variable tells.
    assert_eq!(std::env::home_dir(), Some("/tmp".into()));

    let found = rustls_native_certs::load_native_certs();
    assert!(found.errors.is_empty(), "{:?}", found.errors);
    let mut roots = RootCertStore::empty();
    let (taken, refused) = roots.add_parsable_certificates(found.certs);
    assert!(taken > 10 && refused < taken, "{taken} taken, {refused} refused");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let name = "run.googleapis.com".try_into().unwrap();
    rustls::ClientConnection::new(Arc::new(config), name).unwrap();

    fs::write("/tmp/some", "temporary").unwrap();
    fs::write("result", "some").unwrap();
    // Unwinds with a library that nothing but a panic needs.
    assert!(std::thread::spawn(|| panic!("caught")).join().is_err());
    println!("all is there for {taken} authorities");
}

#[test]
fn an_image_has_all_that_a_program_needs() {
    let home = Home::new();
    home.put("staged/data/words.txt", b"some words", 0o600);
    let image = home.image(&options().staged(home.path("staged")));
    let root = home.root_folder(&image);
    let test = ["inside_of_an_image", "--exact", "--nocapture"];
    let output = run(&image, &root, &test, &[(INSIDE, "1")]);
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(
        !stderr.contains("unshare: "),
        "NOTHING IS PROVEN: this test needs root, or user namespaces for everybody \
         (`sysctl kernel.apparmor_restrict_unprivileged_userns=0` where AppArmor forbids them): {stderr}"
    );
    assert!(output.status.success(), "{stdout}{stderr}");
    assert!(stdout.contains("all is there for "), "{stdout}{stderr}");
    assert_eq!(fs::read(root.join("work/result")).unwrap(), b"some");
}

/// An executable of nothing but a system call: it ends with status 42.
fn static_program() -> Vec<u8> {
    const BASE: u64 = 0x40_0000;
    const HEADERS: u64 = 64 + 56;
    let (machine, code): (u16, &[u8]) = match Arch::of_this_machine().unwrap() {
        // mov edi, 42; mov eax, 60; syscall
        Arch::X86_64 => (62, &[0xbf, 42, 0, 0, 0, 0xb8, 60, 0, 0, 0, 0x0f, 0x05]),
        // mov x0, #42; mov x8, #93; svc #0
        _ => (183, &[0x40, 0x05, 0x80, 0xd2, 0xa8, 0x0b, 0x80, 0xd2, 0x01, 0, 0, 0xd4]),
    };
    let size = HEADERS + code.len() as u64;
    let mut elf = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    elf.extend([2_u16.to_le_bytes(), machine.to_le_bytes()].concat());
    elf.extend(1_u32.to_le_bytes());
    // Where it begins, where its program headers are, and that it has no section headers.
    elf.extend([BASE + HEADERS, 64, 0].map(u64::to_le_bytes).concat());
    elf.extend(0_u32.to_le_bytes());
    elf.extend([64_u16, 56, 1, 64, 0, 0].map(u16::to_le_bytes).concat());
    // One segment, all of the file, to be read and run.
    elf.extend([1_u32, 5].map(u32::to_le_bytes).concat());
    elf.extend([0, BASE, BASE, size, size, 0x1000].map(u64::to_le_bytes).concat());
    [elf.as_slice(), code].concat()
}

#[test]
fn a_static_program_comes_alone_and_runs() {
    let home = Home::new();
    let program = home.put("static", &static_program(), 0o755);
    let image = home.image(&options().source(Source::Executable(program)));
    let root = home.root_folder(&image);
    assert!(!root.join("lib64").exists() && !root.join("usr").exists());
    let output = run(&image, &root, &[], &[]);
    assert_eq!(output.status.code(), Some(42), "NOTHING IS PROVEN unless this runs: {output:?}");
}

#[test]
fn digests_are_of_what_they_name() {
    let home = Home::new();
    let image = home.image(&options());
    let digest = |bytes: &[u8]| {
        let hash = <[u8; 32]>::from(Sha256::digest(bytes)).map(|byte| format!("{byte:02x}"));
        format!("sha256:{}", hash.concat())
    };
    assert_eq!(digest(&image.layer), image.layer_digest);
    assert_eq!(digest(&image.config), image.config_digest);
    assert_eq!(digest(&image.manifest), image.manifest_digest);
    let mut tar = Vec::new();
    std::io::Read::read_to_end(&mut GzDecoder::new(image.layer.as_ref()), &mut tar).unwrap();
    let config: serde_json::Value = serde_json::from_slice(&image.config).unwrap();
    assert_eq!(config["rootfs"]["diff_ids"], serde_json::json!([digest(&tar)]));
    let program = fs::read(home.root_folder(&image).join("faast")).unwrap();
    assert_eq!(<[u8; 32]>::from(Sha256::digest(program)), image.executable_sha256);
}

#[test]
fn the_same_input_gives_the_same_image_wherever_it_comes_from() {
    let images = [0o644, 0o600].map(|mode| {
        let home = Home::new();
        let copy = home.put("copy", &fs::read(std::env::current_exe().unwrap()).unwrap(), mode);
        for name in if mode == 0o600 { ["staged/b", "staged/a"] } else { ["staged/a", "staged/b"] } {
            home.put(name, b"content", mode);
        }
        let source = if mode == 0o600 { Source::Executable(copy) } else { Source::RunningExecutable };
        home.image(&options().source(source).staged(home.path("staged")))
    });
    assert_eq!(images[0].layer, images[1].layer);
    assert_eq!(images[0].manifest_digest, images[1].manifest_digest);
}

/// Certificates, and what names and users are looked up by.
#[test]
fn an_image_has_less_than_700_kib_beside_the_program_and_its_libraries() {
    let home = Home::new();
    let image = home.image(&options());
    let mut layer = tar::Archive::new(GzDecoder::new(image.layer.as_ref()));
    let mut beside = Vec::new();
    for entry in layer.entries().unwrap() {
        let entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        if name != "faast" && !name.contains(".so") {
            beside.push((name, entry.size()));
        }
    }
    let sum: u64 = beside.iter().map(|(_, size)| size).sum();
    assert!((1..700 << 10).contains(&sum), "{sum} bytes: {beside:?}");
}

#[test]
fn an_image_is_found_again_and_is_no_package() {
    let home = Home::new();
    let image = home.image(&options());
    let kept = home.packages("gz");
    assert_eq!(home.image(&options()).manifest, image.manifest);
    assert_eq!((kept.len(), home.packages("gz")), (1, kept.clone()));
    let target = Target::new(here().arch, (9, 0));
    // What else is on the target has no say.
    assert_eq!(home.image(&PackOptions::new(target).launch_args([])).manifest, image.manifest);
    assert_eq!(home.packages("gz"), kept);
    pack(&PackOptions::new(target).launch_args([]), &home.cache).unwrap();
    assert_eq!(home.packages("gz"), kept);
    let error = pack(&options(), &home.cache).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[test]
fn arguments_are_the_provider_s_to_give() {
    let home = Home::new();
    let arguments = ["worker".to_owned(), "--exact".to_owned()];
    let image = home.image(&options().launch_args(arguments.clone()));
    assert_eq!(image.launch_args, arguments);
    let config: serde_json::Value = serde_json::from_slice(&image.config).unwrap();
    assert_eq!(config["config"]["Entrypoint"], serde_json::json!(["/faast"]));
    assert_eq!(home.image(&options()).manifest, image.manifest, "they are not in it");
}

#[test]
fn what_would_not_start_is_refused_before_anything_is_made() {
    let home = Home::new();
    let elsewhere = if here().arch == Arch::X86_64 { Arch::Arm64 } else { Arch::X86_64 };
    let refused = |options: &PackOptions| {
        let error = image(options, &home.cache).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");
        assert!(error.hint().is_some(), "{error:?}");
        error.message().to_owned()
    };
    let message = refused(&PackOptions::new(Target::bare(elsewhere)));
    assert_eq!(message, format!("the running executable is for {}, and the target is {elsewhere}", here().arch));
    let mut narrow = static_program();
    narrow[4] = 1;
    let narrow = home.put("narrow", &narrow, 0o755);
    let message = refused(&options().source(Source::Executable(narrow)));
    assert!(message.ends_with("is an executable for 32-bit machines"), "{message}");
    let build = CargoBuild::example("there_is_none").profile("dev").always();
    assert!(refused(&options().source(Source::Build(build))).contains("--example there_is_none"));
    assert!(home.packages("gz").is_empty());
}
