//! From options to a package: which executable, the checks in their order, and what is kept for the next time.

use std::path::Path;
use std::time::SystemTime;

use bytes::Bytes;
use faast_core::cache::{self, CacheFolder};
use faast_core::log::Channel;
use faast_core::{Error, ErrorKind, Result, log};
use sha2::{Digest as _, Sha256};

use crate::contents::{Entry, Included, with_program};
use crate::fit::{self, LIBRARY_FOLDER, Unfit};
use crate::source::Subject;
use crate::store::{Hash, Store};
use crate::table::Table;
use crate::{CargoBuild, PackOptions, Package, Source, remedy, strip};

/// Changes whenever the same input gives another package, so that no older one is found.
const FORMAT: &[u8] = b"faast package 1";

/// Makes a package, or finds it in the cache. Blocks: reads files, compresses, and may run cargo.
///
/// # Errors
///
/// [`ErrorKind::Config`] when the executable can't run on the target, lacks functions of this program, can't be built or
/// is too large with its files; the hint says what to do. [`ErrorKind::Unsupported`] for a target that nothing can be
/// packed for, [`ErrorKind::Io`] when a file can't be read. A cache that can't be used is no error.
pub fn pack(options: &PackOptions, cache: &CacheFolder) -> Result<Package> {
    let packing = Packing { options, store: Store::new(cache, SystemTime::now()), copies: cache::package_dir() };
    match &options.source {
        Source::RunningExecutable => packing.packed(&Subject::Running),
        Source::Executable(path) => packing.packed(&Subject::Given(path.clone())),
        Source::Build(build) if build.is_forced() => packing.built(build),
        Source::Build(build) => match packing.package(&Subject::Running) {
            Err(Refusal::Unfit(unfit)) => {
                log!(Channel::Packer, "the running executable {unfit}; building another one");
                packing.built(build)
            }
            other => other.map_err(|refusal| refusal.into_error(&Subject::Running, options.target)),
        },
    }
}

/// Why an executable does not become a package.
enum Refusal {
    /// It can't run on the target; another one might.
    Unfit(Unfit),
    Failed(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl Refusal {
    fn into_error(self, subject: &Subject, target: crate::Target) -> Error {
        match self {
            Self::Unfit(unfit) => Error::new(ErrorKind::Config, format!("{subject} {unfit}"))
                .with_hint(remedy::for_unfit(&unfit, subject, target)),
            Self::Failed(error) => error,
        }
    }
}

/// One use of [`pack`].
struct Packing<'a> {
    options: &'a PackOptions,
    store: Store<'a>,
    /// Where a copy of each archive goes, if anywhere.
    copies: Option<std::path::PathBuf>,
}

impl Packing<'_> {
    fn packed(&self, subject: &Subject) -> Result<Package> {
        self.package(subject).map_err(|refusal| refusal.into_error(subject, self.options.target))
    }

    /// Builds in each way that there is, until one gives what runs on the target.
    fn built(&self, build: &CargoBuild) -> Result<Package> {
        let mut last = None;
        for way in build.ways(self.options.target)? {
            let path = build.run(&way)?;
            let subject = Subject::Built { path, is_test: build.is_test() };
            match self.package(&subject) {
                Err(refusal @ Refusal::Unfit(_)) => last = Some(refusal.into_error(&subject, self.options.target)),
                other => return other.map_err(|refusal| refusal.into_error(&subject, self.options.target)),
            }
        }
        Err(last.unwrap_or_else(|| Error::new(ErrorKind::Internal, "there is no way to build")))
    }

    fn package(&self, subject: &Subject) -> Result<Package, Refusal> {
        let arguments = subject.arguments(&self.options.launch_args);
        let included = self.options.staged.as_deref().map(Included::collect).transpose()?.unwrap_or_default();
        let functions = (*subject != Subject::Running).then(Table::of_this_program);
        let executable = subject.open()?;
        let stamp = executable.stamp;

        let known = self.store.memo(stamp);
        let (hash, bytes) = if let Some(hash) = known {
            (hash, None)
        } else {
            let bytes = executable.read()?;
            (Hash::of(&bytes), Some(bytes))
        };
        let key = self.key(hash, arguments, &included, functions.as_ref())?;
        let package = if let Some(package) = self.store.package(key) {
            log!(Channel::Packer, "{subject} was packed before: {} bytes", package.bytes.len());
            package
        } else {
            let bytes = bytes.map_or_else(|| subject.open()?.read(), Ok)?;
            let package = self.make(subject, &bytes, arguments, included, functions.as_ref())?;
            self.store.keep(key, &package);
            package
        };
        if known.is_none() {
            self.store.remember(stamp, hash);
        }
        self.copy(subject, &package);
        Ok(package)
    }

