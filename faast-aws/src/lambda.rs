//! The function itself: making it, waiting until it can be called, and its tags.

use std::time::{Duration, SystemTime};

use aws_sdk_lambda::types::{
    Architecture, Environment, EphemeralStorage, FunctionConfiguration, Runtime, State, TracingConfig, TracingMode,
    VpcConfig,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use faast_core::control::{Backoff, Ended, Pauses, RealTime, Step, wait};
use faast_core::function::{self, FunctionEntry};
use faast_core::provider::{DeploySpec, Mode};
use faast_core::worker::Mark;
use faast_core::{Arch, Error, ErrorKind};
use fastrand::Rng;

use crate::NAME;
use crate::classify::advice;
use crate::classify::control::{Cause, Meaning as _, Refusal};
use crate::clients::upload_timeouts;
use crate::code::Code;
use crate::config::Settings;
use crate::estate::{Estate, Stop};
use crate::resource::Kind;
use crate::role::Role;
use crate::tags;

/// Lambda's longest time-out.
pub(crate) const LONGEST: Duration = Duration::from_mins(15);

/// What a worker has left, after a call's time-out, to say so.
pub(crate) const TO_SAY_SO: Duration = Duration::from_secs(2);

/// Memory where nothing is asked for: one whole vCPU.
pub(crate) const ONE_VCPU_MB: u32 = 1769;

/// `/tmp` where nothing is asked for; it costs nothing.
pub(crate) const FREE_STORAGE_MB: u32 = 512;

/// Pauses between two looks at a function that is being made, which takes one to three seconds as a rule.
const ACTIVE: Backoff = Backoff {
    first: Duration::from_millis(200),
    factor: 1.5,
    most: Duration::from_secs(1),
    total: Duration::from_mins(5),
};

/// Pauses between two attempts with a role that Lambda does not know yet. Each attempt carries the archive again.
pub(crate) fn role_known(total: Duration) -> Backoff {
    Backoff { first: Duration::from_secs(1), factor: 1.6, most: Duration::from_secs(10), total }
}

/// What a function is made from.
#[derive(Debug)]
pub(crate) struct NewFunction<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) spec: &'a DeploySpec,
    pub(crate) arch: Arch,
    pub(crate) code: &'a Code,
    /// sha256 of the archive: an upload may be damaged on its way, and Lambda says what it got.
    pub(crate) sha256: [u8; 32],
}

