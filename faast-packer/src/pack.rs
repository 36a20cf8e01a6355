//! From options to a package or an image: which executable, the checks in their order, and what is kept for the next time.

use std::path::Path;
use std::time::SystemTime;

use bytes::Bytes;
use faast_core::cache::{self, CacheFolder};
use faast_core::log::Channel;
use faast_core::{Error, ErrorKind, Result, log};
use sha2::{Digest as _, Sha256};

use crate::contents::{Entry, Included, with_program};
use crate::fit::{self, LIBRARY_FOLDER};
use crate::image::Image;
use crate::loader::{self, Loaded, Refusal};
use crate::search::Search;
use crate::source::Subject;
use crate::store::{Archive, Form, Hash, Store};
use crate::table::Table;
use crate::{CargoBuild, PackOptions, Package, Source, Target, layer, remedy, root, strip};

/// Changes whenever the same input gives another package, so that no older one is found.
const FORMAT: &[u8] = b"faast package 2";

/// Makes a package, or finds it in the cache. Blocks: reads files, compresses, and may run cargo.
///
/// # Errors
///
/// [`ErrorKind::Config`] when the executable can't run on the target, lacks functions of this program, can't be built or
/// is too large with its files; the hint says what to do. [`ErrorKind::Unsupported`] for a target that nothing can be
/// packed for, [`ErrorKind::Io`] when a file can't be read. A cache that can't be used is no error.
pub fn pack(options: &PackOptions, cache: &CacheFolder) -> Result<Package> {
    if options.target.glibc.is_none() {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "packages are for machines with a C library; others take images",
        ));
    }
    let (archive, _) = Packing::new(options, cache, Form::Zip).run()?;
    let Archive { bytes, sha256, executable, unpacked, .. } = archive;
    Ok(Package { bytes, sha256: sha256.0, executable_sha256: executable.0, unpacked })
}

/// Makes an image, or finds it in the cache. Blocks: reads files, compresses, and may run cargo.
///
/// The image brings all that the program needs: what is on the target besides its processor has no say.
///
/// # Errors
///
/// As of [`pack`]; [`ErrorKind::Config`] also when a library that the executable needs is not on this machine.
pub fn image(options: &PackOptions, cache: &CacheFolder) -> Result<Image> {
    let target = Target::bare(options.target.arch);
    let options = PackOptions { target, ..options.clone() };
    let (archive, launch_args) = Packing::new(&options, cache, Form::Layer).run()?;
    Image::new(target, archive, launch_args)
}

impl Refusal {
    fn into_error(self, subject: &Subject, target: Target) -> Error {
        match self {
            Self::Unfit(unfit) => Error::new(ErrorKind::Config, format!("{subject} {unfit}"))
                .with_hint(remedy::for_unfit(&unfit, subject, target)),
            Self::Failed(error) => error,
        }
    }
}

/// An archive, and the arguments that the program in it has to be started with.
type Packed = (Archive, Vec<String>);

/// One use of [`pack`] or [`image`].
struct Packing<'a> {
    options: &'a PackOptions,
    form: Form,
    store: Store<'a>,
    /// Where a copy of each archive goes, if anywhere.
    copies: Option<std::path::PathBuf>,
}

impl<'a> Packing<'a> {
    fn new(options: &'a PackOptions, cache: &'a CacheFolder, form: Form) -> Self {
        Self { options, form, store: Store::new(cache, SystemTime::now()), copies: cache::package_dir() }
    }

    fn run(&self) -> Result<Packed> {
        match &self.options.source {
            Source::RunningExecutable => self.packed(&Subject::Running),
            Source::Executable(path) => self.packed(&Subject::Given(path.clone())),
            Source::Build(build) if build.is_forced() => self.built(build),
            Source::Build(build) => match self.archive(&Subject::Running) {
                Err(Refusal::Unfit(unfit)) => {
                    log!(Channel::Packer, "the running executable {unfit}; building another one");
                    self.built(build)
                }
                other => other.map_err(|refusal| refusal.into_error(&Subject::Running, self.options.target)),
            },
        }
    }

    fn packed(&self, subject: &Subject) -> Result<Packed> {
        self.archive(subject).map_err(|refusal| refusal.into_error(subject, self.options.target))
    }

    /// Builds in each way that there is, until one gives what runs on the target.
    fn built(&self, build: &CargoBuild) -> Result<Packed> {
        let mut last = None;
        for way in build.ways(self.options.target)? {
            let path = build.run(&way)?;
            let subject = Subject::Built { path, is_test: build.is_test() };
            match self.archive(&subject) {
                Err(refusal @ Refusal::Unfit(_)) => last = Some(refusal.into_error(&subject, self.options.target)),
                other => return other.map_err(|refusal| refusal.into_error(&subject, self.options.target)),
            }
        }
        Err(last.unwrap_or_else(|| Error::new(ErrorKind::Internal, "there is no way to build")))
    }

    fn archive(&self, subject: &Subject) -> Result<Packed, Refusal> {
        let arguments = subject.arguments(&self.options.launch_args);
        let included = self.options.staged.as_deref().map(Included::collect).transpose()?.unwrap_or_default();
        let functions = (*subject != Subject::Running).then(Table::of_this_program);
        let certificates = if self.form == Form::Layer { root::certificates() } else { Vec::new() };
        let input = Input { subject, arguments, included, functions, certificates };
        let executable = subject.open()?;
        let stamp = executable.stamp;

        let known = self.store.memo(stamp);
        let (hash, bytes) = if let Some(hash) = known {
            (hash, None)
        } else {
            let bytes = executable.read()?;
            (Hash::of(&bytes), Some(bytes))
        };
        let key = self.key(hash, &input)?;
        let archive = if let Some(archive) = self.store.archive(key, self.form) {
            log!(Channel::Packer, "{subject} was packed before: {} bytes", archive.bytes.len());
            archive
        } else {
            let bytes = bytes.map_or_else(|| subject.open()?.read(), Ok)?;
            let archive = self.make(&bytes, input)?;
            self.store.keep(key, self.form, &archive);
            archive
        };
        if known.is_none() {
            self.store.remember(stamp, hash);
        }
        self.copy(subject, &archive);
        Ok((archive, arguments.to_vec()))
    }

