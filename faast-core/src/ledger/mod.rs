//! The ledger: what a deployment has made in an account and not yet removed, on disk before it happens.
//!
//! Responsible for `<cache>/ledger/<deployment>.jsonl`, one JSON object a line, each on disk before the call goes on;
//! not for deleting anything. Invariant: it makes cleanup exact and fast, and is never needed (tags find everything),
//! so that writing never fails: an unwritable ledger is a warning, once. A torn line, as `kill -9` or a full disk leaves
//! it, costs that line only.

mod line;

use std::collections::HashMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use self::line::{Entry, Line, since_1970, time};
use crate::cache::CacheFolder;
use crate::error::{Error, ErrorKind, Result};
use crate::log::Channel;
use crate::provider::{DeploymentId, Resource};

/// Records the intent before each create call, and the end after each delete.
///
/// The file is made at the first intent: a provider that leaves nothing behind leaves no file either. Calls wait for
/// the disk, some milliseconds.
///
/// ```
/// # use std::sync::Arc;
/// # use faast_core::{cache::CacheFolder, ledger::Ledger, provider::{DeploymentId, Resource}};
/// # let home = tempfile::tempdir().unwrap();
/// let ledger = Ledger::new(Arc::new(CacheFolder::at(home.path())), DeploymentId::from("d1"));
/// let role = Resource::new("role", "faast-d1");
/// ledger.intent(&role); // then create it
/// assert_eq!(Ledger::read(&ledger.path())?, [role.clone()]);
/// ledger.deleted(&role); // after deleting it
/// ledger.close();
/// # Ok::<(), faast_core::Error>(())
/// ```
pub struct Ledger {
    cache: Arc<CacheFolder>,
    deployment: DeploymentId,
    /// Writers take turns; a line is on disk before the next one starts.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    open: Open,
    /// The file, from the first line on.
    file: Option<File>,
    /// Whether there is a file that `close` has to remove.
    exists: bool,
    /// Whether the file may end in the middle of a line.
    torn: bool,
    warned: bool,
}

/// What a ledger that was found says: a deployment that has not been cleaned up, or lives.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unfinished {
    /// The deployment.
    pub deployment: DeploymentId,
    /// What may be left of it, in the order in which it is to be deleted.
    pub resources: Vec<Resource>,
    /// The latest expiry that was recorded, of what has been deleted since too. A client that lives moves it. Where
    /// nothing is left to delete it is never empty: a day after the last line at most, nobody writes here any more.
    pub expires: Option<SystemTime>,
}

impl Ledger {
    /// The ledger of a new deployment. Touches no file.
    pub fn new(cache: Arc<CacheFolder>, deployment: DeploymentId) -> Self {
        Self { cache, deployment, state: Mutex::default() }
    }

    /// The ledger of an earlier deployment, to record what is deleted now.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`] when there is no such ledger or it can't be read.
    pub fn resume(cache: Arc<CacheFolder>, deployment: DeploymentId) -> Result<Self> {
        let ledger = Self::new(cache, deployment);
        let open = Open::read(&ledger.path())?;
        *ledger.state() = State { open, exists: true, ..State::default() };
        Ok(ledger)
    }

    /// Where the file is, or will be.
    pub fn path(&self) -> PathBuf {
        self.cache.root().join(self.name())
    }

    /// Records that a resource is about to be created.
    ///
    /// Recording it again, with another rank, say, replaces it.
    ///
    /// Where the service chooses the id, record the resource right after the call that made it.
    pub fn intent(&self, resource: &Resource) {
        let mut state = self.state();
        state.open.insert(resource.clone());
        self.append(&mut state, &Line::Intent(Entry::from(resource)));
    }

    /// Records that a resource is gone.
    pub fn deleted(&self, resource: &Resource) {
        let mut state = self.state();
        if state.open.remove(resource) {
            self.append(&mut state, &Line::Deleted(Entry::from(resource)));
        }
    }

    /// Records that everything in here expires at `until`, and not before.
    pub fn renewed(&self, until: SystemTime) {
        let mut state = self.state();
        let Some(expires) = since_1970(until).filter(|_| state.exists) else { return };
        state.open.renew(until);
        self.append(&mut state, &Line::Renewed { expires });
    }

    /// What is not deleted yet, in the order in which it is to be deleted.
    pub fn open(&self) -> Vec<Resource> {
        self.state().open.in_order()
    }

    /// Removes the file if everything is deleted; otherwise it stays for `faast cleanup`.
    pub fn close(&self) {
        let mut state = self.state();
        if state.exists && state.open.resources.is_empty() {
            *state = State { warned: state.warned, ..State::default() };
            match fs::remove_file(self.path()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => self.warn(&mut state, &error),
                _ => {}
            }
        }
    }

