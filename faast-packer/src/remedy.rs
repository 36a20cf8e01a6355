//! What to do about an executable that can't be packed, as exactly as it can be known.

use std::path::Path;

use crate::Target;
use crate::contents::Entry;
use crate::fit::{LIBRARY_FOLDER, Unfit};
use crate::source::Subject;

/// What builds for any glibc.
pub(crate) const ZIGBUILD: &str = "`pip install ziglang` and `cargo install cargo-zigbuild`";

/// How many large files are named.
const SHOWN: usize = 3;

/// What to do about an executable that can't run on the target.
pub(crate) fn for_unfit(unfit: &Unfit, subject: &Subject, target: Target) -> String {
    match unfit {
        Unfit::Library(name) => {
            format!(
                "link it statically, or put it into the folder `{LIBRARY_FOLDER}` and `.include(\"{LIBRARY_FOLDER}/{name}\")`"
            )
        }
        Unfit::NotExecutable => "name the executable of a binary, an example or a test".into(),
        Unfit::NotHere(name) => format!(
            "install it, link it statically, or put it into the folder `{LIBRARY_FOLDER}` and \
             `.include(\"{LIBRARY_FOLDER}/{name}\")`"
        ),
        Unfit::Along { cause, .. } => for_unfit(cause, subject, target),
        Unfit::Included { library, .. } => format!("include a `{LIBRARY_FOLDER}/{library}` that was made for {target}"),
        _ => match subject {
            Subject::Running => {
                let build = describe(&std::env::current_exe().unwrap_or_default());
                format!("let faast build it for {target}: `.build({build})`; that needs {}", to_install(target))
            }
            Subject::Given(_) => {
                let triple = target.platform().map_or("", |platform| platform.triple);
                let command = match target.glibc {
                    Some((major, minor)) => format!("cargo zigbuild --release --target {triple}-gnu.{major}.{minor}"),
                    None => format!("cargo build --release --target {triple}-musl"),
                };
                format!("build it for {target}: `{command}`; that needs {}", to_install(target))
            }
            Subject::Built { .. } => format!("it can be built for {target} with {}", to_install(target)),
        },
    }
}

/// What to do about an executable without the functions of this program.
pub(crate) fn for_functions(subject: &Subject) -> String {
    let build = describe(&std::env::current_exe().unwrap_or_default());
    match subject {
        Subject::Built { .. } => {
            format!("build the program that is running: `.build({build})`, with the same features")
        }
        _ => format!(
            "name an executable that was built from this program, with the same features, or use `.build({build})`"
        ),
    }
}

/// What has to be installed so that a build for the target works.
pub(crate) fn to_install(target: Target) -> String {
    let triple = target.platform().map_or("", |platform| platform.triple);
    match target.glibc {
        None if target.is_like_here() => format!("`rustup target add {triple}-musl`"),
        None => format!("`rustup target add {triple}-musl`, {ZIGBUILD}"),
        Some(_) if target.is_like_here() => ZIGBUILD.into(),
        Some(_) => format!("`rustup target add {triple}-gnu`, {ZIGBUILD}"),
    }
}

/// What makes a package large.
pub(crate) fn for_size(entries: &[Entry]) -> String {
    let mut largest: Vec<_> = entries.iter().collect();
    largest.sort_by_key(|entry| std::cmp::Reverse(entry.size()));
    let names: Vec<_> =
        largest.iter().take(SHOWN).map(|entry| format!("`{}` with {}", entry.name, size(entry.size()))).collect();
    format!(
        "the largest files are {}; `.exclude(..)` leaves files out, and large data is better read from storage",
        names.join(", ")
    )
}

/// A size in bytes, for people.
pub(crate) fn size(bytes: u64) -> String {
    const MIB: u64 = 1 << 20;
    if bytes < MIB { format!("{bytes} bytes") } else { format!("{:.1} MiB", bytes as f64 / MIB as f64) }
}

/// How an executable that cargo built is described, by where it is.
fn describe(executable: &Path) -> String {
    let name = executable.file_stem().unwrap_or_default().to_string_lossy();
    let hashless = name.rsplit_once('-').filter(|(_, hash)| hash.len() == 16).map_or(&*name, |(name, _)| name);
    let folder = executable.parent().and_then(Path::file_name).unwrap_or_default();
    match folder.to_str() {
        Some("examples") => format!("CargoBuild::example(\"{hashless}\")"),
        Some("deps") => format!("CargoBuild::test(\"{hashless}\")"),
        _ => format!("CargoBuild::bin(\"{name}\")"),
    }
}

#[cfg(test)]
mod tests {
    use faast_core::Arch;

    use super::*;

    #[test]
    fn executables_are_described_by_where_cargo_puts_them() {
        for (path, build) in [
            ("/job/target/release/examples/wordcount", "CargoBuild::example(\"wordcount\")"),
            ("/job/target/debug/examples/wordcount-0123456789abcdef", "CargoBuild::example(\"wordcount\")"),
            ("/job/target/debug/deps/maps-0123456789abcdef", "CargoBuild::test(\"maps\")"),
            ("/job/target/debug/my-job", "CargoBuild::bin(\"my-job\")"),
        ] {
            assert_eq!(describe(Path::new(path)), build);
        }
    }

    #[test]
    fn a_library_can_be_linked_statically_or_come_along() {
        let unfit = Unfit::Library("libssl.so.3".into());
        let hint = for_unfit(&unfit, &Subject::Running, Target::new(Arch::X86_64, (2, 34)));
        assert!(hint.contains("statically") && hint.contains(".include(\"lib/libssl.so.3\")"), "{hint}");
    }

    #[test]
    fn what_another_machine_needs_is_named_to_the_letter() {
        let unfit = Unfit::Machine { found: "riscv64".into(), wanted: "another".into() };
        for (arch, triple) in [(Arch::X86_64, "x86_64-unknown-linux-gnu"), (Arch::Arm64, "aarch64-unknown-linux-gnu")] {
            let target = Target::new(arch, (2, 34));
            let hint = for_unfit(&unfit, &Subject::Given("x".into()), target);
            assert!(
                hint.contains(&format!("--target {triple}.2.34")) && hint.contains("pip install ziglang"),
                "{hint}"
            );
            let is_here = cfg!(target_os = "linux") && Arch::of_this_machine() == Some(arch);
            assert_eq!(hint.contains(&format!("rustup target add {triple}")), !is_here, "{hint}");
        }
    }

    #[test]
    fn where_nothing_is_a_static_program_runs() {
        let unfit = Unfit::Along { library: "liba.so".into(), cause: Box::new(Unfit::NotHere("libb.so".into())) };
        let hint = |unfit| for_unfit(unfit, &Subject::Given("x".into()), Target::bare(Arch::X86_64));
        assert!(hint(&unfit).starts_with("install it"), "{unfit}");
        let unfit = Unfit::NoLoader("/lib/ld-other.so.1".into());
        let hint = hint(&unfit);
        for part in ["--target x86_64-unknown-linux-musl", "rustup target add x86_64-unknown-linux-musl"] {
            assert!(hint.contains(part), "{hint}");
        }
    }
}
