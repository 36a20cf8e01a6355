//! The service itself: making it, waiting until it is ready, who may call it, and its labels.
//!
//! What it tells its workers, besides the user's environment, is in the variables below; its name is in `K_SERVICE`.
//! Everything that Cloud Run has another default for than faast wants is said: an instance has one request at a time, and
//! a processor only while it has one, because otherwise all of its life is billed.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use faast_core::control::Ended;
use faast_core::function::{self, FunctionEntry};
use faast_core::log::Channel;
use faast_core::provider::{DeploySpec, Mode};
use faast_core::worker::Mark;
use faast_core::{CancelToken, Error, ErrorKind};
use google_cloud_run_v2::model::condition::State;
use google_cloud_run_v2::model::vpc_access::{NetworkInterface, VpcEgress};
use google_cloud_run_v2::model::{
    Container, ContainerPort, EnvVar, ExecutionEnvironment, IngressTraffic, ResourceRequirements, RevisionScaling,
    RevisionTemplate, Service, VpcAccess, env_var,
};
use google_cloud_wkt::FieldMask;
use reqwest::Method;
use serde_json::json;
use tokio::sync::Notify;

use crate::NAME;
use crate::check::Size;
use crate::classify::control::{Cause, Meaning as _, Refusal, Told, canonical};
use crate::clients::Clients;
use crate::config::Settings;
use crate::credentials::Secret;
use crate::endpoint;
use crate::estate::{Estate, Stop};
use crate::label;
use crate::operation::{self, Outcome};
use crate::resource::Kind;
use crate::rest::again;

/// The secret that requests have to bring, where IAM does not guard the service.
pub(crate) const SECRET: &str = "FAAST_SECRET";

/// The project's id, for topics.
pub(crate) const PROJECT: &str = "FAAST_GOOGLE_PROJECT";

/// Memory of one worker in MiB, for its own watch.
pub(crate) const MEMORY_MB: &str = "FAAST_MEMORY_MB";

/// Cloud Run's longest time-out.
pub(crate) const LONGEST: Duration = Duration::from_hours(1);

/// What a worker has left, after a call's time-out, to say so.
pub(crate) const TO_SAY_SO: Duration = Duration::from_secs(2);

/// The port that Cloud Run tells the worker.
const PORT: i32 = 8080;

/// Memory in MiB that the second generation's sandbox needs.
const SECOND_GENERATION_MB: u32 = 512;

const CREATE: &str = "run.services.create";

/// What a service is made from.
#[derive(Debug)]
pub(crate) struct NewService<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) spec: &'a DeploySpec,
    pub(crate) size: Size,
    /// The image, by its digest.
    pub(crate) image: &'a str,
    /// Arguments that make the program a worker, before faast's mark.
    pub(crate) launch_args: &'a [String],
    /// What requests have to bring, where IAM does not guard the service.
    pub(crate) secret: Option<&'a Secret>,
    /// Is told when the service is there, ready or not.
    pub(crate) created: &'a Notify,
}

/// Why there is no service that is ready.
#[derive(Debug)]
enum Failed {
    /// It was refused, and nothing was made unless the refusal leaves that open.
    AtOnce(Refusal),
    /// The operation failed: the service is there.
    Later(Refusal),
    Halted,
}

impl From<Ended<Refusal>> for Failed {
    fn from(ended: Ended<Refusal>) -> Self {
        match ended {
            Ended::Failed(refusal) | Ended::TimeUp(refusal) => Self::Later(refusal),
            Ended::Halted => Self::Halted,
        }
    }
}

/// A service that is ready.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) uri: String,
    /// How many instances there may be: fewer than asked for, where the region's quota says so.
    pub(crate) instances: u32,
}

