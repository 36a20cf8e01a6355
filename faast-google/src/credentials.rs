//! Who calls: tokens of whatever credentials there are, for Google's services and for the deployed one.
//!
//! A client has what Google's libraries call application default credentials: a file that a variable names, else the one that
//! `gcloud auth application-default login` writes, else the metadata server of the machine. A worker has the metadata
//! server's alone, which [`metadata`] asks without any part of the SDK. Tokens are cached by whoever makes them, and nothing
//! here prints one.

mod metadata;
mod token;

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use faast_core::provider::variable;
use faast_core::{Error, ErrorKind, Result};
use google_cloud_auth::credentials::idtoken::{self, IDTokenCredentials};
use google_cloud_auth::credentials::{self as sdk, AccessTokenCredentials, CacheableResource, CredentialsProvider};
use google_cloud_auth::errors::CredentialsError;
use http::{Extensions, HeaderMap};
use serde_json::Value;

pub(crate) use self::metadata::MetadataServer;
use self::token::Maker;
pub(crate) use self::token::Token;

/// What every one of Google's services takes.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";

/// Names the file of the credentials.
const FILE: &str = "GOOGLE_APPLICATION_CREDENTIALS";

/// Where the metadata server is, if it is not where machines of Google have it.
const METADATA_HOST: &str = "GCE_METADATA_HOST";

/// The project that pays for calls, where it is another one than they are about.
const QUOTA_PROJECT: &str = "GOOGLE_CLOUD_QUOTA_PROJECT";

/// Something that no log and no error may show.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(Arc<str>);

impl Secret {
    pub(crate) fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that sends it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The credentials of a client or of a worker. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Credentials(Arc<Kind>);

#[derive(Debug)]
enum Kind {
    /// None, for an emulator on this machine.
    Anonymous,
    /// A client's.
    Default(Box<Default>),
    /// A worker's.
    Worker(MetadataServer),
}

/// Application default credentials.
struct Default {
    /// Replaced by whoever finds its tokens out of date.
    access: Mutex<Maker<AccessTokenCredentials>>,
    /// The credentials' file; `None` where the metadata server is asked.
    file: Option<Value>,
    quota_project: Option<String>,
    /// By audience, each with a cache of its own.
    identities: Mutex<HashMap<String, Maker<IDTokenCredentials>>>,
}

impl fmt::Debug for Default {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Default").field("kind", &self.kind()).finish_non_exhaustive()
    }
}

impl Default {
    /// The type that the file says.
    fn kind(&self) -> &str {
        self.file.as_ref().map_or("metadata server", |file| text(file, "type").unwrap_or("unknown"))
    }

    /// Whether there are credentials at all. Without a file there may be no metadata server either, which looks like one that
    /// is out of reach.
    fn is_sure<C>(&self, maker: &Maker<C>) -> bool {
        let kinds = ["authorized_user", "service_account", "impersonated_service_account", "external_account"];
        kinds.contains(&self.kind()) || maker.were_taken()
    }

    fn access(&self) -> Maker<AccessTokenCredentials> {
        lock(&self.access).clone()
    }

    fn identity(&self, audience: &str) -> Result<Maker<IDTokenCredentials>> {
        let mut identities = lock(&self.identities);
        if let Some(known) = identities.get(audience) {
            return Ok(known.clone());
        }
        let file = self.file.clone().unwrap_or_default();
        let built = match (&self.file, self.kind()) {
            // The SDK's own search refuses a developer's login, whose tokens are for the login's client and not for the
            // audience. Cloud Run takes those of gcloud's client.
            (_, "authorized_user") => idtoken::user_account::Builder::new(file).build(),
            (_, "service_account") => idtoken::service_account::Builder::new(audience, file).build(),
            (_, "impersonated_service_account") => {
                idtoken::impersonated::Builder::new(audience, file).with_include_email().build()
            }
            (None, _) => idtoken::mds::Builder::new(audience).with_format(idtoken::mds::Format::Full).build(),
            _ => return Err(self.can_not_identify()),
        };
        let built = Maker::new(built.map_err(|error| self.can_not_identify().with_source(error))?);
        identities.insert(audience.to_owned(), built.clone());
        Ok(built)
    }

    fn can_not_identify(&self) -> Error {
        let text = format!("credentials of the kind `{}` can't say who calls", self.kind());
        Error::new(ErrorKind::Unsupported, text).with_hint("call `.invoker_secret()`")
    }
}

impl Credentials {
    /// What there is; none at all is taken only where the endpoint is an emulator on this machine.
    pub(crate) fn find(moved: Option<&str>) -> Result<Self> {
        let file = read_file()?;
        if let (Some(url), None, None) = (moved, &file, variable(METADATA_HOST)) {
            return if url.starts_with("http://") {
                Ok(Self::anonymous())
            } else {
                Err(Error::new(ErrorKind::Denied, format!("there are no credentials for `{url}`")).with_hint(LOG_IN))
            };
        }
        Self::of_file(file)
    }

