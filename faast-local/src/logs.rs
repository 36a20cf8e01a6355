//! Log files: one folder for a deployment, one file for a worker, and their `file://` addresses.
//!
//! The folder is `~/.faast/local/logs/<deployment>`; a file in it names the client's process, so that a later run can
//! tell what a dead one has left behind, and another when nobody needs it any more. Logs are for people: where they can't be written, work goes on without.

use std::fmt::Write;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use faast_core::cache::CacheFolder;
use faast_core::provider::{DeploymentId, ExecutionId};

/// Names the client's process, in every folder.
const OWNER: &str = "client.pid";

/// Says in Unix seconds when the folder expires, should its client die.
const EXPIRES: &str = "expires";

/// How much of a log is looked at, and shown.
const TAIL: u64 = 4096;

/// The log folder of one deployment; `None` inside where there is none to be had.
#[derive(Debug)]
pub(crate) struct Logs {
    folder: Option<PathBuf>,
}

impl Logs {
    /// Makes the folder.
    pub(crate) fn create(cache: &CacheFolder, deployment: &DeploymentId, expires: SystemTime) -> Self {
        let name = format!("{}/{deployment}", CacheFolder::LOGS);
        let made = cache.folder(&name).and_then(|folder| {
            write(&folder.join(OWNER), &std::process::id().to_string())?;
            write(&folder.join(EXPIRES), &seconds(expires))?;
            Ok(folder)
        });
        match made {
            Ok(folder) => Self { folder: Some(folder) },
            Err(error) => {
                faast_core::log!(
                    faast_core::log::Channel::Warning,
                    "workers' output is lost, their log folder can't be made: {error}"
                );
                Self { folder: None }
            }
        }
    }

    /// Moves the time of expiry.
    pub(crate) fn renew(&self, until: SystemTime) -> std::io::Result<()> {
        self.folder.as_ref().map_or(Ok(()), |folder| write(&folder.join(EXPIRES), &seconds(until)))
    }

    /// Leaves the folder to the user: from now on it is no stray of anybody.
    pub(crate) fn keep(&self) {
        for name in [OWNER, EXPIRES] {
            // What can't be removed is collected some day; there is nothing else to be done about it here.
            let _ = self.folder.as_ref().map(|folder| fs::remove_file(folder.join(name)));
        }
    }

    /// The log file of a worker.
    pub(crate) fn file(&self, number: usize) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(format!("worker-{number}.log")))
    }

    /// The address of the log of an execution, or of all of them.
    pub(crate) fn url(&self, execution: Option<&ExecutionId>) -> String {
        // "worker-3 pid 4711"
        let worker = execution.and_then(|execution| execution.0.split(' ').next());
        match (&self.folder, worker) {
            (Some(folder), Some(worker)) => url_of(Some(&folder.join(format!("{worker}.log")))),
            (folder, _) => url_of(folder.as_deref()),
        }
    }

    /// The folder, if there is one.
    pub(crate) fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }
}

/// Writes a file for the user alone. Not synced: a deployment would wait for the disk.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

/// The process that a log folder belongs to.
pub(crate) fn owner(folder: &Path) -> Option<u32> {
    fs::read_to_string(folder.join(OWNER)).ok()?.trim().parse().ok()
}

/// From when on nobody needs a log folder, if it says so.
pub(crate) fn expires(folder: &Path) -> Option<SystemTime> {
    let seconds = fs::read_to_string(folder.join(EXPIRES)).ok()?.trim().parse().ok()?;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

fn seconds(time: SystemTime) -> String {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().to_string()
}

/// A `file://` address; paths keep their slashes, everything unusual is escaped.
pub(crate) fn url_of(path: Option<&Path>) -> String {
    let mut url = String::from("file://");
    let Some(path) = path else { return url + "/dev/null" };
    for byte in path.as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.~".contains(byte) {
            url.push(char::from(*byte));
        } else {
            // Writing to a string can't fail.
            let _ = write!(url, "%{byte:02X}");
        }
    }
    url
}

/// The end of a log.
pub(crate) fn tail(path: Option<&Path>) -> String {
    let read = |path: &Path| -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let len = file.metadata()?.len();
        file.seek(SeekFrom::Start(len.saturating_sub(TAIL)))?;
        let mut bytes = Vec::new();
        file.take(TAIL).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    path.and_then(|path| read(path).ok()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_escape_what_is_unusual() {
        assert_eq!(url_of(Some(Path::new("/a b/ü#1.log"))), "file:///a%20b/%C3%BC%231.log");
    }

    #[test]
    fn the_address_of_an_execution_is_its_workers_file() {
        let logs = Logs { folder: Some("/logs".into()) };
        assert_eq!(logs.url(Some(&ExecutionId("worker-3 pid 17".into()))), "file:///logs/worker-3.log");
        assert_eq!(logs.url(None), "file:///logs");
    }
}
