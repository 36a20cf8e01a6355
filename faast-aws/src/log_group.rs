//! The log group: made before the function, so that late lines of workers never make one that nobody removes.

use faast_core::log::Channel;

use crate::backoff::while_passing;
use crate::classify::control::{Cause, Meaning as _, Refusal};
use crate::estate::{Estate, Stop};
use crate::resource::Kind;
use crate::role::Account;
use crate::tags;

/// Days that lines are kept in a group that goes with the deployment; a run may well take more than one day.
const RETENTION_DAYS: i32 = 7;

/// Days that lines are kept in a group that stays.
const KEPT_DAYS: i32 = 30;

/// Makes the group. That its lines are deleted some day is worth a warning only, not a failure.
pub(crate) async fn make(estate: &Estate) -> Result<(), Stop> {
    let logs = &estate.clients.logs;
    let group = Kind::LogGroup.id(&estate.name);
    estate.go_on()?;
    estate.intend(Kind::LogGroup);
    let made = while_passing(&[Cause::Busy], &estate.halt, || async {
        let request = logs.create_log_group().log_group_name(&group).set_tags(Some(estate.tags.to_map()));
        request.send().await.meaning("logs:CreateLogGroup")
    })
    .await;
    match made {
        Ok(_) => estate.confirm(Kind::LogGroup),
        Err(refusal) if refusal.cause() == Cause::Exists => own(estate, &group, refusal).await?,
        Err(refusal) => return Err(estate.refused(Kind::LogGroup, refusal).into()),
    }
    estate.go_on()?;
    let days = if estate.keep_logs { KEPT_DAYS } else { RETENTION_DAYS };
    let request = logs.put_retention_policy().log_group_name(&group).retention_in_days(days);
    if let Err(refusal) = request.send().await.meaning("logs:PutRetentionPolicy") {
        faast_core::log!(Channel::Warning, "logs are kept until `{group}` is deleted: {refusal}");
    }
    Ok(())
}

/// The name is taken: by an attempt of ours whose answer was lost, or by somebody else.
async fn own(estate: &Estate, group: &str, taken: Refusal) -> Result<(), Stop> {
    let logs = &estate.clients.logs;
    let request = logs.describe_log_groups().log_group_name_prefix(group);
    let found = request.send().await.meaning("logs:DescribeLogGroups")?;
    let arn = found.log_groups().iter().find(|found| found.log_group_name() == Some(group));
    if let Some(arn) = arn.and_then(|found| found.log_group_arn().or(found.arn())) {
        let request = logs.list_tags_for_resource().resource_arn(arn.trim_end_matches(":*"));
        let tags = request.send().await.meaning("logs:ListTagsForResource")?.tags.unwrap_or_default();
        if tags::belongs_to(&estate.id, tags.iter().map(|(key, value)| (key.as_str(), value.as_str()))) {
            return Ok(());
        }
    }
    estate.gone(Kind::LogGroup);
    Err(taken.into())
}

/// The group's ARN, as tagging takes it.
pub(crate) fn arn(estate: &Estate, account: &Account) -> String {
    let Account { partition, id } = account;
    let group = Kind::LogGroup.id(&estate.name);
    format!("arn:{partition}:logs:{}:{id}:log-group:{group}", estate.clients.region)
}

/// Takes faast's tags off, so that no later cleanup takes the group for something that was forgotten.
pub(crate) async fn release(estate: &Estate, account: &Account) -> Result<(), Refusal> {
    let keys = tags::ALL.map(ToOwned::to_owned).to_vec();
    let request = estate.clients.logs.untag_resource().resource_arn(arn(estate, account)).set_tag_keys(Some(keys));
    request.send().await.meaning("logs:UntagResource").map(drop)
}