    /// A hash of all that an archive depends on, but for libraries of this machine: the record has those.
    fn key(&self, executable: Hash, input: &Input<'_>) -> Result<Hash> {
        let mut all = Sha256::new();
        let mut part = |bytes: &[u8]| {
            all.update((bytes.len() as u64).to_le_bytes());
            all.update(bytes);
        };
        part(FORMAT);
        part(self.form.extension().as_bytes());
        part(&executable.0);
        part(self.options.target.to_string().as_bytes());
        part(&self.options.limits.max_unpacked.to_le_bytes());
        part(&input.included.digest()?);
        part(&input.certificates);
        part(&(input.arguments.len() as u64).to_le_bytes());
        for argument in input.arguments {
            part(argument.as_bytes());
        }
        for (name, signature) in input.functions.iter().flat_map(Table::iter) {
            part(name.as_bytes());
            part(&signature.to_le_bytes());
        }
        Ok(Hash(all.finalize().into()))
    }

    fn make(&self, executable: &[u8], input: Input<'_>) -> Result<Archive, Refusal> {
        let subject = input.subject;
        let loaded = self.check(executable, &input)?;
        if *subject == Subject::Running && cfg!(debug_assertions) {
            log!(
                Channel::Packer,
                "the running executable is a debug build: functions are slow there too; use --release"
            );
        }
        let program = strip::strip(executable).unwrap_or_else(|| executable.to_owned());
        let own_hash = Hash::of(&program);
        let (before, after) = (executable.len(), program.len());
        let sizes = (after as u64, input.included.size());
        let here = loaded.iter().filter_map(|file| file.here.clone()).collect();
        let entries = match self.form {
            Form::Zip => with_program(program, input.arguments, input.included)?,
            Form::Layer => root::entries(program, loaded, input.certificates, input.included),
        };
        let unpacked = self.check_size(subject, &entries, sizes)?;
        let (bytes, tar) = match self.form {
            Form::Zip => (crate::archive::zip(&entries)?, None),
            Form::Layer => layer::write(&entries).map(|(bytes, tar)| (bytes, Some(tar)))?,
        };
        log!(
            Channel::Packer,
            "packed {subject}: {before} bytes, {after} without debug information; {} files of {unpacked} bytes in an archive of {} bytes",
            entries.len(),
            bytes.len()
        );
        Ok(Archive { sha256: Hash::of(&bytes), bytes: Bytes::from(bytes), executable: own_hash, unpacked, tar, here })
    }

    /// Whether the executable can run on the target and has all functions; gives back what has to come along.
    fn check(&self, executable: &[u8], input: &Input<'_>) -> Result<Vec<Loaded>, Refusal> {
        let (subject, target) = (input.subject, self.options.target);
        let library = |name: &str| input.included.read(&format!("{LIBRARY_FOLDER}/{name}"));
        let loaded = match self.form {
            Form::Zip => fit::check(executable, target, &library)?.map(|()| Vec::new())?,
            Form::Layer => loader::gather(executable, target, &Search::of_this_machine(subject, target), &library)?,
        };
        if let Some(missing) = input.functions.as_ref().and_then(|wanted| wanted.missing_in(&Table::read(executable))) {
            let message = format!("{subject} {missing}");
            return Err(Error::new(ErrorKind::Config, message).with_hint(remedy::for_functions(subject)).into());
        }
        Ok(loaded)
    }

    /// The size of all files, if the platform takes it.
    fn check_size(&self, subject: &Subject, entries: &[Entry], (program, included): (u64, u64)) -> Result<u64> {
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
            remedy::size(included)
        );
        Err(Error::new(ErrorKind::Config, message).with_hint(remedy::for_size(entries)))
    }

    /// Puts a copy where the user wants to look at it. No reason to fail.
    fn copy(&self, subject: &Subject, archive: &Archive) {
        let Some(folder) = &self.copies else { return };
        let hash = archive.sha256.to_string();
        let path = folder.join(format!("{}-{}.{}", subject.name(), &hash[..16], self.form.extension()));
        if path.metadata().is_ok_and(|data| data.len() == archive.bytes.len() as u64) {
            return;
        }
        match write_whole(folder, &path, &archive.bytes) {
            Ok(()) => log!(Channel::Packer, "a copy of the package is in `{}`", path.display()),
            Err(error) => log!(Channel::Warning, "no copy of the package in `{}`: {error}", path.display()),
        }
    }
}

/// What goes into an archive besides the executable.
struct Input<'a> {
    subject: &'a Subject,
    arguments: &'a [String],
    included: Included,
    /// Those that the executable must have, if it is not the running one.
    functions: Option<Table>,
    certificates: Vec<u8>,
}

/// Writes a file that nobody sees half written.
fn write_whole(folder: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut part = tempfile::NamedTempFile::new_in(folder)?;
    std::io::Write::write_all(&mut part, bytes)?;
    part.persist(path)?;
    Ok(())
}
