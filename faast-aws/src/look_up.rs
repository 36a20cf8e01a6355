//! Looking one resource up that only the ledger of a dead client knows: whether it was made at all, and what its tags
//! say.
//!
//! The tagging service learns of a new resource some time later; so each service is asked itself.

use faast_core::Result;
use faast_core::provider::Resource;

use crate::classify::control::{Cause, Meaning as _, Refusal};
use crate::clients::Clients;
use crate::resource::Kind;
use crate::{queue, tags};

type Pairs = Vec<(String, String)>;

/// The resource as it is now; `None` if it is not there, or is none that faast makes.
pub(crate) async fn look_up(clients: &Clients, recorded: &Resource) -> Result<Option<Resource>> {
    let kind = Kind::of(recorded);
    let Some((kind, name)) = kind.and_then(|kind| Some((kind, kind.name_in(&recorded.id)?))) else { return Ok(None) };
    let clients = clients.in_region(&recorded.region);
    let tags = match kind {
        Kind::Queue => of_queue(&clients, name).await,
        Kind::Bucket => of_bucket(&clients, name).await,
        Kind::Function => of_function(&clients, name).await,
        Kind::LogGroup => of_log_group(&clients, &recorded.id).await,
        Kind::Role => of_role(&clients, name).await,
    };
    let tags = match tags {
        Ok(Some(tags)) => tags,
        Ok(None) => return Ok(None),
        Err(refusal) if refusal.cause() == Cause::Gone => return Ok(None),
        Err(refusal) => return Err(refusal.into()),
    };
    let owned = tags::owned(name, tags.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    let found = kind.resource(name, &clients.region, None);
    Ok(Some(owned.map_or(found.clone(), |owned| owned.describe(found))))
}

async fn of_function(clients: &Clients, name: &str) -> Result<Option<Pairs>, Refusal> {
    clients.pace.turn().await;
    let found = clients.lambda.get_function().function_name(name).send().await.meaning("lambda:GetFunction")?;
    Ok(Some(found.tags.unwrap_or_default().into_iter().collect()))
}

async fn of_queue(clients: &Clients, name: &str) -> Result<Option<Pairs>, Refusal> {
    let url = queue::url(clients, name).await?;
    let tags = clients.sqs.list_queue_tags().queue_url(url).send().await.meaning("sqs:ListQueueTags")?.tags;
    Ok(Some(tags.unwrap_or_default().into_iter().collect()))
}

async fn of_log_group(clients: &Clients, group: &str) -> Result<Option<Pairs>, Refusal> {
    let request = clients.logs.describe_log_groups().log_group_name_prefix(group);
    let found = request.send().await.meaning("logs:DescribeLogGroups")?;
    let found = found.log_groups().iter().find(|found| found.log_group_name() == Some(group));
    let Some(arn) = found.and_then(|found| found.log_group_arn().or(found.arn())) else { return Ok(None) };
    let request = clients.logs.list_tags_for_resource().resource_arn(arn.trim_end_matches(":*"));
    let tags = request.send().await.meaning("logs:ListTagsForResource")?.tags;
    Ok(Some(tags.unwrap_or_default().into_iter().collect()))
}

async fn of_bucket(clients: &Clients, name: &str) -> Result<Option<Pairs>, Refusal> {
    clients.s3.head_bucket().bucket(name).send().await.meaning("s3:ListBucket")?;
    // Without tags that is an error, and it is there all the same.
    let tags = clients.s3.get_bucket_tagging().bucket(name).send().await.meaning("s3:GetBucketTagging");
    match tags {
        Ok(tags) => Ok(Some(tags.tag_set.into_iter().map(|tag| (tag.key, tag.value)).collect())),
        Err(refusal) if refusal.cause() == Cause::Gone => Ok(Some(Vec::new())),
        Err(refusal) => Err(refusal),
    }
}

async fn of_role(clients: &Clients, name: &str) -> Result<Option<Pairs>, Refusal> {
    let found = clients.iam.list_role_tags().role_name(name).send().await.meaning("iam:ListRoleTags")?;
    Ok(Some(found.tags.into_iter().map(|tag| (tag.key, tag.value)).collect()))
}