impl NewService<'_> {
    /// Makes the service, and waits until it is ready. Where the quota allows for fewer instances than asked for, it gets
    /// those, and the user is told.
    pub(crate) async fn make(&self, estate: &Estate) -> Result<Ready, Stop> {
        estate.go_on()?;
        // From the first request on, a worker may make the bucket too.
        estate.intend(Kind::Bucket);
        estate.intend(Kind::Service);
        let concurrency = u32::try_from(self.spec.concurrency).unwrap_or(u32::MAX);
        let mut instances = self.settings.max_instances.unwrap_or(concurrency).max(1);
        let mut is_there = false;
        loop {
            estate.go_on()?;
            let asked =
                if is_there { self.update(estate, instances).await } else { self.create(estate, instances).await };
            let (refusal, was_made) = match asked {
                Ok(service) => {
                    self.created.notify_one();
                    return ready(service, instances).map_err(Stop::from);
                }
                Err(Failed::Halted) => return Err(Stop::Halted),
                Err(Failed::AtOnce(refusal)) => (refusal.without(self.secrets()), false),
                Err(Failed::Later(refusal)) => (refusal.without(self.secrets()), true),
            };
            match refusal.cause() {
                Cause::Instances(most) if most > 0 && most < instances => {
                    let lower = "`.max_instances(..)` or `.concurrency(..)` says so without this warning";
                    faast_core::log!(
                        Channel::Warning,
                        "the quota of {} allows for {most} workers of this size, {instances} were asked for; {lower}",
                        estate.clients.region
                    );
                    instances = most;
                    // Cloud Run may refuse at once, or after it has made the service, which then has to be changed.
                    is_there = self.exists(estate).await?;
                }
                Cause::Exists if !is_there => {
                    if !self.exists(estate).await? {
                        return Err(refusal.into());
                    }
                    is_there = true;
                }
                // It is there, and of no use.
                _ if was_made || is_there => return Err(refusal.into()),
                _ => return Err(estate.refused(Kind::Service, refusal).into()),
            }
        }
    }

    async fn create(&self, estate: &Estate, instances: u32) -> Result<Service, Failed> {
        let (clients, service) = (&estate.clients, self.describe(estate, instances));
        let begun = again(clients.patience, &estate.halt, || async {
            clients.pace.turn().await;
            let request = clients.run.create_service().set_parent(clients.location()).set_service_id(&estate.name);
            request.set_service(service.clone()).send().await.meaning(CREATE)
        })
        .await
        .map_err(Failed::AtOnce)?;
        self.created.notify_one();
        until_done(clients, &estate.halt, CREATE, begun.name).await.map_err(Failed::from)
    }

    async fn update(&self, estate: &Estate, instances: u32) -> Result<Service, Failed> {
        const ACTION: &str = "run.services.update";
        let clients = &estate.clients;
        let service = self.describe(estate, instances).set_name(name(clients, &estate.name));
        let begun = again(clients.patience, &estate.halt, || async {
            clients.pace.turn().await;
            clients.run.update_service().set_service(service.clone()).send().await.meaning(ACTION)
        })
        .await
        .map_err(Failed::AtOnce)?;
        until_done(clients, &estate.halt, ACTION, begun.name).await.map_err(Failed::from)
    }

    /// Whether there is a service of this name that is this deployment's: an attempt's whose answer was lost, or one that
    /// was refused after it was made. Somebody else's is an error.
    async fn exists(&self, estate: &Estate) -> Result<bool, Stop> {
        match get(&estate.clients, &estate.name).await {
            Ok(found) => {
                let ours = label::belongs_to(&estate.id, pairs(&found.labels));
                if !ours {
                    estate.gone(Kind::Service);
                    let text = format!("there is a service `{}` that faast did not make", estate.name);
                    return Err(Error::new(ErrorKind::Deploy, text)
                        .with_hint("deploy again, which uses another name")
                        .into());
                }
                Ok(true)
            }
            Err(refusal) if refusal.cause() == Cause::Gone => Ok(false),
            Err(refusal) => Err(refusal.into()),
        }
    }

    /// The whole service. What is not said in here is Cloud Run's default.
    fn describe(&self, estate: &Estate, instances: u32) -> Service {
        let Self { settings, spec, size, .. } = self;
        let scaling = RevisionScaling::new().set_max_instance_count(clamped(instances));
        let mut template = RevisionTemplate::new()
            .set_containers([self.container(estate)])
            .set_scaling(scaling)
            .set_max_instance_request_concurrency(1)
            .set_labels(estate.labels.to_map());
        if let Ok(timeout) = google_cloud_wkt::Duration::try_from(timeout(spec)) {
            template = template.set_timeout(timeout);
        }
        if let Some(email) = &settings.service_account {
            template = template.set_service_account(email);
        }
        if let Some(vpc) = &settings.vpc {
            let interface = NetworkInterface::new().set_network(&vpc.network).set_subnetwork(&vpc.subnet);
            let access = VpcAccess::new().set_network_interfaces([interface]).set_egress(VpcEgress::PrivateRangesOnly);
            template = template.set_vpc_access(access);
        }
        if size.cpu >= 1.0 && size.memory_mb >= SECOND_GENERATION_MB {
            template = template.set_execution_environment(ExecutionEnvironment::Gen2);
        }
        Service::new()
            .set_labels(estate.labels.to_map())
            .set_description(spec.description.clone().unwrap_or_default())
            .set_ingress(IngressTraffic::All)
            .set_invoker_iam_disabled(self.secret.is_some())
            .set_template(template)
    }

    fn container(&self, estate: &Estate) -> Container {
        let Size { cpu, memory_mb } = self.size;
        let limits = HashMap::from([("cpu", cpu_text(cpu)), ("memory", format!("{memory_mb}Mi"))]);
        let mark = Mark::for_child(NAME).to_string();
        Container::new()
            .set_name("worker")
            .set_image(self.image)
            .set_args(self.launch_args.iter().cloned().chain([mark]))
            .set_env(
                self.env(estate)
                    .into_iter()
                    .map(|(name, value)| EnvVar::new().set_name(name).set_values(env_var::Values::Value(value))),
            )
            .set_ports([ContainerPort::new().set_container_port(PORT)])
            .set_resources(
                ResourceRequirements::new().set_limits(limits).set_cpu_idle(true).set_startup_cpu_boost(false),
            )
    }

    fn env(&self, estate: &Estate) -> Vec<(String, String)> {
        let mut env = self.spec.env.clone();
        env.push((PROJECT.into(), estate.clients.project.clone()));
        env.push((MEMORY_MB.into(), self.size.memory_mb.to_string()));
        env.extend(self.secret.map(|secret| (SECRET.to_owned(), secret.expose().to_owned())));
        let endpoints = estate.clients.rest.endpoints();
        for service in [endpoint::Service::Storage, endpoint::Service::PubSub] {
            let moved = endpoints.moved(service).map(ToOwned::to_owned);
            env.extend(moved.map(|url| (service.variable(), url)));
        }
        env
    }

    /// Values that a refusal may repeat.
    fn secrets(&self) -> impl Iterator<Item = &str> {
        let env = self.spec.env.iter().map(|(_, value)| value.as_str());
        env.chain(self.secret.map(Secret::expose))
    }
}

