//! Who asks, and from where: the region and the credentials with their sources, the account, the endpoint, the clock.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::meta::region::ProvideRegion as _;
use aws_config::profile::region::ProfileFileRegionProvider;
use aws_credential_types::credential_feature::AwsCredentialFeature;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_lambda::config::Credentials;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::DateTime;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::date_time::Format;
use aws_types::SdkConfig;
use faast_core::control::chain;
use faast_core::provider::Finding;
use faast_core::{Error, Result};

use crate::classify::advice;
use crate::classify::control::{Cause, Meaning as _, Refusal};
use crate::clients::{self, Clients};
use crate::config::Settings;
use crate::permission::Place;

/// A clock that is further off than this has its signatures refused, by some services at once.
const REFUSED: Duration = Duration::from_mins(5);

/// A clock that is further off than this should be set; the header has whole seconds, and an answer takes a moment.
const NOTICED: Duration = Duration::from_mins(1);

/// Who asks, once that is known.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) clients: Clients,
    pub(super) place: Place,
    /// The caller's ARN, as STS has it.
    pub(super) arn: String,
}

/// Looks at everything that comes before the account; `None` if nothing can be asked there.
pub(super) async fn find(settings: &Settings) -> Result<(Vec<Finding>, Option<Identity>)> {
    let sdk = clients::config(settings, clients::ASKING).await?;
    let mut findings = Vec::new();
    let region = region(settings, &sdk, &mut findings).await;
    let can_be_asked = endpoint(&sdk, &mut findings);
    let has_credentials = credentials(&sdk, &mut findings).await;
    let Some(region) = region.filter(|_| can_be_asked && has_credentials) else { return Ok((findings, None)) };
    let clients = Clients::new(sdk, region);
    let identity = caller(clients, &mut findings).await;
    Ok((findings, identity))
}

async fn region(settings: &Settings, sdk: &SdkConfig, findings: &mut Vec<Finding>) -> Option<String> {
    let region = match clients::region_of(sdk) {
        Ok(region) => region,
        Err(error) => {
            findings.push(problem("region", &error));
            return None;
        }
    };
    let source = if settings.region.is_some() {
        "given"
    } else if EnvironmentVariableRegionProvider::new().region().await.is_some() {
        "from the environment"
    } else if ProfileFileRegionProvider::new().region().await.is_some() {
        "from the profile"
    } else {
        "from the machine's metadata"
    };
    findings.push(Finding::good("region", &region, format!("{region}, {source}")).with_fact("source", source));
    Some(region)
}

fn endpoint(sdk: &SdkConfig, findings: &mut Vec<Finding>) -> bool {
    let Some(url) = sdk.endpoint_url() else { return true };
    let checked = clients::check_endpoint(Some(url));
    let text = format!("everything is asked at `{url}`");
    findings.push(match &checked {
        Ok(()) => Finding::note("endpoint", "all", text).with_fact("url", url),
        Err(error) => problem("endpoint", error),
    });
    checked.is_ok()
}

fn problem(topic: &'static str, error: &Error) -> Finding {
    let finding = Finding::problem(topic, "", error.message());
    match error.hint() {
        Some(hint) => finding.with_hint(hint),
        None => finding,
    }
}

async fn credentials(sdk: &SdkConfig, findings: &mut Vec<Finding>) -> bool {
    let provided = match sdk.credentials_provider() {
        Some(provider) => provider.provide_credentials().await,
        None => Err(CredentialsError::not_loaded_no_source()),
    };
    match provided {
        Ok(credentials) => {
            findings.push(of_source(&credentials));
            true
        }
        Err(error) => {
            let (text, hint) = match &error {
                CredentialsError::CredentialsNotLoaded(_) => ("there are none".to_owned(), Cause::NoCredentials),
                // Its sources show what a profile runs or where it asks, and no keys.
                other => (format!("their source failed: {}", chain(other)), Cause::ExpiredToken),
            };
            let hint = advice::what_to_do("", hint, "");
            findings.push(Finding::problem("credentials", "", text).with_hint(hint));
            false
        }
    }
}

fn of_source(credentials: &Credentials) -> Finding {
    // The SDK notes it for its own statistics; where it does not, nothing but the words are less exact.
    let source = credentials.get_property::<Vec<AwsCredentialFeature>>().and_then(|features| source_of(features));
    let source = source.unwrap_or("given in code, or from a source that does not say");
    let kind = if credentials.session_token().is_some() { "temporary" } else { "without expiry" };
    Finding::good("credentials", "", format!("{source}, {kind}")).with_fact("source", source)
}

