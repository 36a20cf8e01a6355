//! Signature Version 4 of a request to Lambda, and nothing else: one `POST`, no query, few headers.
//!
//! By hand, because the SDK's request machinery costs four times what a call costs otherwise. The signing key is
//! derived once a day and key; a signature then costs the hashes of the body and of a few hundred bytes. A test compares
//! each signature with the SDK's own.

use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const SERVICE: &str = "lambda";
const SECONDS_OF_A_DAY: u64 = 24 * 60 * 60;

/// What is signed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Post<'a> {
    /// `host`, with the port where it is not the usual one.
    pub(crate) host: &'a str,
    /// The path, which needs no escapes.
    pub(crate) path: &'a str,
    /// The header that says what is wanted, `x-amz-..`; in the order of names it stands behind the date.
    pub(crate) header: (&'a str, &'a str),
    /// The body.
    pub(crate) body: &'a [u8],
}

/// Headers that make a request a signed one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Signed {
    /// `x-amz-date`.
    pub(crate) date: String,
    /// `authorization`.
    pub(crate) authorization: String,
}

/// Signs for one region.
pub(crate) struct Signer {
    region: String,
    /// The key of the last signature, which is that of nearly every next one.
    last: Mutex<Option<Key>>,
}

#[derive(Clone)]
struct Key {
    day: u64,
    access: String,
    secret: String,
    /// `20260131/us-west-2/lambda/aws4_request`.
    scope: String,
    mac: Hmac<Sha256>,
}

impl Signer {
    pub(crate) fn new(region: impl Into<String>) -> Self {
        Self { region: region.into(), last: Mutex::new(None) }
    }

    pub(crate) fn sign(&self, post: Post<'_>, credentials: &Credentials, now: SystemTime) -> Signed {
        let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let date = timestamp(seconds);
        let key = self.key(credentials, seconds / SECONDS_OF_A_DAY, &date);
        let Post { host, path, header: (name, value), body } = post;
        let token = credentials.session_token().map_or("", |_| ";x-amz-security-token");
        let names = ["host;x-amz-date;", name, token];
        let mut canonical = Sha256::new();
        for part in ["POST\n", path, "\n\nhost:", host, "\nx-amz-date:", &date, "\n", name, ":", value, "\n"] {
            canonical.update(part);
        }
        if let Some(token) = credentials.session_token() {
            for part in ["x-amz-security-token:", token, "\n"] {
                canonical.update(part);
            }
        }
        for part in ["\n"].iter().chain(&names).chain(&["\n"]) {
            canonical.update(part);
        }
        let mut text = String::with_capacity(256);
        push_hex(&mut text, &Sha256::digest(body));
        canonical.update(&text);
        text.clear();
        for part in [ALGORITHM, "\n", &date, "\n", &key.scope, "\n"] {
            text.push_str(part);
        }
        push_hex(&mut text, &canonical.finalize());
        let signature = key.mac.chain_update(&text).finalize().into_bytes();
        let mut authorization = String::with_capacity(320);
        for part in [ALGORITHM, " Credential=", &key.access, "/", &key.scope, ", SignedHeaders="].iter().chain(&names) {
            authorization.push_str(part);
        }
        authorization.push_str(", Signature=");
        push_hex(&mut authorization, &signature);
        Signed { date, authorization }
    }

    fn key(&self, credentials: &Credentials, day: u64, date: &str) -> Key {
        let (access_key, secret_key) = (credentials.access_key_id(), credentials.secret_access_key());
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = last.as_ref()
            && key.day == day
            && key.access == access_key
            && key.secret == secret_key
        {
            return key.clone();
        }
        let date = date.get(..8).unwrap_or_default();
        let mut key = hmac(format!("AWS4{secret_key}").as_bytes(), date.as_bytes());
        for part in [self.region.as_str(), SERVICE, "aws4_request"] {
            key = hmac(&key, part.as_bytes());
        }
        let key = Key {
            day,
            access: access_key.into(),
            secret: secret_key.into(),
            scope: format!("{date}/{}/{SERVICE}/aws4_request", self.region),
            mac: keyed(&key),
        };
        last.insert(key).clone()
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The key is as good as the secret.
        f.debug_struct("Signer").field("region", &self.region).finish_non_exhaustive()
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    // Keys of every length are taken; the other branch can't be reached.
    Hmac::new_from_slice(key).unwrap_or_else(|_| Hmac::new(&hmac::digest::Key::<Hmac<Sha256>>::default()))
}

fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    keyed(key).chain_update(message).finalize().into_bytes().into()
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        text.push(DIGITS[usize::from(byte >> 4)].into());
        text.push(DIGITS[usize::from(byte & 15)].into());
    }
}

