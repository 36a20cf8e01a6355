//! Whether an executable can start on the target, found out before anything is uploaded.
//!
//! Responsible for the rules: machine, interpreter, libraries, versions of glibc. A library that the target does not have
//! may come along as `lib/<name>`, and is then judged by the same rules. Where the target has nothing at all,
//! [`crate::loader`] goes by the same words.

use std::collections::BTreeSet;

use faast_core::Result;

use crate::elf::{Elf, Kind, Need, Unreadable, machine_name};
use crate::target::{Platform, Target};

/// What every Linux machine with glibc has.
const LIBRARIES: &[&str] =
    &["libc.so.6", "libm.so.6", "libgcc_s.so.1", "libpthread.so.0", "libdl.so.2", "librt.so.1", "libutil.so.1"];

/// Where included libraries are.
pub(crate) const LIBRARY_FOLDER: &str = "lib";

/// Why an executable can't start on the target. Reads as what follows the name of the executable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unfit {
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    #[error("is for {found}, and the target is {wanted}")]
    Machine { found: String, wanted: String },
    #[error("is a library or an object file, and not an executable")]
    NotExecutable,
    #[error("is started by `{found}`, and the target has only `{wanted}`")]
    Interpreter { found: String, wanted: &'static str },
    #[error("needs the library `{0}`, which the target does not have")]
    Library(String),
    #[error("needs {version}{}, and the target has glibc {}.{}", for_symbols(.symbols), .has.0, .has.1)]
    Glibc { version: String, symbols: Vec<String>, has: (u32, u32) },
    #[error("needs the included library `{LIBRARY_FOLDER}/{library}`, which {cause}")]
    Included { library: String, cause: Box<Self> },
    #[error("is started by `{0}`, which this machine does not have")]
    NoLoader(String),
    #[error("needs the library `{0}`, which this machine does not have")]
    NotHere(String),
    #[error("needs {version} of the library `{library}`, and this machine has another one")]
    NotOffered { library: String, version: String },
    #[error("needs the library `{library}`, which {cause}")]
    Along { library: String, cause: Box<Self> },
}

fn for_symbols(symbols: &[String]) -> String {
    const SHOWN: usize = 3;
    let names: Vec<_> = symbols.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    let more = if symbols.len() > SHOWN { ", .." } else { "" };
    if names.is_empty() { String::new() } else { format!(" (for {}{more})", names.join(", ")) }
}

/// Reads `lib/<name>` of the included files, if it is there.
pub(crate) type Included<'a> = &'a dyn Fn(&str) -> Result<Option<Vec<u8>>>;

/// Whether the executable and the libraries that come along can be loaded on the target.
///
/// The outer error is about reading, the inner one about what was read.
pub(crate) fn check(executable: &[u8], target: Target, included: Included<'_>) -> Result<Result<(), Unfit>> {
    let platform = target.platform()?;
    let mut missing = match check_program(executable, target, platform) {
        Ok(missing) => missing,
        Err(unfit) => return Ok(Err(unfit)),
    };
    let mut seen = BTreeSet::new();
    while let Some(library) = missing.pop() {
        if !seen.insert(library.clone()) {
            continue;
        }
        let Some(bytes) = included(&library)? else { return Ok(Err(Unfit::Library(library))) };
        match check_library(&bytes, target, platform) {
            Ok(more) => missing.extend(more),
            Err(cause) => return Ok(Err(Unfit::Included { library, cause: Box::new(cause) })),
        }
    }
    Ok(Ok(()))
}

/// Judges the program; gives back the libraries that have to come along.
fn check_program(bytes: &[u8], target: Target, platform: &Platform) -> Result<Vec<String>, Unfit> {
    let elf = program(bytes, target, platform)?;
    if let Some(found) = elf.interpreter.filter(|found| *found != platform.interpreter) {
        return Err(Unfit::Interpreter { found: found.into(), wanted: platform.interpreter });
    }
    missing(&elf, target, platform)
}

/// Judges a library that comes along; gives back the libraries that it needs besides.
fn check_library(bytes: &[u8], target: Target, platform: &Platform) -> Result<Vec<String>, Unfit> {
    missing(&of_machine(bytes, target, platform)?, target, platform)
}

/// What a file says of itself, if it is a program for the machine.
pub(crate) fn program<'d>(bytes: &'d [u8], target: Target, platform: &Platform) -> Result<Elf<'d>, Unfit> {
    let elf = of_machine(bytes, target, platform)?;
    if elf.kind == Kind::Executable { Ok(elf) } else { Err(Unfit::NotExecutable) }
}

/// What a file says of itself, if it is for the machine.
pub(crate) fn of_machine<'d>(bytes: &'d [u8], target: Target, platform: &Platform) -> Result<Elf<'d>, Unfit> {
    let elf = Elf::read(bytes)?;
    if elf.machine != platform.machine {
        return Err(Unfit::Machine { found: machine_name(elf.machine), wanted: target.arch.to_string() });
    }
    Ok(elf)
}

/// The libraries that the target does not have.
fn missing(elf: &Elf<'_>, target: Target, platform: &Platform) -> Result<Vec<String>, Unfit> {
    check_versions(elf, target)?;
    let loader = platform.interpreter.rsplit('/').next();
    let missing = elf.libraries.iter().filter(|name| !LIBRARIES.contains(name) && Some(**name) != loader);
    Ok(missing.map(|name| (*name).to_owned()).collect())
}

fn check_versions(elf: &Elf<'_>, target: Target) -> Result<(), Unfit> {
    let needed = |need: &Need<'_>| Some((glibc_version(need.version)?, need.version.to_owned()));
    let Some((at_least, version)) = elf.needs.iter().filter_map(needed).max() else { return Ok(()) };
    let Some(has) = target.glibc.filter(|has| at_least > *has) else { return Ok(()) };
    let symbols = elf.symbols_of(&version).into_iter().map(str::to_owned).collect();
    Err(Unfit::Glibc { version, symbols, has })
}

/// The glibc that has a version; `None` for versions of other libraries.
fn glibc_version(name: &str) -> Option<(u32, u32)> {
    let version = name.strip_prefix("GLIBC_")?;
    let mut numbers = version.split('.').map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Some((major, minor)),
        // Marks of features that older loaders must refuse: packed relocations came with 2.36.
        _ if version == "ABI_DT_RELR" => Some((2, 36)),
        _ if version.starts_with("ABI_") => Some((u32::MAX, 0)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
