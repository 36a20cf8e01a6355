//! Images as registries and container platforms know them: one layer, a configuration and a manifest.
//!
//! Responsible for the two documents; [`crate::layer`] makes the layer, [`crate::pack`] orders the steps. The form is that
//! of the Open Container Initiative.

use bytes::Bytes;
use faast_core::{Error, ErrorKind, Result};
use serde::Serialize;

use crate::Target;
use crate::root::{CERTIFICATES, FOLDER, PROGRAM, USER};
use crate::store::{Archive, Hash};

/// An image that is ready for a registry: each part is known by its digest, `sha256:..`.
///
/// The program is `/faast`. It starts in `/work`, where the included files are, as a user who is not root and may write
/// there and in `/tmp`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Image {
    /// How the image is run, as JSON.
    pub config: Bytes,
    /// The digest of `config`.
    pub config_digest: String,
    /// All files: a tar archive, compressed by gzip.
    pub layer: Bytes,
    /// The digest of `layer`.
    pub layer_digest: String,
    /// What names both, as JSON.
    pub manifest: Bytes,
    /// The digest of `manifest`, which is the image's own.
    pub manifest_digest: String,
    /// Arguments that the program needs to become a worker, before those of the provider.
    pub launch_args: Vec<String>,
    /// SHA-256 of the program in the image, which is the executable without what is never loaded.
    pub executable_sha256: [u8; 32],
    /// The size of all files together, in bytes.
    pub unpacked: u64,
}

impl Image {
    /// The media type of `config`.
    const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
    /// The media type of `layer`.
    const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
    /// The media type of `manifest`.
    pub const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";

    /// The image whose layer is this archive.
    pub(crate) fn new(target: Target, archive: Archive, launch_args: Vec<String>) -> Result<Self> {
        let config = document(&Description {
            architecture: target.platform()?.oci,
            os: "linux",
            config: Run {
                user: format!("{USER}:{USER}"),
                env: [PATH.to_owned(), format!("SSL_CERT_FILE=/{CERTIFICATES}")],
                entrypoint: [format!("/{PROGRAM}")],
                working_dir: format!("/{FOLDER}"),
            },
            rootfs: RootFs { kind: "layers", diff_ids: [digest(archive.tar.unwrap_or(archive.sha256))] },
        })?;
        let (config_digest, layer_digest) = (digest(Hash::of(&config)), digest(archive.sha256));
        let manifest = document(&Manifest {
            schema_version: 2,
            media_type: Self::MANIFEST_TYPE,
            config: Part { media_type: Self::CONFIG_TYPE, digest: &config_digest, size: config.len() },
            layers: [Part { media_type: Self::LAYER_TYPE, digest: &layer_digest, size: archive.bytes.len() }],
        })?;
        Ok(Self {
            config,
            config_digest,
            layer: archive.bytes,
            layer_digest,
            manifest_digest: digest(Hash::of(&manifest)),
            manifest,
            launch_args,
            executable_sha256: archive.executable.0,
            unpacked: archive.unpacked,
        })
    }
}

fn digest(hash: Hash) -> String {
    format!("sha256:{hash}")
}

/// The members in their order: another order would be another image.
fn document(value: &impl Serialize) -> Result<Bytes> {
    let json = serde_json::to_vec(value);
    json.map(Bytes::from).map_err(|error| Error::new(ErrorKind::Internal, "no image").with_source(error))
}

/// Where programs that a worker starts are looked for, if any were included.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

#[derive(Serialize)]
struct Description {
    architecture: &'static str,
    os: &'static str,
    config: Run,
    rootfs: RootFs,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Run {
    user: String,
    env: [String; 2],
    entrypoint: [String; 1],
    working_dir: String,
}

#[derive(Serialize)]
struct RootFs {
    #[serde(rename = "type")]
    kind: &'static str,
    diff_ids: [String; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a> {
    schema_version: u8,
    media_type: &'static str,
    config: Part<'a>,
    layers: [Part<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Part<'a> {
    media_type: &'static str,
    digest: &'a str,
    size: usize,
}

#[cfg(test)]
mod tests {
    use faast_core::Arch;

    use super::*;
    use crate::contents::Included;
    use crate::{layer, root};

    /// The image of a program that is no program, with certificates that are none.
    fn image(program: &[u8]) -> Image {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("words.txt"), "some words\n").unwrap();
        let included = Included::collect(folder.path()).unwrap();
        let entries = root::entries(program.to_vec(), Vec::new(), b"certificates\n".to_vec(), included);
        let (bytes, tar) = layer::write(&entries).unwrap();
        let archive = Archive {
            sha256: Hash::of(&bytes),
            bytes: bytes.into(),
            executable: Hash::of(program),
            unpacked: 0,
            tar: Some(tar),
            here: Vec::new(),
        };
        Image::new(Target::bare(Arch::X86_64), archive, Vec::new()).unwrap()
    }

    /// A change of it is a change for everybody: what was pushed before is pushed again.
    #[test]
    fn the_digest_of_an_image_is_the_same_everywhere_and_always() {
        let image = image(b"program");
        assert_eq!(image.manifest_digest, "sha256:be80e24fcef0ff3e3ec080ea3b0feec4c96a4ac48e90924d51ce2b883ebc2b6f");
        assert_eq!(image.manifest_digest, digest(Hash::of(&image.manifest)));
    }

    #[test]
    fn configuration_and_manifest_are_what_platforms_read() {
        let image = image(b"program");
        let json = |bytes: &[u8]| -> serde_json::Value { serde_json::from_slice(bytes).unwrap() };
        let config = json(&image.config);
        assert_eq!(config["architecture"], "amd64");
        assert_eq!(config["config"]["Entrypoint"], serde_json::json!(["/faast"]));
        assert_eq!(config["config"]["WorkingDir"], "/work");
        assert_eq!(config["config"]["User"], "65532:65532");
        let manifest = json(&image.manifest);
        assert_eq!(manifest["mediaType"], "application/vnd.oci.image.manifest.v1+json");
        assert_eq!(manifest["config"]["digest"], image.config_digest);
        assert_eq!(manifest["layers"][0]["digest"], image.layer_digest);
        assert_eq!(manifest["layers"][0]["size"], image.layer.len());
        assert_ne!(config["rootfs"]["diff_ids"][0], image.layer_digest, "it is of what was not compressed yet");
    }

    #[test]
    fn another_program_is_another_image() {
        assert_ne!(image(b"program").manifest_digest, image(b"another").manifest_digest);
    }
}
