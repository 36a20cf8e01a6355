//! Queue mode: Lambda takes requests as events, and writes what becomes of each into a queue of the deployment.
//!
//! Here is what the account has of it: the queue, and the function's settings that lead there. `queue/request.rs` sends,
//! `queue/answers.rs` receives, and core's desk brings both together; `queue/record.rs` is what is read there, and
//! `queue/settle.rs` what it comes to.

mod answers;
mod record;
mod request;
mod settle;

use std::time::{Duration, SystemTime};

use aws_sdk_lambda::types::{DestinationConfig, OnFailure, OnSuccess};
use aws_sdk_sqs::types::QueueAttributeName;
use faast_core::control::{Ended, Pauses, RealTime, Step, wait};
use faast_core::{Error, ErrorKind};
use fastrand::Rng;

pub use self::request::Queue;
use crate::backoff::while_passing;
use crate::classify::control::{Cause, Meaning as _, Refusal};
use crate::clients::Clients;
use crate::estate::{Estate, Stop};
use crate::lambda::role_known;
use crate::resource::Kind;
use crate::role::{Account, Role};
use crate::tags;

/// How long Lambda keeps an event that finds no place to run. Then the call is throttled, and core sends it again when
/// its turn comes: long enough for the limits of a burst, short enough to be no second queue.
pub(crate) const MAX_AGE: Duration = Duration::from_mins(5);

/// How long a record is hidden that was given to a listener. It is deleted as soon as it was read; one that was lost on its
/// way, because the network went, is given again after so long.
const HIDDEN: Duration = Duration::from_secs(20);

/// What a queue and a function need at the most to be known everywhere.
const KNOWN_AFTER: Duration = Duration::from_secs(10);

/// Makes the queue; gives its URL. An attempt of ours whose answer was lost is no obstacle: making it again is the same.
pub(crate) async fn make(estate: &Estate) -> Result<String, Stop> {
    estate.go_on()?;
    estate.intend(Kind::Queue);
    let made = while_passing(&[Cause::Busy], &estate.halt, || async {
        let request = estate
            .clients
            .sqs
            .create_queue()
            .queue_name(&estate.name)
            .attributes(QueueAttributeName::VisibilityTimeout, HIDDEN.as_secs().to_string())
            .set_tags(Some(estate.tags.to_map()));
        request.send().await.meaning("sqs:CreateQueue")
    });
    match made.await {
        Ok(made) => {
            estate.confirm(Kind::Queue);
            Ok(made.queue_url.unwrap_or_default())
        }
        Err(refusal) => Err(estate.refused(Kind::Queue, refusal).into()),
    }
}

/// The queue's ARN.
pub(crate) fn arn(estate: &Estate, account: &Account) -> String {
    let Account { partition, id } = account;
    format!("arn:{partition}:sqs:{}:{id}:{}", estate.clients.region, estate.name)
}

/// Has Lambda write what becomes of events into the queue, and try none of them again.
pub(crate) async fn lead(estate: &Estate, role: &Role) -> Result<(), Stop> {
    estate.go_on()?;
    let arn = arn(estate, &role.account);
    let destinations = DestinationConfig::builder()
        .on_success(OnSuccess::builder().destination(&arn).build())
        .on_failure(OnFailure::builder().destination(&arn).build())
        .build();
    // The role's right to write there, the queue and the function are each known some time after they were made.
    let pauses = Pauses::new(role_known(role.wait.max(KNOWN_AFTER)), Rng::new());
    let clock = RealTime::start();
    let led = wait(&clock, pauses, &estate.halt, || async {
        estate.clients.pace.turn().await;
        let request = estate
            .clients
            .lambda
            .put_function_event_invoke_config()
            .function_name(&estate.name)
            .maximum_retry_attempts(0)
            .maximum_event_age_in_seconds(i32::try_from(MAX_AGE.as_secs()).unwrap_or(i32::MAX))
            .destination_config(destinations.clone());
        match request.send().await.meaning("lambda:PutFunctionEventInvokeConfig") {
            Ok(_) => Step::Done(()),
            Err(refusal) if matches!(refusal.cause(), Cause::RoleNotReady | Cause::Busy | Cause::Gone) => {
                Step::NotYet(refusal)
            }
            Err(refusal) => Step::Failed(refusal),
        }
    });
    match led.await {
        Ok(()) => Ok(()),
        Err(Ended::Halted) => Err(Stop::Halted),
        Err(Ended::TimeUp(refusal)) if refusal.cause() == Cause::RoleNotReady => {
            Err(may_not_write(&arn, &refusal).into())
        }
        Err(Ended::Failed(refusal) | Ended::TimeUp(refusal)) => Err(refusal.into()),
    }
}

fn may_not_write(arn: &str, refusal: &Refusal) -> Error {
    Error::new(ErrorKind::Denied, format!("the workers' role may not write to the queue with the answers: {refusal}"))
        .with_hint(format!("allow `sqs:SendMessage` on `{arn}` to the role, or leave `.role_name(..)` out"))
}

/// The URL of the queue of that name.
pub(crate) async fn url(clients: &Clients, name: &str) -> Result<String, Refusal> {
    let found = clients.sqs.get_queue_url().queue_name(name).send().await.meaning("sqs:GetQueueUrl")?;
    Ok(found.queue_url.unwrap_or_default())
}

pub(crate) async fn delete(clients: &Clients, name: &str) -> Result<(), Refusal> {
    let url = url(clients, name).await?;
    clients.sqs.delete_queue().queue_url(url).send().await.meaning("sqs:DeleteQueue").map(drop)
}

/// Moves the queue's time of expiry.
pub(crate) async fn renew(estate: &Estate, until: SystemTime) -> Result<(), Refusal> {
    if !estate.has(Kind::Queue) {
        return Ok(());
    }
    let url = url(&estate.clients, &estate.name).await?;
    let request = estate.clients.sqs.tag_queue().queue_url(url).tags(tags::EXPIRES, tags::seconds(until));
    request.send().await.meaning("sqs:TagQueue").map(drop)
}
