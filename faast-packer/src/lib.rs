//! The packer of faast: an executable becomes a checked, stripped, deterministic archive or image.
//!
//! For authors of providers. [`pack`] finds an executable that can start on a [`Target`], which is the running one unless
//! a [`Source`] says otherwise; checks machine, interpreter, libraries, versions of glibc, and that it has every function
//! of this program; takes out what is never loaded; adds included files; and writes a zip archive, of which the same
//! input always gives the same bytes. Whatever would fail on the platform fails here, before anything is uploaded, with
//! a hint that says what to write or to install. What was packed before is found in the cache.
//!
//! [`image`] does the same for platforms that run containers: the archive is the only layer of an [`Image`], without a base
//! image, and has all that the program needs besides a kernel: its loader and libraries from this machine, certificates,
//! and what name resolution and user look-up read.

#![forbid(unsafe_code)]

mod archive;
mod cargo_build;
mod contents;
mod elf;
mod fit;
mod image;
mod layer;
mod loader;
mod options;
mod pack;
mod remedy;
mod root;
mod search;
mod source;
mod store;
mod strip;
mod table;
mod target;
mod toolbox;

pub use self::cargo_build::CargoBuild;
pub use self::image::Image;
pub use self::options::{Limits, PackOptions, Package};
pub use self::pack::{image, pack};
pub use self::source::Source;
pub use self::target::Target;
pub use self::toolbox::Toolbox;