/// The sources are noted from the innermost outwards; the last that is known is the one that people set up.
fn source_of(features: &[AwsCredentialFeature]) -> Option<&'static str> {
    use AwsCredentialFeature as Feature;
    features.iter().rev().find_map(|feature| match feature {
        Feature::CredentialsEnvVars => Some("from environment variables"),
        Feature::CredentialsProfile
        | Feature::CredentialsProfileSourceProfile
        | Feature::CredentialsProfileNamedProvider => Some("from the profile"),
        Feature::CredentialsSso | Feature::CredentialsProfileSso => Some("from single sign-on"),
        Feature::CredentialsProcess | Feature::CredentialsProfileProcess => Some("from the profile's command"),
        Feature::CredentialsImds => Some("from the machine's metadata"),
        Feature::CredentialsHttp => Some("from the container"),
        Feature::CredentialsEnvVarsStsWebIdToken
        | Feature::CredentialsProfileStsWebIdToken
        | Feature::CredentialsStsAssumeRoleWebId => Some("from a web identity token"),
        Feature::CredentialsStsAssumeRole => Some("from a role that was assumed"),
        _ => None,
    })
}

async fn caller(clients: Clients, findings: &mut Vec<Finding>) -> Option<Identity> {
    let date = Date::default();
    let sts = aws_sdk_sts::Client::new(&clients.sdk);
    let before = SystemTime::now();
    let answer = sts.get_caller_identity().customize().interceptor(date.clone()).send().await;
    findings
        .extend(date.seen().map(|(server, now)| clock(server, now, now.duration_since(before).unwrap_or_default())));
    match answer.meaning("sts:GetCallerIdentity") {
        Ok(answer) => {
            let (arn, account) = (answer.arn.unwrap_or_default(), answer.account.unwrap_or_default());
            let partition = arn.split(':').nth(1).unwrap_or("aws").to_owned();
            findings.push(
                Finding::good("account", &account, format!("{account}, as `{arn}`")).with_fact("principal", &arn),
            );
            let place = Place { partition, region: clients.region.clone(), account, principal: None };
            Some(Identity { clients, place, arn })
        }
        Err(refusal) => {
            findings.push(refused(&refusal));
            None
        }
    }
}

/// What it means that not even this could be asked, which needs no permission.
pub(super) fn refused(refusal: &Refusal) -> Finding {
    let topic = match refusal.cause() {
        Cause::Unreachable | Cause::Unavailable | Cause::Throttled => "endpoint",
        Cause::Clock => "clock",
        _ => "credentials",
    };
    Finding::problem(topic, refusal.service(), refusal.to_string()).with_hint(refusal.advice())
}

/// How far this machine's clock is off.
fn clock(server: SystemTime, now: SystemTime, took: Duration) -> Finding {
    let (off, direction) = match server.duration_since(now) {
        Ok(behind) => (behind, "behind"),
        Err(ahead) => (ahead.duration(), "ahead"),
    };
    // The answer was given somewhere within that time, and its header leaves parts of a second out.
    let off = off.saturating_sub(took + Duration::from_secs(1));
    let text = format!("this machine's clock is {} s {direction}", off.as_secs());
    let hint = advice::what_to_do("", Cause::Clock, "");
    let finding = if off > REFUSED {
        Finding::problem("clock", "", text).with_hint(hint)
    } else if off > NOTICED {
        Finding::warning("clock", "", text).with_hint(hint)
    } else {
        Finding::good("clock", "", "as the service's")
    };
    finding.with_fact("seconds_off", &off.as_secs())
}

/// Notes the `Date` of the first answer, and when it came. The SDK corrects a wrong clock by itself where it can; the
/// invocations, which faast signs, go by this machine's.
#[derive(Debug, Clone, Default)]
struct Date(Arc<Mutex<Option<(SystemTime, SystemTime)>>>);

impl Date {
    fn seen(&self) -> Option<(SystemTime, SystemTime)> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Intercept for Date {
    fn name(&self) -> &'static str {
        "Date"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> std::result::Result<(), BoxError> {
        let date =
            context.response().headers().get("date").and_then(|it| DateTime::from_str(it, Format::HttpDate).ok());
        if let Some(server) = date.and_then(|date| SystemTime::try_from(date).ok()) {
            let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            first.get_or_insert((server, SystemTime::now()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use faast_core::provider::Verdict;

    use super::*;

    #[test]
    fn a_clock_is_judged_by_how_far_it_is_off() {
        let now = SystemTime::now();
        let off = |server: SystemTime| clock(server, now, Duration::from_secs(1));
        assert_eq!(off(now).verdict, Verdict::Good);
        assert_eq!(off(now - Duration::from_secs(62)).verdict, Verdict::Good);
        assert_eq!(off(now - Duration::from_secs(90)).verdict, Verdict::Warning);
        let behind = off(now + Duration::from_mins(20));
        assert_eq!(behind.verdict, Verdict::Problem);
        assert!(behind.text.ends_with("1198 s behind"), "{behind:?}");
        assert!(off(now - Duration::from_mins(20)).text.ends_with("1198 s ahead"));
    }

    #[test]
    fn the_source_is_the_one_that_people_set_up() {
        use AwsCredentialFeature as Feature;
        assert_eq!(source_of(&[Feature::CredentialsEnvVars]), Some("from environment variables"));
        assert_eq!(source_of(&[Feature::CredentialsSso, Feature::CredentialsProfile]), Some("from the profile"));
        assert_eq!(source_of(&[Feature::ResolvedAccountId]), None);
    }
}
