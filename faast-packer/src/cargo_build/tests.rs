//! Builds by plain cargo, of a package without dependencies.

use std::fs;

use faast_core::Arch;

use super::*;

struct Project(tempfile::TempDir);

impl Project {
    fn new(main: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let manifest = "[package]\nname = \"faast-packer-project\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[features]\nloud = []\n\n[workspace]\n";
        fs::write(folder.path().join("Cargo.toml"), manifest).unwrap();
        for (path, text) in [("src/main.rs", "fn main() {}"), ("examples/greet.rs", main), ("tests/check.rs", main)] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Self(folder)
    }

    fn build(&self, build: CargoBuild) -> Result<PathBuf> {
        let target = Target::new(Arch::of_this_machine().unwrap(), (2, 34));
        let triple = target.platform().unwrap().triple;
        let way = Way { tool: Tool::Cargo, target: format!("{triple}-gnu") };
        build.manifest_path(self.0.path().join("Cargo.toml")).run(&way)
    }
}

fn output(program: &Path) -> String {
    String::from_utf8(Command::new(program).output().unwrap().stdout).unwrap()
}

const GREET: &str = "fn main() { println!(\"{} {}\", cfg!(feature = \"loud\"), cfg!(debug_assertions)); }";

#[test]
fn the_executable_is_what_was_named_with_features_and_profile() {
    let project = Project::new(GREET);
    let loud = project.build(CargoBuild::example("greet").features(["loud"]).package("faast-packer-project")).unwrap();
    assert_eq!(output(&loud), "true false\n");
    let plain = project.build(CargoBuild::example("greet").profile("dev")).unwrap();
    assert_eq!(output(&plain), "false true\n");
    assert_eq!(output(&project.build(CargoBuild::bin("faast-packer-project").profile("dev")).unwrap()), "");
    assert!(output(&project.build(CargoBuild::test("check").profile("dev")).unwrap()).contains("running 0 tests"));
}

#[test]
fn a_build_that_fails_says_what_the_compiler_says() {
    let project = Project::new("fn main() { nothing_of_that_name(); }");
    let error = project.build(CargoBuild::example("greet").profile("dev")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.message().starts_with("`cargo build ") && error.message().ends_with(" failed"), "{error:?}");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("nothing_of_that_name"), "{cause}");

    let error = project.build(CargoBuild::example("missing")).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.contains("no example target named `missing`"), "{cause}");
}

#[test]
fn there_is_a_way_to_build_for_this_machine() {
    let target = Target::new(Arch::of_this_machine().unwrap(), (2, 34));
    let ways = CargoBuild::bin("x").ways(target).unwrap();
    assert!(ways[0].target.starts_with(&format!("{}-gnu", target.platform().unwrap().triple)), "{ways:?}");
}

#[test]
fn libraries_of_this_machine_are_for_programs_of_its_own_kind() {
    let here = Arch::of_this_machine().unwrap();
    let ways = CargoBuild::bin("x").ways(Target::bare(here)).unwrap();
    let triple = Target::bare(here).platform().unwrap().triple;
    assert_eq!(ways[0], Way { tool: Tool::Cargo, target: format!("{triple}-gnu") });

    let elsewhere = Target::bare(if here == Arch::X86_64 { Arch::Arm64 } else { Arch::X86_64 });
    match CargoBuild::bin("x").ways(elsewhere) {
        Ok(ways) => assert!(ways.iter().all(|way| way.target.ends_with("-musl")), "{ways:?}"),
        Err(error) => assert!(error.hint().unwrap().contains("-musl"), "{error:?}"),
    }
}

#[test]
fn failures_of_tools_have_their_own_hints() {
    let way = |tool| Way { tool, target: "aarch64-unknown-linux-gnu".into() };
    assert!(way(Tool::Zigbuild).hint("Error: Failed to find zig").contains("pip install ziglang"));
    assert!(way(Tool::Cargo).hint("error: linking with `cc` failed").contains("cargo install cargo-zigbuild"));
    assert!(way(Tool::Cargo).hint("error[E0425]").contains("`CargoBuild`"));
}

#[test]
fn the_executable_of_the_right_target_is_taken_from_the_messages() {
    let line = |kind: &str, name: &str, path: &str| {
        format!(
            "{{\"reason\":\"compiler-artifact\",\"target\":{{\"kind\":[\"{kind}\"],\"name\":\"{name}\"}},\"executable\":{path}}}\n"
        )
    };
    let messages = [
        line("lib", "job", "null"),
        line("bin", "job", "\"/target/job\""),
        line("example", "job", "\"/target/examples/job\""),
        "not json\n{\"reason\":\"build-finished\"}\n".to_owned(),
    ]
    .concat();
    assert_eq!(CargoBuild::example("job").executable_of(messages.as_bytes()), Some("/target/examples/job".into()));
    assert_eq!(CargoBuild::bin("other").executable_of(messages.as_bytes()), None);
}