    /// Those of a file; without one, those of this machine's metadata server.
    pub(crate) fn of_file(file: Option<Value>) -> Result<Self> {
        let access = access(file.as_ref()).map_err(|error| {
            Error::new(ErrorKind::Denied, "the credentials can't be used").with_source(error).with_hint(LOG_IN)
        })?;
        let named = file.as_ref().and_then(|file| text(file, "quota_project_id")).map(ToOwned::to_owned);
        let quota_project = variable(QUOTA_PROJECT).or(named);
        Ok(Self(Arc::new(Kind::Default(Box::new(Default {
            access: Mutex::new(Maker::new(access)),
            file,
            quota_project,
            identities: Mutex::default(),
        })))))
    }

    /// None at all: requests go without a token.
    pub(crate) fn anonymous() -> Self {
        Self(Arc::new(Kind::Anonymous))
    }

    /// Those of the service account that this worker runs as.
    pub(crate) fn of_worker(server: MetadataServer) -> Self {
        Self(Arc::new(Kind::Worker(server)))
    }

    /// A token for Google's services; `None` where requests go without one.
    pub(crate) async fn access_token(&self) -> Result<Option<Token>> {
        match &*self.0 {
            Kind::Anonymous => Ok(None),
            Kind::Default(own) => {
                let maker = own.access();
                let token = maker.credentials.access_token().await;
                let token = token.map_err(|error| no_token("there is no access token", error, own.is_sure(&maker)))?;
                Ok(Some(maker.token(token.token)))
            }
            Kind::Worker(server) => Ok(Some(Maker::new(()).token(server.access_token().await?.expose()))),
        }
    }

    /// Such a token was refused: whether another one may do, because this one is out of date.
    pub(crate) fn renew_access(&self, refused: &Token) -> bool {
        let Kind::Default(own) = &*self.0 else { return false };
        if !refused.was_taken() {
            return false;
        }
        let mut maker = lock(&own.access);
        if maker.has_made(refused) {
            // What could be made once, of the same file.
            let Ok(anew) = access(own.file.as_ref()) else { return false };
            *maker = Maker::new(anew);
        }
        true
    }

    /// The same for a token that says who calls.
    pub(crate) fn renew_identity(&self, audience: &str, refused: &Token) -> bool {
        let Kind::Default(own) = &*self.0 else { return false };
        let mut identities = lock(&own.identities);
        if refused.was_taken() && identities.get(audience).is_some_and(|maker| maker.has_made(refused)) {
            identities.remove(audience);
        }
        refused.was_taken()
    }

    /// A token that says who calls, for a service of one's own.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`] where credentials of this kind can't make one.
    pub(crate) async fn identity_token(&self, audience: &str) -> Result<Token> {
        let Kind::Default(own) = &*self.0 else {
            return Err(Error::new(ErrorKind::Unsupported, format!("there is nobody to identify for `{audience}`")));
        };
        let maker = own.identity(audience)?;
        let token = maker.credentials.id_token().await;
        let is_sure = own.is_sure(&maker);
        Ok(maker.token(token.map_err(|error| no_token("there is no identity token", error, is_sure))?))
    }

    /// Whether these credentials can say who calls; otherwise the deployment has a secret.
    pub(crate) fn can_identify(&self) -> bool {
        match &*self.0 {
            Kind::Default(own) => !matches!(own.kind(), "external_account" | "gdch_service_account"),
            Kind::Anonymous | Kind::Worker(_) => false,
        }
    }

    /// What kind they are, for people.
    pub(crate) fn kind(&self) -> &str {
        match &*self.0 {
            Kind::Anonymous => "none",
            Kind::Default(own) => own.kind(),
            Kind::Worker(_) => "metadata server",
        }
    }

    /// The e-mail address of the service account, where the credentials are one's and say so.
    pub(crate) fn email(&self) -> Option<&str> {
        let Kind::Default(own) = &*self.0 else { return None };
        text(own.file.as_ref()?, "client_email")
    }

    /// The project that pays for calls, where it is another one than they are about.
    pub(crate) fn quota_project(&self) -> Option<&str> {
        let Kind::Default(own) = &*self.0 else { return None };
        own.quota_project.as_deref()
    }

    /// The project that the credentials name: a service account's own, a login's for quotas, the machine's.
    pub(crate) async fn project(&self) -> Option<String> {
        let Kind::Default(own) = &*self.0 else { return None };
        match &own.file {
            Some(file) => text(file, "project_id").or(own.quota_project.as_deref()).map(ToOwned::to_owned),
            None => MetadataServer::of_machine().project().await.ok(),
        }
    }

