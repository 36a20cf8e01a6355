//! The root folder of an image: the program, what it loads, what the C library and TLS look for, the included files.
//!
//! Responsible for what is in it and where. There is no base image, so that this is all that a worker finds besides what
//! the platform puts there itself: `/proc`, `/sys`, `/dev`, and `/etc/resolv.conf`.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use faast_core::log;
use faast_core::log::Channel;

use crate::contents::{Entry, Included};
use crate::loader::Loaded;

/// The program.
pub(crate) const PROGRAM: &str = "faast";
/// Where included files are, and where the program starts; it may write there.
pub(crate) const FOLDER: &str = "work";
/// For temporary files of anybody.
pub(crate) const TMP: &str = "tmp";
/// Whom the program runs as, and whose group: not root, and a number that systems give to nobody else.
pub(crate) const USER: u64 = 65_532;
/// Where TLS clients look; those of other systems are told by a variable.
pub(crate) const CERTIFICATES: &str = "etc/ssl/certs/ca-certificates.crt";

/// What is the same in every image.
const FIXED: &[(&str, &str)] = &[
    ("etc/group", "root:x:0:\nfaast:x:65532:\n"),
    // Platforms put their own in its place; it is here for those that don't.
    ("etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"),
    ("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"),
    ("etc/passwd", "root:x:0:0:root:/tmp:/sbin/nologin\nfaast:x:65532:65532:faast:/tmp:/sbin/nologin\n"),
];

/// All files, sorted by name.
pub(crate) fn entries(program: Vec<u8>, loaded: Vec<Loaded>, certificates: Vec<u8>, included: Included) -> Vec<Entry> {
    let mut entries = vec![Entry::program(PROGRAM, program)];
    entries.extend(FIXED.iter().map(|(name, text)| Entry::data(*name, text.as_bytes().to_vec())));
    if !certificates.is_empty() {
        entries.push(Entry::data(CERTIFICATES, certificates));
    }
    entries.extend(loaded.into_iter().map(|it| Entry::program(it.place.trim_start_matches('/'), it.bytes)));
    let included = included.into_entries().into_iter();
    entries.extend(included.map(|entry| Entry { name: format!("{FOLDER}/{}", entry.name), ..entry }));
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    entries
}

/// The certificates that this machine trusts, as TLS clients read them; sorted, because systems keep no order.
pub(crate) fn certificates() -> Vec<u8> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let why = found.errors.first().map(|error| format!(": {error}")).unwrap_or_default();
        log!(
            Channel::Warning,
            "this machine has no certificates of authorities, so that workers can't open TLS connections{why}; install \
             the package `ca-certificates`"
        );
    }
    let mut certificates: Vec<_> = found.certs.iter().map(AsRef::as_ref).collect();
    certificates.sort_unstable();
    certificates.dedup();
    certificates.into_iter().flat_map(pem).collect()
}

fn pem(certificate: &[u8]) -> Vec<u8> {
    const WIDTH: usize = 64;
    let text = BASE64_STANDARD.encode(certificate);
    let mut pem = b"-----BEGIN CERTIFICATE-----\n".to_vec();
    for line in text.as_bytes().chunks(WIDTH) {
        pem.extend_from_slice(line);
        pem.push(b'\n');
    }
    pem.extend_from_slice(b"-----END CERTIFICATE-----\n");
    pem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_the_same_whenever_they_are_read() {
        let bundle = certificates();
        assert_eq!(bundle, certificates());
        let text = String::from_utf8(bundle).unwrap();
        assert!(
            text.matches("-----BEGIN CERTIFICATE-----").count() > 10,
            "tests need a machine with `ca-certificates`"
        );
        assert!(text.lines().all(|line| line.len() <= 64));
    }

    #[test]
    fn included_files_can_have_any_name() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(PROGRAM), b"mine").unwrap();
        let included = Included::collect(folder.path()).unwrap();
        let entries = entries(b"program".to_vec(), Vec::new(), b"pem".to_vec(), included);
        let names: Vec<_> = entries.iter().map(|entry| entry.name.as_str()).collect();
        let etc = ["etc/group", "etc/hosts", "etc/nsswitch.conf", "etc/passwd", CERTIFICATES];
        assert_eq!(names, [&etc[..], &["faast", "work/faast"]].concat());
    }
}
