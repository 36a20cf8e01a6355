//! Where a package runs: the processor, and the C library that is there.

use faast_core::{Arch, Error, ErrorKind, Result};
use object::elf::{EM_AARCH64, EM_X86_64, Machine};

/// The machine that a package is for.
///
/// ```
/// use faast_core::Arch;
/// use faast_packer::Target;
///
/// let lambda = Target::new(Arch::Arm64, (2, 34));
/// assert_eq!(lambda.to_string(), "arm64 with glibc 2.34");
/// assert_eq!(Target::bare(Arch::X86_64).to_string(), "x86_64");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Target {
    /// The processor.
    pub arch: Arch,
    /// Major and minor version of its glibc; `None` where there is nothing but a kernel.
    pub glibc: Option<(u32, u32)>,
}

impl Target {
    /// A Linux machine with that processor and that glibc.
    pub fn new(arch: Arch, glibc: (u32, u32)) -> Self {
        Self { arch, glibc: Some(glibc) }
    }

    /// A Linux machine with that processor, whose root folder is empty: an image brings what a program needs.
    pub fn bare(arch: Arch) -> Self {
        Self { arch, glibc: None }
    }

    /// Whether it has the processor and the system of this machine.
    pub(crate) fn is_like_here(self) -> bool {
        cfg!(target_os = "linux") && Arch::of_this_machine() == Some(self.arch)
    }

    /// What is different between processors.
    pub(crate) fn platform(self) -> Result<&'static Platform> {
        match self.arch {
            Arch::X86_64 => Ok(&Platform {
                machine: EM_X86_64,
                interpreter: "/lib64/ld-linux-x86-64.so.2",
                triple: "x86_64-unknown-linux",
                folder: "x86_64-linux-gnu",
                oci: "amd64",
            }),
            Arch::Arm64 => Ok(&Platform {
                machine: EM_AARCH64,
                interpreter: "/lib/ld-linux-aarch64.so.1",
                triple: "aarch64-unknown-linux",
                folder: "aarch64-linux-gnu",
                oci: "arm64",
            }),
            other => Err(Error::new(ErrorKind::Unsupported, format!("there are no packages for {other}"))),
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.glibc {
            Some((major, minor)) => write!(f, "{} with glibc {major}.{minor}", self.arch),
            None => write!(f, "{}", self.arch),
        }
    }
}

/// A processor as executables and compilers know it.
#[derive(Debug)]
pub(crate) struct Platform {
    pub(crate) machine: Machine,
    pub(crate) interpreter: &'static str,
    /// The target of the compiler, without the name of its C library.
    pub(crate) triple: &'static str,
    /// Where systems for several processors have its libraries, below a folder for libraries.
    pub(crate) folder: &'static str,
    /// As images name it.
    pub(crate) oci: &'static str,
}