    /// The same credentials for the SDK's clients, which go on with those that are made later.
    pub(crate) fn for_sdk(&self) -> sdk::Credentials {
        match &*self.0 {
            Kind::Default(_) => Latest(self.clone()).into(),
            Kind::Anonymous | Kind::Worker(_) => sdk::anonymous::Builder::new().build(),
        }
    }
}

/// What makes access tokens now, as the SDK asks for it.
#[derive(Debug)]
struct Latest(Credentials);

impl Latest {
    fn access(&self) -> Result<AccessTokenCredentials, CredentialsError> {
        match &*self.0.0 {
            Kind::Default(own) => Ok(own.access().credentials),
            Kind::Anonymous | Kind::Worker(_) => Err(CredentialsError::from_msg(false, "there are no credentials")),
        }
    }
}

impl CredentialsProvider for Latest {
    async fn headers(&self, extensions: Extensions) -> Result<CacheableResource<HeaderMap>, CredentialsError> {
        self.access()?.headers(extensions).await
    }

    async fn universe_domain(&self) -> Option<String> {
        self.access().ok()?.universe_domain().await
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const LOG_IN: &str = "run `gcloud auth application-default login`, or let `GOOGLE_APPLICATION_CREDENTIALS` name the file of \
                      a service account's key";

const UNREACHABLE: &str =
    "check the network and a proxy: whoever gives tokens could not be reached, or failed in passing";

/// The SDK asks once, and keeps the error for ten seconds: whoever wants a token has to ask again if it passes.
fn no_token(text: &str, error: CredentialsError, is_sure: bool) -> Error {
    if is_sure && error.is_transient() {
        return Error::new(ErrorKind::Unavailable, text).with_source(error).with_hint(UNREACHABLE);
    }
    Error::new(ErrorKind::Denied, text).with_source(error).with_hint(LOG_IN)
}

/// Access tokens by the file's type. The SDK finds the file by itself too; one reading serves all that is asked of it.
fn access(file: Option<&Value>) -> Result<AccessTokenCredentials, google_cloud_auth::build_errors::Error> {
    let Some(file) = file else {
        return sdk::mds::Builder::default().with_scopes([SCOPE]).build_access_token_credentials();
    };
    let json = file.clone();
    match text(file, "type") {
        Some("authorized_user") => sdk::user_account::Builder::new(json).build_access_token_credentials(),
        Some("service_account") => {
            let scope = sdk::service_account::AccessSpecifier::from_scopes([SCOPE]);
            sdk::service_account::Builder::new(json).with_access_specifier(scope).build_access_token_credentials()
        }
        Some("impersonated_service_account") => {
            sdk::impersonated::Builder::new(json).with_scopes([SCOPE]).build_access_token_credentials()
        }
        Some("external_account") => {
            sdk::external_account::Builder::new(json).with_scopes([SCOPE]).build_access_token_credentials()
        }
        // It says what it does not take.
        _ => sdk::Builder::default().with_scopes([SCOPE]).build_access_token_credentials(),
    }
}

fn text<'j>(json: &'j Value, name: &str) -> Option<&'j str> {
    json.get(name).and_then(Value::as_str)
}

/// The credentials' file, from where the SDK takes it, which keeps its own reading to itself.
fn read_file() -> Result<Option<Value>> {
    let named = variable(FILE).map(PathBuf::from);
    let is_named = named.is_some();
    let usual = || Some(PathBuf::from(variable("HOME")?).join(".config/gcloud/application_default_credentials.json"));
    let Some(path) = named.or_else(usual) else { return Ok(None) };
    let unreadable = |error: Box<dyn std::error::Error + Send + Sync>| {
        let text = format!("the credentials in `{}` can't be read", path.display());
        Error::new(ErrorKind::Denied, text).with_source(error).with_hint(LOG_IN)
    };
    match fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| unreadable(error.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !is_named => Ok(None),
        Err(error) => Err(unreadable(error.into())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn credentials_are_made_anew_once_for_tokens_that_were_taken_before() {
        let login = json!({
            "type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "r",
            "token_uri": "http://127.0.0.1:1/token",
        });
        let credentials = Credentials::of_file(Some(login)).unwrap();
        let Kind::Default(own) = &*credentials.0 else { unreachable!() };
        let (first, other) = (own.access().token("a"), own.access().token("b"));
        assert!(!credentials.renew_access(&first), "never taken: the refusal is meant");
        first.taken();
        assert!(credentials.renew_access(&first) && credentials.renew_access(&other), "all tokens of that time");
        assert!(!credentials.renew_access(&own.access().token("c")));

        let (first, other) = (own.identity("x").unwrap().token("a"), own.identity("x").unwrap().token("b"));
        assert!(!credentials.renew_identity("x", &first));
        first.taken();
        assert!(credentials.renew_identity("x", &first) && credentials.renew_identity("x", &other));
        assert!(!credentials.renew_identity("x", &own.identity("x").unwrap().token("c")));
    }
}