/// The service's name in Cloud Run's API.
pub(crate) fn name(clients: &Clients, name: &str) -> String {
    format!("{}/services/{name}", clients.location())
}

/// The service called `name` as it is now.
pub(crate) async fn get(clients: &Clients, called: &str) -> Result<Service, Refusal> {
    again(clients.patience, &CancelToken::new(), || async {
        clients.run.get_service().set_name(name(clients, called)).send().await.meaning("run.services.get")
    })
    .await
}

/// Moves the service's time of expiry. Labels alone make no new revision.
pub(crate) async fn renew(estate: &Estate, until: SystemTime) -> Result<(), Refusal> {
    let clients = &estate.clients;
    let labels = estate.labels.expiring(until).to_map();
    let service = Service::new().set_name(name(clients, &estate.name)).set_labels(labels);
    again(clients.patience, &CancelToken::new(), || async {
        clients.pace.turn().await;
        let request = clients.run.update_service().set_service(service.clone());
        request.set_update_mask(FieldMask::default().set_paths(["labels"])).send().await.meaning("run.services.update")
    })
    .await
    .map(drop)
}

/// Deletes the service, and waits until it is gone.
pub(crate) async fn delete(clients: &Clients, called: &str) -> Result<(), Refusal> {
    const ACTION: &str = "run.services.delete";
    let never = CancelToken::new();
    let begun = again(clients.patience, &never, || async {
        clients.pace.turn().await;
        clients.run.delete_service().set_name(name(clients, called)).send().await.meaning(ACTION)
    })
    .await?;
    until_done(clients, &never, ACTION, begun.name).await.map(drop).map_err(|ended| operation::refusal(ended, ACTION))
}

/// Lets these members call the service, by IAM.
pub(crate) async fn let_in(estate: &Estate, members: &[String]) -> Result<(), Refusal> {
    let clients = &estate.clients;
    clients.pace.turn().await;
    let path = format!("/v2/{}:setIamPolicy", name(clients, &estate.name));
    let body = json!({ "policy": { "bindings": [{ "role": "roles/run.invoker", "members": members }] } });
    let call = clients.rest.call("run.services.setIamPolicy", Method::POST, endpoint::Service::Run, &path);
    call.json(&body).send().await.map(drop)
}

