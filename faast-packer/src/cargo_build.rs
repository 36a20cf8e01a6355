//! Builds for the target, where the running executable can't be used.
//!
//! Responsible for choosing a way and for running cargo: `cargo zigbuild`, which links against the glibc that is asked
//! for, else plain cargo with an installed target. What comes out is checked like any other executable.

use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use faast_core::log::Channel;
use faast_core::{Error, ErrorKind, Result, log};
use serde::Deserialize;

use crate::{Target, remedy, toolbox};

/// How many lines of a failed build an error shows.
const SHOWN_LINES: usize = 30;

/// How the program is built for another machine: which of its targets, and with what.
///
/// The program that is running has to be among what is built, because workers are the same program.
///
/// ```
/// use faast_packer::CargoBuild;
///
/// let build = CargoBuild::example("wordcount").features(["aws"]);
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct CargoBuild {
    kind: Kind,
    name: String,
    package: Option<String>,
    features: Vec<String>,
    profile: String,
    manifest: Option<PathBuf>,
    forced: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bin,
    Example,
    Test,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Bin => "bin",
            Self::Example => "example",
            Self::Test => "test",
        }
    }
}

impl CargoBuild {
    /// A binary of the package.
    pub fn bin(name: impl Into<String>) -> Self {
        Self::new(Kind::Bin, name.into())
    }

    /// An example of the package.
    pub fn example(name: impl Into<String>) -> Self {
        Self::new(Kind::Example, name.into())
    }

    /// An integration test of the package: the file `tests/<name>.rs`.
    pub fn test(name: impl Into<String>) -> Self {
        Self::new(Kind::Test, name.into())
    }

    fn new(kind: Kind, name: String) -> Self {
        let profile = "release".into();
        Self { kind, name, package: None, features: Vec::new(), profile, manifest: None, forced: false }
    }

    /// The package, where the current folder does not tell.
    pub fn package(mut self, name: impl Into<String>) -> Self {
        self.package = Some(name.into());
        self
    }

