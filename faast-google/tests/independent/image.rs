//! Images, kept by a registry and pulled by clients of other people.

use std::collections::BTreeMap;

use faast_core::Arch;
use faast_core::cache::CacheFolder;
use faast_packer::{Image, PackOptions, Target, image};

use crate::place;
use crate::registry::{Pulled, pull, pull_by_skopeo, push_blob, push_manifest};

/// An image of this test, with a file, so that each test has one of its own.
fn packed(word: &str) -> Image {
    let home = tempfile::tempdir().unwrap();
    let staged = home.path().join("staged");
    std::fs::create_dir(&staged).unwrap();
    std::fs::write(staged.join("word.txt"), word).unwrap();
    let target = Target::bare(Arch::of_this_machine().unwrap());
    image(&PackOptions::new(target).launch_args([]).staged(staged), &CacheFolder::at(home.path().join("google")))
        .unwrap()
}

fn pushed(repository: &str, image: &Image) {
    for blob in [&image.layer, &image.config] {
        push_blob(repository, blob);
    }
    push_manifest(repository, "faast", &image.manifest);
}

fn expected(image: &Image) -> Pulled {
    let parts = [(&image.layer_digest, &image.layer), (&image.config_digest, &image.config)];
    let blobs: BTreeMap<_, _> = parts.into_iter().map(|(digest, bytes)| (digest.clone(), bytes.clone())).collect();
    Pulled { manifest: serde_json::from_slice(&image.manifest).unwrap(), blobs }
}

#[test]
fn a_registry_of_others_keeps_an_image_as_it_is() {
    let image = packed("registry");
    let repository = "faast-project/faast-image/worker";
    pushed(repository, &image);
    assert_eq!(pull(repository, "faast"), expected(&image));
    assert_eq!(pull(repository, &image.manifest_digest), expected(&image));
}

#[test]
fn a_client_of_others_pulls_the_same_image() {
    let image = packed("client");
    let repository = "faast-project/faast-client/worker";
    pushed(repository, &image);
    assert_eq!(pull_by_skopeo(&place::skopeo(), repository, &image.manifest_digest), expected(&image));
}