impl NewFunction<'_> {
    /// Asks for the function until Lambda knows the role.
    pub(crate) async fn create(&self, estate: &Estate, role: &Role) -> Result<FunctionConfiguration, Stop> {
        estate.go_on()?;
        // From the first execution on, a worker may make the bucket too.
        estate.intend(Kind::Bucket);
        estate.intend(Kind::Function);
        let pauses = Pauses::new(role_known(role.wait), Rng::new());
        let made = wait(&RealTime::start(), pauses, &estate.halt, || async {
            match self.request(estate, role).await {
                Ok(made) => Step::Done(made),
                Err(refusal) if matches!(refusal.cause(), Cause::RoleNotReady | Cause::Busy) => Step::NotYet(refusal),
                Err(refusal) => Step::Failed(refusal),
            }
        })
        .await;
        match made {
            Ok(made) => {
                estate.confirm(Kind::Function);
                self.verified(made)
            }
            Err(Ended::Failed(refusal)) if refusal.cause() == Cause::Exists => self.own(estate, refusal).await,
            Err(Ended::Failed(refusal) | Ended::TimeUp(refusal)) => {
                let secrets = self.spec.env.iter().map(|(_, value)| value.as_str());
                Err(estate.refused(Kind::Function, refusal.without(secrets)).into())
            }
            Err(Ended::Halted) => Err(Stop::Halted),
        }
    }

    async fn request(&self, estate: &Estate, role: &Role) -> Result<FunctionConfiguration, Refusal> {
        let (settings, spec) = (self.settings, self.spec);
        let environment = Environment::builder().set_variables(Some(spec.env.iter().cloned().collect())).build();
        let vpc = settings.vpc.as_ref().map(|vpc| {
            let groups = Some(vpc.security_groups.clone());
            VpcConfig::builder().set_subnet_ids(Some(vpc.subnets.clone())).set_security_group_ids(groups).build()
        });
        let storage = settings.ephemeral_storage_mb.unwrap_or(FREE_STORAGE_MB);
        let request = estate
            .clients
            .lambda
            .create_function()
            .function_name(&estate.name)
            .runtime(Runtime::Providedal2023)
            .handler(Mark::for_child(NAME).to_string())
            .role(&role.arn)
            .code(self.code.describe(estate))
            .architectures(architecture(self.arch))
            .memory_size(clamped(spec.memory_mb.unwrap_or(ONE_VCPU_MB)))
            .timeout(clamped(timeout_seconds(spec, function::all().any(FunctionEntry::streams))))
            .set_description(spec.description.clone())
            .set_environment((!spec.env.is_empty()).then_some(environment))
            .set_vpc_config(vpc)
            .set_layers((!settings.layers.is_empty()).then(|| settings.layers.clone()))
            .set_ephemeral_storage(EphemeralStorage::builder().size(clamped(storage)).build().ok())
            .tracing_config(TracingConfig::builder().mode(TracingMode::PassThrough).build())
            .set_tags(Some(estate.tags.to_map()));
        let timeouts = upload_timeouts(self.code.len());
        let config = aws_sdk_lambda::config::Builder::default().timeout_config(timeouts);
        estate.clients.pace.turn().await;
        let made = request.customize().config_override(config).send().await.meaning("lambda:CreateFunction")?;
        Ok(FunctionConfiguration::builder()
            .set_function_arn(made.function_arn)
            .set_code_sha256(made.code_sha256)
            .set_state(made.state)
            .set_state_reason(made.state_reason)
            .set_state_reason_code(made.state_reason_code)
            .build())
    }

    /// The name is taken: by an attempt of ours whose answer was lost, or by somebody else.
    async fn own(&self, estate: &Estate, taken: Refusal) -> Result<FunctionConfiguration, Stop> {
        let request = estate.clients.lambda.get_function().function_name(&estate.name);
        let found = request.send().await.meaning("lambda:GetFunction")?;
        // Who may not list tags gets none: whose it is can't be told, and the name has an id that nobody else knows.
        let Some(tags) = found.tags else { return Err(taken.into()) };
        let ours = tags::belongs_to(&estate.id, tags.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        match found.configuration {
            Some(configuration) if ours => self.verified(configuration),
            _ => {
                estate.gone(Kind::Function);
                Err(taken.into())
            }
        }
    }

    fn verified(&self, made: FunctionConfiguration) -> Result<FunctionConfiguration, Stop> {
        match made.code_sha256() {
            Some(got) if got != STANDARD.encode(self.sha256) => {
                Err(Error::new(ErrorKind::Deploy, "the archive arrived damaged: Lambda's sha256 of it is another")
                    .with_hint("deploy again; if it stays so, look at the proxy on the way")
                    .into())
            }
            _ => Ok(made),
        }
    }
}

/// Waits until a function that was made can be called.
pub(crate) async fn until_active(estate: &Estate, made: &FunctionConfiguration) -> Result<(), Stop> {
    // The answer that made it may say already that it is, or that it failed.
    match active(made) {
        Step::Done(()) if made.state() == Some(&State::Active) => return Ok(()),
        Step::Failed(error) => return Err(error.into()),
        _ => {}
    }
    let clock = RealTime::start();
    let active = wait(&clock, Pauses::new(ACTIVE, Rng::new()), &estate.halt, || async {
        // GetFunction has a limit of its own, far above that of the other calls.
        let request = estate.clients.lambda.get_function().function_name(&estate.name);
        match request.send().await.meaning("lambda:GetFunction") {
            Ok(found) => found.configuration.as_ref().map_or(Step::Done(()), active),
            Err(refusal) if refusal.cause() == Cause::Gone => Step::NotYet(refusal.into()),
            Err(refusal) => Step::Failed(refusal.into()),
        }
    });
    match active.await {
        Ok(()) => Ok(()),
        Err(Ended::Halted) => Err(Stop::Halted),
        Err(Ended::Failed(error)) => Err(error.into()),
        Err(Ended::TimeUp(last)) => {
            let minutes = ACTIVE.total.as_secs() / 60;
            Err(Error::new(ErrorKind::Deploy, format!("the function was not active after {minutes} minutes"))
                .with_hint(
                    "look at the AWS health page, and at the network of `.vpc(..)` if there is one; then deploy again",
                )
                .with_source(last)
                .into())
        }
    }
}