    /// Features to build with, in addition to earlier ones.
    pub fn features<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.features.extend(names.into_iter().map(Into::into));
        self
    }

    /// The profile; `release` unless set.
    pub fn profile(mut self, name: impl Into<String>) -> Self {
        self.profile = name.into();
        self
    }

    /// The `Cargo.toml`, if it is not that of the current folder.
    pub fn manifest_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.manifest = Some(path.into());
        self
    }

    /// Builds also where the running executable could be used, for example because it is a debug build.
    pub fn always(mut self) -> Self {
        self.forced = true;
        self
    }

    pub(crate) fn is_forced(&self) -> bool {
        self.forced
    }

    pub(crate) fn is_test(&self) -> bool {
        self.kind == Kind::Test
    }

    /// The ways to build for a target on this machine, the best first; at least one.
    pub(crate) fn ways(&self, target: Target) -> Result<Vec<Way>> {
        let triple = target.platform()?.triple;
        let gnu = format!("{triple}-gnu");
        let has_gnu = self.is_installed(&gnu)?;
        let has_zigbuild = toolbox::has_zigbuild();
        let mut ways = Vec::new();
        match target.glibc {
            Some((major, minor)) if has_gnu && has_zigbuild => {
                return Ok(vec![Way { tool: Tool::Zigbuild, target: format!("{gnu}.{major}.{minor}") }]);
            }
            Some(_) if has_gnu => ways.push(Way { tool: Tool::Cargo, target: gnu.clone() }),
            // With the libraries of this machine, which have to be for the same processor.
            None if has_gnu && target.is_like_here() => ways.push(Way { tool: Tool::Cargo, target: gnu.clone() }),
            _ => {}
        }
        // Static, so it starts anywhere; second because its allocator is slow.
        let musl = format!("{triple}-musl");
        if self.is_installed(&musl)? {
            let tool = if has_zigbuild { Tool::Zigbuild } else { Tool::Cargo };
            ways.push(Way { tool, target: musl.clone() });
        }
        if ways.is_empty() {
            let wanted = if target.glibc.is_some() { gnu } else { musl };
            return Err(Error::new(ErrorKind::Config, format!("there is no Rust target `{wanted}` on this machine"))
                .with_hint(remedy::to_install(target)));
        }
        Ok(ways)
    }

    /// Whether the standard library for a target is there.
    fn is_installed(&self, target: &str) -> Result<bool> {
        toolbox::is_installed(target, self.folder()).map_err(|error| {
            Error::new(ErrorKind::Config, "there is no `rustc` to build with")
                .with_hint("install Rust from https://rustup.rs, or name an executable: `.executable(path)`")
                .with_source(error)
        })
    }

    /// Where the toolchain of the package is chosen.
    fn folder(&self) -> &Path {
        let folder = self.manifest.as_deref().and_then(Path::parent).filter(|it| !it.as_os_str().is_empty());
        folder.unwrap_or(Path::new("."))
    }

    /// Builds, and gives the path of the executable.
    pub(crate) fn run(&self, way: &Way) -> Result<PathBuf> {
        let arguments = self.arguments(way);
        let line = format!("cargo {}", arguments.join(" "));
        log!(Channel::Info, "building for the target: `{line}`");
        let mut command = Command::new("cargo");
        command.args(&arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let failed = |text: String| {
            Error::new(ErrorKind::Config, format!("`{line}` failed")).with_hint(way.hint(&text)).with_source(text)
        };
        let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (executable, text) = std::thread::scope(|scope| {
            // Both are read at once: a full pipe would stop the build.
            let text = scope.spawn(|| stderr.map(follow).unwrap_or_default());
            let executable = stdout.and_then(|stdout| self.executable_of(stdout));
            (executable, text.join().unwrap_or_default())
        });
        match child.wait() {
            Ok(status) if status.success() => executable.ok_or_else(|| failed("it made no executable".into())),
            Ok(_) => Err(failed(text)),
            Err(error) => Err(failed(error.to_string())),
        }
    }

    fn arguments(&self, way: &Way) -> Vec<String> {
        let command = match way.tool {
            Tool::Zigbuild => "zigbuild",
            Tool::Cargo => "build",
        };
        let mut arguments = vec![command.to_owned(), "--message-format=json-render-diagnostics".into()];
        let mut option = |name: &str, value: &str| arguments.extend([format!("--{name}"), value.to_owned()]);
        option("target", &way.target);
        option("profile", &self.profile);
        option(self.kind.as_str(), &self.name);
        if let Some(package) = &self.package {
            option("package", package);
        }
        if !self.features.is_empty() {
            option("features", &self.features.join(","));
        }
        if let Some(manifest) = &self.manifest {
            option("manifest-path", &manifest.to_string_lossy());
        }
        arguments
    }

    /// The executable that cargo's messages name; reads them to their end.
    fn executable_of(&self, messages: impl Read) -> Option<PathBuf> {
        let lines = BufReader::new(messages).split(b'\n').map_while(Result::ok);
        let messages = lines.filter_map(|line| serde_json::from_slice::<Message>(&line).ok());
        let of_this =
            |target: &MessageTarget| target.name == self.name && target.kind.iter().any(|it| it == self.kind.as_str());
        messages.filter(|message| message.target.as_ref().is_some_and(of_this)).filter_map(|it| it.executable).last()
    }
}

/// One way to build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Way {
    tool: Tool,
    target: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    Zigbuild,
    Cargo,
}

impl Way {
    /// What to do about a build that failed with this output.
    fn hint(&self, output: &str) -> String {
        let lower = output.to_lowercase();
        match self.tool {
            Tool::Zigbuild if lower.contains("find zig") || lower.contains("ziglang") => {
                "`cargo zigbuild` needs zig: `pip install ziglang`".into()
            }
            Tool::Cargo if lower.contains("linker") || lower.contains("linking") => {
                format!("linking for `{}` failed; it works with {}", self.target, remedy::ZIGBUILD)
            }
            _ => "run it yourself to see all it says; package, features and profile are options of `CargoBuild`".into(),
        }
    }
}

/// What is used of cargo's messages.
#[derive(Deserialize)]
struct Message {
    target: Option<MessageTarget>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct MessageTarget {
    kind: Vec<String>,
    name: String,
}

/// Reads what cargo says to people, and keeps the end of it.
fn follow(stderr: impl Read) -> String {
    let mut last = std::collections::VecDeque::new();
    for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).into_owned();
        log!(Channel::Packer, "{line}");
        if last.len() == SHOWN_LINES {
            last.pop_front();
        }
        last.push_back(line);
    }
    Vec::from(last).join("\n")
}

#[cfg(test)]
mod tests;