/// Waits for an operation of Cloud Run's.
async fn until_done(
    clients: &Clients,
    halt: &CancelToken,
    action: &'static str,
    begun: String,
) -> Result<Service, Ended<Refusal>> {
    operation::until_done(clients, halt, action, || async {
        let state = clients.run.get_operation().set_name(&begun).send().await.meaning("run.operations.get")?;
        Ok(outcome(action, &state))
    })
    .await
}

fn outcome(action: &'static str, state: &google_cloud_longrunning::model::Operation) -> Outcome<Service> {
    if !state.done {
        return None;
    }
    if let Some(error) = state.error() {
        let code = canonical(u64::try_from(error.code).unwrap_or_default()).to_owned();
        let told = Told { code, text: error.message.clone(), ..Told::default() };
        return Some(Err(Refusal::told(action, told)));
    }
    let service = state.response().and_then(|response| response.to_msg::<Service>().ok());
    Some(Ok(service.unwrap_or_default()))
}

/// What the operation that made a service gave.
fn ready(service: Service, instances: u32) -> Result<Ready, Error> {
    if let Some(condition) = service.terminal_condition.as_ref().filter(|it| it.state == State::ConditionFailed) {
        let told = Told { text: condition.message.clone(), code: "FAILED_PRECONDITION".into(), ..Told::default() };
        return Err(Refusal::told(CREATE, told).into());
    }
    if service.uri.is_empty() {
        return Err(Error::new(ErrorKind::Deploy, "Cloud Run made the service and gave it no URL")
            .with_hint("deploy again; if it stays so, look at the Google Cloud status page"));
    }
    Ok(Ready { uri: service.uri, instances })
}

/// The labels of a service.
pub(crate) fn pairs(labels: &HashMap<String, String>) -> impl Iterator<Item = (&str, &str)> {
    labels.iter().map(|(key, value)| (key.as_str(), value.as_str()))
}

/// Processors as Kubernetes writes them: whole ones, or thousandths.
pub(crate) fn cpu_text(cpu: f64) -> String {
    if cpu.fract() == 0.0 { format!("{cpu:.0}") } else { format!("{:.0}m", cpu * 1000.0) }
}

/// Counts are far below the largest that the API's type holds, or mean all that there can be.
fn clamped(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

/// The service's own time-out: a request's calls one after another, and then time to say what went wrong. A generator has a
/// time-out between its items, and none as a whole, so that it gets all there is; in queue mode none is called.
fn timeout(spec: &DeploySpec) -> Duration {
    if spec.mode != Mode::Queue && function::all().any(FunctionEntry::streams) {
        return LONGEST;
    }
    let calls = u32::try_from(spec.batch).unwrap_or(u32::MAX);
    let all = spec.timeout.saturating_mul(calls).saturating_add(TO_SAY_SO);
    Duration::from_secs(all.as_secs() + u64::from(all.subsec_nanos() > 0)).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use faast_core::provider::DeploymentId;

    use super::*;

    #[test]
    fn the_time_out_leaves_time_to_say_what_went_wrong() {
        let mut spec = DeploySpec::new(DeploymentId::random());
        spec.mode = Mode::Queue;
        spec.timeout = Duration::from_millis(1500);
        assert_eq!(timeout(&spec), Duration::from_secs(4));
        spec.batch = 10;
        assert_eq!(timeout(&spec), Duration::from_secs(17));
        spec.timeout = Duration::from_mins(30);
        assert_eq!(timeout(&spec), LONGEST);
    }

    #[test]
    fn processors_are_written_whole_or_in_thousandths() {
        assert_eq!([1.0, 8.0, 0.5, 0.083].map(cpu_text), ["1", "8", "500m", "83m"]);
    }

    #[test]
    fn a_service_that_is_not_ready_says_why() {
        use google_cloud_run_v2::model::Condition;
        let text = "The user-provided container failed to start and listen on the port defined by PORT=8080";
        let condition = Condition::new().set_state(State::ConditionFailed).set_message(text);
        let error = ready(Service::new().set_uri("https://x").set_terminal_condition(condition), 1).unwrap_err();
        assert!(error.message().contains("failed to start"), "{error}");
        assert!(error.hint().is_some_and(|hint| hint.contains("log")));
    }
}