    /// A hash of all that a package depends on.
    fn key(
        &self,
        executable: Hash,
        arguments: &[String],
        included: &Included,
        functions: Option<&Table>,
    ) -> Result<Hash> {
        let mut all = Sha256::new();
        let mut part = |bytes: &[u8]| {
            all.update((bytes.len() as u64).to_le_bytes());
            all.update(bytes);
        };
        part(FORMAT);
        part(&executable.0);
        part(self.options.target.to_string().as_bytes());
        part(&self.options.limits.max_unpacked.to_le_bytes());
        part(&included.digest()?);
        part(&(arguments.len() as u64).to_le_bytes());
        for argument in arguments {
            part(argument.as_bytes());
        }
        for (name, signature) in functions.into_iter().flat_map(Table::iter) {
            part(name.as_bytes());
            part(&signature.to_le_bytes());
        }
        Ok(Hash(all.finalize().into()))
    }

    fn make(
        &self,
        subject: &Subject,
        executable: &[u8],
        arguments: &[String],
        included: Included,
        functions: Option<&Table>,
    ) -> Result<Package, Refusal> {
        let library = |name: &str| included.read(&format!("{LIBRARY_FOLDER}/{name}"));
        fit::check(executable, self.options.target, &library)?.map_err(Refusal::Unfit)?;
        if let Some(missing) = functions.and_then(|functions| functions.missing_in(&Table::read(executable))) {
            let message = format!("{subject} {missing}");
            return Err(Error::new(ErrorKind::Config, message).with_hint(remedy::for_functions(subject)).into());
        }
        if *subject == Subject::Running && cfg!(debug_assertions) {
            log!(
                Channel::Packer,
                "the running executable is a debug build: functions are slow there too; use --release"
            );
        }
        let program = strip::strip(executable).unwrap_or_else(|| executable.to_owned());
        let executable_sha256 = Hash::of(&program).0;
        let (before, after) = (executable.len(), program.len());
        let entries = with_program(program, arguments, included);
        let unpacked = self.check_size(subject, &entries, after as u64)?;
        let bytes = Bytes::from(crate::archive::zip(&entries)?);
        log!(
            Channel::Packer,
            "packed {subject}: {before} bytes, {after} without debug information; {} files of {unpacked} bytes in an archive of {} bytes",
            entries.len(),
            bytes.len()
        );
        Ok(Package { sha256: Hash::of(&bytes).0, bytes, executable_sha256, unpacked })
    }

    /// The size of all files, if the platform takes it.
    fn check_size(&self, subject: &Subject, entries: &[Entry], program: u64) -> Result<u64> {
        let all: u64 = entries.iter().map(Entry::size).sum();
        let most = self.options.limits.max_unpacked;
        if all <= most {
            return Ok(all);
        }
        let message = format!(
            "the package has {} unpacked, and the platform takes {}: {} are {subject} without debug information, {} are \
             included files",
            remedy::size(all),
            remedy::size(most),
            remedy::size(program),
            remedy::size(all - program)
        );
        Err(Error::new(ErrorKind::Config, message).with_hint(remedy::for_size(entries)))
    }

    /// Puts a copy where the user wants to look at it. No reason to fail.
    fn copy(&self, subject: &Subject, package: &Package) {
        let Some(folder) = &self.copies else { return };
        let hash = Hash(package.sha256).to_string();
        let path = folder.join(format!("{}-{}.zip", subject.name(), &hash[..16]));
        if path.metadata().is_ok_and(|data| data.len() == package.bytes.len() as u64) {
            return;
        }
        match write_whole(folder, &path, &package.bytes) {
            Ok(()) => log!(Channel::Packer, "a copy of the package is in `{}`", path.display()),
            Err(error) => log!(Channel::Warning, "no copy of the package in `{}`: {error}", path.display()),
        }
    }
}

/// Writes a file that nobody sees half written.
fn write_whole(folder: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut part = tempfile::NamedTempFile::new_in(folder)?;
    std::io::Write::write_all(&mut part, bytes)?;
    part.persist(path)?;
    Ok(())
}