/// Whether a function can be called.
fn active(configuration: &FunctionConfiguration) -> Step<(), Error> {
    let reason = configuration.state_reason().unwrap_or("no reason was given").trim_end_matches('.');
    let code = configuration.state_reason_code().map_or("no code", |code| code.as_str());
    match configuration.state() {
        Some(State::Failed) => Step::Failed(
            Error::new(ErrorKind::Deploy, format!("Lambda could not make the function: {reason} ({code})"))
                .with_hint(advice::for_state(code)),
        ),
        Some(State::Pending) => {
            Step::NotYet(Error::new(ErrorKind::Deploy, format!("the function is pending: {reason} ({code})")))
        }
        _ => Step::Done(()),
    }
}

fn architecture(arch: Arch) -> Architecture {
    if arch == Arch::Arm64 { Architecture::Arm64 } else { Architecture::X8664 }
}

/// Checked values are far below the largest that the API's type holds.
fn clamped(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

/// The function's own time-out: a request's calls one after another, and then time to say what went wrong. A generator
/// has a time-out between its items, and none as a whole, so that it gets all there is; in queue mode none is called.
fn timeout_seconds(spec: &DeploySpec, generators: bool) -> u32 {
    if generators && spec.mode != Mode::Queue {
        return seconds_up(LONGEST);
    }
    let calls = u32::try_from(spec.batch).unwrap_or(u32::MAX);
    seconds_up(spec.timeout.saturating_mul(calls).saturating_add(TO_SAY_SO).min(LONGEST))
}

fn seconds_up(duration: Duration) -> u32 {
    let up = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    u32::try_from(up).unwrap_or(u32::MAX)
}

/// Moves the function's time of expiry.
pub(crate) async fn renew(estate: &Estate, arn: &str, until: SystemTime) -> Result<(), Refusal> {
    estate.clients.pace.turn().await;
    let request = estate.clients.lambda.tag_resource().resource(arn).tags(tags::EXPIRES, tags::seconds(until));
    request.send().await.meaning("lambda:TagResource").map(drop)
}

#[cfg(test)]
mod tests {
    use aws_sdk_lambda::types::StateReasonCode;
    use faast_core::provider::DeploymentId;

    use super::*;

    #[test]
    fn the_time_out_leaves_time_to_say_what_went_wrong() {
        let mut spec = DeploySpec::new(DeploymentId::random());
        spec.timeout = Duration::from_millis(1500);
        assert_eq!(timeout_seconds(&spec, false), 4);
        assert_eq!(timeout_seconds(&spec, true), 900);
        spec.batch = 10;
        assert_eq!(timeout_seconds(&spec, false), 17);
        spec.timeout = Duration::from_mins(5);
        assert_eq!(timeout_seconds(&spec, false), 900);
    }

    #[test]
    fn a_failed_function_says_why() {
        let failed = FunctionConfiguration::builder()
            .state(State::Failed)
            .state_reason("The subnet has no free addresses.")
            .state_reason_code(StateReasonCode::SubnetOutOfIpAddresses)
            .build();
        let Step::Failed(error) = active(&failed) else { panic!("not failed") };
        assert!(error.message().contains("no free addresses (SubnetOutOfIPAddresses)"), "{error}");
        assert!(error.hint().is_some_and(|hint| hint.contains("subnet")));
    }

    #[test]
    fn a_role_that_is_known_after_a_minute_costs_few_attempts() {
        let mut pauses = Pauses::new(role_known(Duration::from_mins(5)), Rng::with_seed(1));
        let (mut elapsed, mut attempts) = (Duration::ZERO, 1);
        while elapsed < Duration::from_mins(1) {
            elapsed += pauses.next(elapsed).unwrap();
            attempts += 1;
        }
        assert!((6..=16).contains(&attempts), "{attempts} attempts");
        assert!(elapsed < Duration::from_secs(75), "{elapsed:?}");
    }
}
