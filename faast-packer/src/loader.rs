//! What the loader of this machine loads for a program: the loader itself, and the libraries that the program names,
//! transitively, as files that come along to a machine that has nothing.
//!
//! Responsible for judging that they fit together: all for the machine, none missing, and every version that one needs
//! offered by the other. [`crate::search`] finds them. What a program opens by itself while it runs (`dlopen`) is not
//! found. Invariant: all libraries go to one folder, in which the loader that comes along looks without being told.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use faast_core::Error;

use crate::elf::Elf;
use crate::fit::{self, Included, Unfit};
use crate::search::{Found, Search};
use crate::source::Stamp;
use crate::target::Target;

/// The C library whose name resolution and user look-up open these by themselves; newer ones have them built in.
const LIBC: &str = "libc.so.6";
const OPENED_BY_LIBC: &[&str] = &["libnss_files.so.2", "libnss_dns.so.2"];

/// A file that comes along.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// Where it will be, an absolute path.
    pub(crate) place: String,
    pub(crate) bytes: Vec<u8>,
    /// Where it is on this machine; an included file is not of this machine.
    pub(crate) here: Option<(PathBuf, Stamp)>,
}

/// Why an executable does not become a package.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// It can't run on the target; another one might.
    Unfit(Unfit),
    Failed(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Unfit> for Refusal {
    fn from(unfit: Unfit) -> Self {
        Self::Unfit(unfit)
    }
}

/// All that a program needs besides itself, sorted by name; nothing for a static one.
pub(crate) fn gather(
    executable: &[u8],
    target: Target,
    search: &Search,
    included: Included<'_>,
) -> Result<Vec<Loaded>, Refusal> {
    let elf = fit::program(executable, target, target.platform()?)?;
    let Some(interpreter) = elf.interpreter else {
        // Without a loader nothing is loaded, whatever it names.
        return Ok(Vec::new());
    };
    let program = Wants::of(&elf, None, search.folder_of_program());
    let mut all =
        Gathering { target, search, included, program: program.clone(), files: BTreeMap::new(), wants: Vec::new() };
    let loader = Found::at(Path::new(interpreter)).ok_or_else(|| Unfit::NoLoader(interpreter.to_owned()))?;
    for wants in [all.add(name_of(interpreter), loader)?, program] {
        all.follow(wants)?;
    }
    if all.files.contains_key(LIBC) {
        let there = OPENED_BY_LIBC.iter().filter(|name| search.library(name, &[], target).is_some());
        all.follow(Wants { libraries: there.map(|name| (*name).to_owned()).collect(), ..Wants::default() })?;
    }
    all.check_versions()?;
    Ok(all.placed(interpreter))
}

fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// What one file asks of others.
#[derive(Debug, Clone, Default)]
struct Wants {
    /// The library that asks; `None` for the program.
    by: Option<String>,
    libraries: Vec<String>,
    /// Library and version.
    versions: Vec<(String, String)>,
    run_paths: Vec<PathBuf>,
}

impl Wants {
    fn of(elf: &Elf<'_>, by: Option<&str>, folder: Option<&Path>) -> Self {
        let expanded = |path: &&str| match path.strip_prefix("$ORIGIN").or_else(|| path.strip_prefix("${ORIGIN}")) {
            Some(rest) => folder.map(|folder| folder.join(rest.trim_start_matches('/'))),
            None => Some(PathBuf::from(*path)),
        };
        Self {
            by: by.map(str::to_owned),
            libraries: elf.libraries.iter().map(|name| (*name).to_owned()).collect(),
            versions: elf.needs.iter().map(|need| (need.library.to_owned(), need.version.to_owned())).collect(),
            run_paths: elf.run_paths.iter().filter_map(expanded).collect(),
        }
    }

    /// What is wrong with what it asks for, said of the program.
    fn refused(&self, cause: Unfit) -> Unfit {
        match &self.by {
            Some(library) => Unfit::Along { library: library.clone(), cause: Box::new(cause) },
            None => cause,
        }
    }
}

/// What was found so far.
struct Gathering<'a> {
    target: Target,
    search: &'a Search,
    included: Included<'a>,
    program: Wants,
    /// By name, with the versions that each offers. The loader is among them: libraries name it too.
    files: BTreeMap<String, (Found, Vec<String>)>,
    /// Of each file whose libraries are all there.
    wants: Vec<Wants>,
}