/// `20260131T235959Z`.
fn timestamp(seconds: u64) -> String {
    let date = DateTime::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX)).fmt(Format::DateTime);
    // A year of more than four digits has no such form, and no such signature is accepted anywhere.
    date.unwrap_or_default().chars().filter(|char| !matches!(char, '-' | ':')).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
    use aws_sigv4::sign::v4;
    use proptest::prelude::*;

    use super::*;

    const TAIL: (&str, &str) = ("x-amz-log-type", "Tail");

    fn the_sdks(post: Post<'_>, credentials: &Credentials, region: &str, now: SystemTime) -> Signed {
        let identity = credentials.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name(SERVICE)
            .time(now)
            .settings(SigningSettings::default())
            .build()
            .unwrap()
            .into();
        let url = format!("https://{}{}", post.host, post.path);
        let headers = [("host", post.host), post.header];
        let request = SignableRequest::new("POST", url, headers.into_iter(), SignableBody::Bytes(post.body)).unwrap();
        let (instructions, _) = sign(request, &params).unwrap().into_parts();
        let header = |name: &str| {
            instructions.headers().find(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).unwrap()
        };
        Signed { date: header("x-amz-date"), authorization: header("authorization") }
    }

    proptest! {
        #[test]
        fn a_signature_is_the_sdks(
            body in prop::collection::vec(any::<u8>(), 0..300),
            token in prop::option::of("[A-Za-z0-9+/=]{1,80}"),
            secret in "[A-Za-z0-9+/]{40}",
            seconds in 0..4_000_000_000_u64,
            queued in any::<bool>(),
        ) {
            let now = UNIX_EPOCH + Duration::from_secs(seconds);
            let (host, path) = ("lambda.eu-west-1.amazonaws.com", "/2015-03-31/functions/f/invocations");
            let header = if queued { ("x-amz-invocation-type", "Event") } else { TAIL };
            let post = Post { host, path, header, body: &body };
            let credentials = Credentials::new("AKIDEXAMPLE", secret, token, None, "test");
            let signer = Signer::new("eu-west-1");
            let expected = the_sdks(post, &credentials, "eu-west-1", now);
            prop_assert_eq!(&signer.sign(post, &credentials, now), &expected);
            // The key that is kept is the same key.
            prop_assert_eq!(&signer.sign(post, &credentials, now), &expected);
        }
    }

    #[test]
    fn timestamps_have_the_form_that_signatures_want() {
        assert_eq!(timestamp(0), "19700101T000000Z");
        assert_eq!(timestamp(1_769_903_999), "20260131T235959Z");
    }

    #[test]
    fn new_credentials_and_a_new_day_have_a_new_key() {
        let post = Post { host: "h", path: "/p", header: TAIL, body: b"" };
        let signer = Signer::new("us-east-1");
        let noon = UNIX_EPOCH + Duration::from_hours(12);
        for (now, secret) in [(noon, "a"), (noon, "b"), (noon + Duration::from_hours(24), "b"), (noon, "a")] {
            let credentials = Credentials::new("AKID", secret, None, None, "test");
            assert_eq!(signer.sign(post, &credentials, now), the_sdks(post, &credentials, "us-east-1", now));
        }
    }

    #[test]
    fn the_key_is_not_printed() {
        let signer = Signer::new("us-east-1");
        let credentials = Credentials::new("AKID", "PLANTED", None, None, "test");
        signer.sign(Post { host: "h", path: "/p", header: TAIL, body: b"" }, &credentials, SystemTime::now());
        assert!(!format!("{signer:?}").contains("PLANTED"));
    }
}
