//! Images that services run, each unpacked once into a folder that is the root of its processes.
//!
//! The folder is never written to: instances see it below a layer of their own. What can't be an image of Cloud Run is
//! told in Cloud Run's words.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Bytes;
use flate2::read::GzDecoder;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::protocol::ApiError;
use crate::emulator::hex::hex;

/// An unpacked image.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) root: PathBuf,
    pub(super) entrypoint: Vec<String>,
    pub(super) arguments: Vec<String>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) working_folder: String,
}

/// An image as a registry holds it.
#[derive(Debug, Clone)]
pub(super) struct Pushed {
    /// As a client asked for it.
    pub(super) name: String,
    pub(super) digest: String,
    pub(super) config: Bytes,
    pub(super) layers: Vec<Bytes>,
}

/// All unpacked images, in a folder that goes with it.
#[derive(Debug)]
pub(super) struct ImageStore {
    folder: TempDir,
    /// By digest; written once for each image.
    known: Mutex<HashMap<String, Arc<Image>>>,
}

impl ImageStore {
    /// # Panics
    ///
    /// If there is no place for temporary files.
    #[expect(clippy::expect_used, reason = "a test that can't start its emulator has nothing to go on with")]
    pub(super) fn new() -> Self {
        let folder =
            tempfile::Builder::new().prefix("faast-emulator-").tempdir().expect("temporary folders can be made");
        Self { folder, known: Mutex::default() }
    }

    /// A new folder for what an instance writes.
    pub(super) fn temporary(&self) -> io::Result<TempDir> {
        tempfile::Builder::new().prefix("instance-").tempdir_in(self.folder.path())
    }

    /// Unpacks an image, unless it was before. Blocks.
    pub(super) fn import(&self, pushed: &Pushed) -> Result<Arc<Image>, ApiError> {
        if let Some(image) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&pushed.digest) {
            return Ok(Arc::clone(image));
        }
        let bad = |why: String| ApiError::invalid(format!("Cloud Run does not support image '{}': {why}", pushed.name));
        let config: Value = serde_json::from_slice(&pushed.config).map_err(|error| bad(error.to_string()))?;
        if config["os"] != "linux" || config["architecture"] != "amd64" {
            return Err(bad("Container manifest type must support amd64/linux.".into()));
        }
        let folder = tempfile::Builder::new().prefix("image-").tempdir_in(self.folder.path());
        let folder = folder.map_err(|error| bad(error.to_string()))?;
        for (index, layer) in pushed.layers.iter().enumerate() {
            let digest = unpack(layer, folder.path()).map_err(|error| bad(error.to_string()))?;
            if config["rootfs"]["diff_ids"][index] != digest {
                return Err(bad(format!("layer {index} is {digest}, which is not its diff id")));
            }
        }
        let image = Arc::new(described(&config["config"], folder.keep()));
        // Two at once unpack twice; the first one that is done stays.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(known.entry(pushed.digest.clone()).or_insert(image)))
    }
}

fn described(config: &Value, root: PathBuf) -> Image {
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let pair = |it: String| it.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    Image {
        root,
        entrypoint: texts(&config["Entrypoint"]),
        arguments: texts(&config["Cmd"]),
        environment: texts(&config["Env"]).into_iter().filter_map(pair).collect(),
        working_folder: config["WorkingDir"].as_str().filter(|it| !it.is_empty()).unwrap_or("/").to_owned(),
    }
}

/// Unpacks a layer; gives the digest of what was compressed in it.
fn unpack(layer: &Bytes, folder: &Path) -> io::Result<String> {
    let mut tar = Hashed { inner: GzDecoder::new(layer.as_ref()), hasher: Sha256::new() };
    let mut archive = tar::Archive::new(&mut tar);
    archive.set_preserve_permissions(true);
    archive.set_overwrite(true);
    archive.unpack(folder)?;
    // The blocks of zeros at its end belong to it, too.
    io::copy(&mut tar, &mut io::sink())?;
    Ok(format!("sha256:{}", hex(&tar.hasher.finalize())))
}

/// A reader that hashes what it reads.
struct Hashed<R> {
    inner: R,
    hasher: Sha256,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}

impl Image {
    /// Why a program of the image can't be started, in the words of the log; nothing if it can.
    pub(super) fn refusal(&self, program: &str) -> Option<String> {
        let failed =
            |why: &str| Some(format!("terminated: Application failed to start: failed to load {program}: {why}"));
        let path = self.root.join(self.absolute(program).trim_start_matches('/'));
        let Ok(metadata) = fs::metadata(&path) else { return failed("no such file or directory") };
        if !metadata.is_file() || metadata.permissions().mode() & 0o111 == 0 {
            return failed(&format!("permission denied (invalid mode {:04o})", metadata.permissions().mode() & 0o7777));
        }
        let mut head = [0; 20];
        let is_read = File::open(&path).and_then(|mut file| file.read_exact(&mut head)).is_ok();
        // ELF of 64 bits in little-endian order, for x86-64.
        let is_ours = is_read && head.starts_with(b"\x7fELF\x02\x01") && head[18..20] == [62, 0];
        if is_ours || head.starts_with(b"#!") { None } else { failed("exec format error") }
    }

    /// A path that is not absolute begins at the working folder.
    fn absolute(&self, path: &str) -> String {
        if path.starts_with('/') { path.to_owned() } else { format!("{}/{path}", self.working_folder) }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn compressed(bytes: &[u8]) -> Bytes {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap().into()
    }

    #[test]
    fn damaged_layers_are_refused_or_unpacked_and_nothing_leaves_the_folder() {
        let mut tar = tar::Builder::new(Vec::new());
        for (path, content) in [("faast", &[b'x'; 700][..]), ("etc/passwd", b"root")] {
            let mut header = tar::Header::new_ustar();
            header.set_size(content.len() as u64);
            header.set_mode(0o755);
            tar.append_data(&mut header, path, content).unwrap();
        }
        let valid = tar.into_inner().unwrap();
        let around = tempfile::tempdir().unwrap();
        let (mut refused, mut unpacked) = (0, 0);
        for seed in 0..2_000 {
            let folder = around.path().join("in");
            fs::create_dir(&folder).unwrap();
            // Damage below the compression, which its checksum would find, and above it.
            let layer = match seed % 2 {
                0 => compressed(&crate::hostile::bytes(seed, &valid)),
                _ => crate::hostile::bytes(seed, &compressed(&valid)).into(),
            };
            match unpack(&layer, &folder) {
                Ok(_) => unpacked += 1,
                Err(_) => refused += 1,
            }
            fs::remove_dir_all(&folder).unwrap();
            assert_eq!(fs::read_dir(&around).unwrap().count(), 0, "seed {seed}");
        }
        assert!(refused > 500 && unpacked > 20, "{refused} refused, {unpacked} unpacked");
    }
}