    /// What a ledger's file says is not deleted yet, in the order in which it is to be deleted.
    ///
    /// That is lower ranks first, and what was made last first. Damaged lines are left out.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`] when the file can't be read.
    pub fn read(path: &Path) -> Result<Vec<Resource>> {
        Ok(Open::read(path)?.in_order())
    }

    /// Every ledger of a provider, sorted by deployment. One that can't be read is a warning.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`] when the folder can't be listed; that there is none is no error.
    pub fn all(cache: &CacheFolder) -> Result<Vec<Unfinished>> {
        let folder = cache.root().join(CacheFolder::LEDGER);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(unreadable(&folder, error)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let path = entry.map_err(|error| unreadable(&folder, error))?.path();
            let Some(deployment) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".jsonl")) else {
                continue;
            };
            match Open::read(&path) {
                Ok(open) => {
                    let mut unfinished = open.unfinished(deployment.into());
                    if unfinished.resources.is_empty() && unfinished.expires.is_none() {
                        unfinished.expires = last_written(&path).and_then(|at| at.checked_add(CacheFolder::MAX_AGE));
                    }
                    found.push(unfinished);
                }
                Err(error) => crate::log!(Channel::Warning, "{error:?}"),
            }
        }
        found.sort_by(|a, b| a.deployment.cmp(&b.deployment));
        Ok(found)
    }

    fn name(&self) -> String {
        format!("{}/{}.jsonl", CacheFolder::LEDGER, self.deployment)
    }

    /// A panic of another writer leaves the state as it is: each step of it is valid.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append(&self, state: &mut State, line: &Line) {
        if let Err(error) = self.try_append(state, line) {
            self.warn(state, &error);
        }
    }

    fn try_append(&self, state: &mut State, line: &Line) -> io::Result<()> {
        let file = match &mut state.file {
            Some(file) => file,
            none => {
                let mut file = self.cache.append(self.name())?;
                state.exists = true;
                state.torn = !ends_a_line(&mut file)?;
                none.insert(file)
            }
        };
        let mut bytes = if state.torn { vec![b'\n'] } else { Vec::new() };
        serde_json::to_writer(&mut bytes, line)?;
        bytes.push(b'\n');
        state.torn = true;
        file.write_all(&bytes)?;
        state.torn = false;
        file.sync_data()
    }

    fn warn(&self, state: &mut State, error: &io::Error) {
        if !std::mem::replace(&mut state.warned, true) {
            let path = self.path();
            crate::log!(
                Channel::Warning,
                "the ledger `{}` can't be written ({error}); cleanup finds resources by their tags instead",
                path.display()
            );
        }
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("deployment", &self.deployment).finish_non_exhaustive()
    }
}

/// Resources that are not deleted yet, each with its number in the order of creation.
#[derive(Default)]
struct Open {
    resources: HashMap<Key, (usize, Resource)>,
    /// The latest expiry of all that was recorded.
    expires: Option<SystemTime>,
}

type Key = (String, String, String);

fn key(resource: &Resource) -> Key {
    (resource.kind.clone(), resource.id.clone(), resource.region.clone())
}

impl Open {
    fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).map_err(|error| unreadable(path, error))?;
        let mut open = Self::default();
        for line in bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()) {
            match line {
                Line::Intent(entry) => open.insert(entry.into()),
                Line::Deleted(entry) => {
                    open.remove(&entry.into());
                }
                Line::Renewed { expires } => {
                    if let Some(until) = time(expires) {
                        open.renew(until);
                    }
                }
            }
        }
        Ok(open)
    }

    fn insert(&mut self, resource: Resource) {
        self.expires = self.expires.max(resource.expires);
        let next = self.resources.values().map(|(number, _)| number + 1).max().unwrap_or(0);
        self.resources.entry(key(&resource)).and_modify(|(_, old)| *old = resource.clone()).or_insert((next, resource));
    }

    fn remove(&mut self, resource: &Resource) -> bool {
        self.resources.remove(&key(resource)).is_some()
    }

    fn renew(&mut self, until: SystemTime) {
        self.expires = Some(until);
        for (_, resource) in self.resources.values_mut() {
            resource.expires = Some(until);
        }
    }

    fn unfinished(&self, deployment: DeploymentId) -> Unfinished {
        let mut resources = self.in_order();
        for resource in &mut resources {
            resource.deployment = Some(deployment.clone());
        }
        Unfinished { deployment, resources, expires: self.expires }
    }

    fn in_order(&self) -> Vec<Resource> {
        let mut open: Vec<_> = self.resources.values().collect();
        open.sort_by_key(|(number, resource)| (resource.rank, std::cmp::Reverse(*number)));
        open.into_iter().map(|(_, resource)| resource.clone()).collect()
    }
}

fn last_written(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|data| data.modified()).ok()
}

fn ends_a_line(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("the ledger `{}` can't be read", path.display())).with_source(error)
}

#[cfg(test)]
mod tests;
