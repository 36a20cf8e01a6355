//! Registries, spoken to by plain HTTP and by a client of others: nothing of faast is asked what is in them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use bytes::Bytes;
use reqwest::header::{ACCEPT, CONTENT_TYPE, LOCATION};
use reqwest::{Client, StatusCode};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::place;

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// An image as somebody pulled it, each part by the digest that it was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Pulled {
    pub(crate) manifest: Value,
    pub(crate) blobs: BTreeMap<String, Bytes>,
}

impl Pulled {
    /// Reads the parts that a manifest names; each has to be what its digest and its size say.
    fn of(manifest: &[u8], read: impl Fn(&str) -> Bytes) -> Self {
        let manifest: Value = serde_json::from_slice(manifest).unwrap();
        let parts = manifest["layers"].as_array().unwrap().iter().chain([&manifest["config"]]);
        let blobs = parts.map(|part| {
            let wanted = part["digest"].as_str().unwrap();
            let blob = read(wanted);
            assert_eq!((digest(&blob).as_str(), blob.len() as u64), (wanted, part["size"].as_u64().unwrap()));
            (wanted.to_owned(), blob)
        });
        Self { blobs: blobs.collect(), manifest }
    }
}

/// How registries know what they hold.
pub(crate) fn digest(bytes: &[u8]) -> String {
    let hash = <[u8; 32]>::from(Sha256::digest(bytes)).map(|byte| format!("{byte:02x}"));
    format!("sha256:{}", hash.concat())
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn client() -> Client {
    Client::builder().no_proxy().build().unwrap()
}

/// Pushes a blob in one piece, as the specification of registries says.
pub(crate) fn push_blob(repository: &str, blob: &Bytes) {
    run(async {
        let at = place::registry();
        let begun = client().post(format!("{at}/v2/{repository}/blobs/uploads/")).send().await.unwrap();
        assert_eq!(begun.status(), StatusCode::ACCEPTED);
        let location = begun.headers()[LOCATION].to_str().unwrap();
        let location = if location.starts_with('/') { format!("{at}{location}") } else { location.to_owned() };
        let put = client().put(location).query(&[("digest", digest(blob))]).body(blob.clone());
        assert_eq!(put.send().await.unwrap().status(), StatusCode::CREATED);
    });
}

/// Pushes a manifest under a tag.
pub(crate) fn push_manifest(repository: &str, tag: &str, manifest: &Bytes) {
    run(async {
        let url = format!("{}/v2/{repository}/manifests/{tag}", place::registry());
        let put = client().put(url).header(CONTENT_TYPE, MANIFEST).body(manifest.clone());
        assert_eq!(put.send().await.unwrap().status(), StatusCode::CREATED);
    });
}

/// Pulls by plain HTTP what a tag or a digest stands for.
pub(crate) fn pull(repository: &str, reference: &str) -> Pulled {
    let get = |path: String| {
        run(async {
            let url = format!("{}/v2/{repository}/{path}", place::registry());
            let answer = client().get(url).header(ACCEPT, MANIFEST).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK);
            answer.bytes().await.unwrap()
        })
    };
    Pulled::of(&get(format!("manifests/{reference}")), |digest| get(format!("blobs/{digest}")))
}

/// Pulls the same with skopeo, which writes what it got into a folder.
pub(crate) fn pull_by_skopeo(skopeo: &Path, repository: &str, digest: &str) -> Pulled {
    let folder = tempfile::tempdir().unwrap();
    let host = place::registry();
    let source = format!("docker://{}/{repository}@{digest}", host.strip_prefix("http://").unwrap());
    let target = format!("oci:{}:pulled", folder.path().display());
    let mut command = Command::new(skopeo);
    command.args(["--insecure-policy", "copy", "--src-tls-verify=false", &source, &target]);
    // Where it keeps logins, of which there are none.
    let output = command.env("XDG_RUNTIME_DIR", folder.path()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let read = |digest: &str| {
        let name = digest.replace(':', "/");
        Bytes::from(std::fs::read(folder.path().join("blobs").join(name)).unwrap())
    };
    let index: Value = serde_json::from_slice(&std::fs::read(folder.path().join("index.json")).unwrap()).unwrap();
    assert_eq!(index["manifests"][0]["digest"], digest, "it is the same image");
    Pulled::of(&read(digest), read)
}

/// The repositories of a project.
pub(crate) fn repositories(project: &str) -> Vec<String> {
    let listed: Value = run(async {
        let url = format!("{}/v2/_catalog?n=1000", place::registry());
        client().get(url).send().await.unwrap().error_for_status().unwrap().json().await.unwrap()
    });
    let names = listed["repositories"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned());
    names.filter(|name| name.starts_with(&format!("{project}/"))).collect()
}