impl Gathering<'_> {
    /// Judges a file and takes it; gives back what it wants in turn.
    fn add(&mut self, name: &str, found: Found) -> Result<Wants, Refusal> {
        let unfit = |cause: Unfit| match found.here {
            Some(_) => Unfit::Along { library: name.to_owned(), cause: Box::new(cause) },
            None => Unfit::Included { library: name.to_owned(), cause: Box::new(cause) },
        };
        let elf = fit::of_machine(&found.bytes, self.target, self.target.platform()?).map_err(unfit)?;
        let folder = found.here.as_ref().and_then(|(path, _)| path.parent());
        let wants = Wants::of(&elf, Some(name), folder);
        let offers = elf.offers.iter().map(|version| (*version).to_owned()).collect();
        self.files.insert(name.to_owned(), (found, offers));
        Ok(wants)
    }

    /// Takes all that a file wants, and what that wants in turn.
    fn follow(&mut self, first: Wants) -> Result<(), Refusal> {
        let mut todo = vec![first];
        while let Some(wants) = todo.pop() {
            for name in wants.libraries.iter().filter(|name| !is_loader_itself(name)) {
                if !self.files.contains_key(name) {
                    let found = self.find(name, &wants.run_paths)?;
                    let found = found.ok_or_else(|| wants.refused(Unfit::NotHere(name.clone())))?;
                    todo.push(self.add(name, found)?);
                }
            }
            self.wants.push(wants);
        }
        Ok(())
    }

    /// An included library before one of this machine: the user has put it there for that.
    fn find(&self, name: &str, run_paths: &[PathBuf]) -> Result<Option<Found>, Error> {
        if let Some(bytes) = (self.included)(name)? {
            return Ok(Some(Found { bytes, here: None }));
        }
        let folders = [run_paths, &self.program.run_paths].concat();
        Ok(self.search.library(name, &folders, self.target))
    }

    /// Whether each file has the versions that others want of it; one without versions has them all.
    fn check_versions(&self) -> Result<(), Unfit> {
        for wants in &self.wants {
            for (library, version) in &wants.versions {
                let offers = self.files.get(library).map(|(_, offers)| offers);
                if offers.is_some_and(|offers| !offers.is_empty() && !offers.contains(version)) {
                    let (library, version) = (library.clone(), version.clone());
                    return Err(wants.refused(Unfit::NotOffered { library, version }));
                }
            }
        }
        Ok(())
    }

    /// All files with their places: the loader where programs name it, libraries where it finds them.
    fn placed(self, interpreter: &str) -> Vec<Loaded> {
        let of_libc = self.files.get(LIBC).and_then(|(libc, _)| libc.here.as_ref()?.0.parent()?.to_str());
        // Its own C library is in a folder that it knows; what has another C library looks beside itself.
        let folder = of_libc.or_else(|| Path::new(interpreter).parent()?.to_str()).unwrap_or("/lib").to_owned();
        let place = |name: String| match () {
            () if name == name_of(interpreter) => interpreter.to_owned(),
            () if name.contains('/') => name,
            () => format!("{folder}/{name}"),
        };
        self.files
            .into_iter()
            .map(|(name, (Found { bytes, here }, _))| Loaded { place: place(name), bytes, here })
            .collect()
    }
}

/// Names that musl's loader takes for itself, wherever such a file is.
fn is_loader_itself(name: &str) -> bool {
    name == "libc.so" || name.starts_with("libc.musl-")
}

#[cfg(test)]
mod tests;
