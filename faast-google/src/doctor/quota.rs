//! How many workers the region allows for, and what that means for a job of so many calls.
//!
//! Cloud Run multiplies instances and processors when a service is made, and compares that with a quota that few have ever
//! looked at. A dry run asks the question that a deployment asks.

use std::time::Duration;

use faast_core::provider::{Checkup, DeploySpec, DeploymentId, Finding};
use google_cloud_run_v2::model::{
    Container, ResourceRequirements, RevisionScaling, RevisionTemplate, Service as NewService,
};

use super::refused;
use crate::check::Size;
use crate::classify::control::{Cause, Meaning as _};
use crate::clients::Clients;
use crate::config::Settings;
use crate::service::cpu_text;

/// Workers where nothing is asked for.
const USUAL: usize = 100;

/// An image that Google has for everybody; nothing is started from it.
const IMAGE: &str = "us-docker.pkg.dev/cloudrun/container/hello";

/// Looks at what the region allows.
pub(super) async fn find(clients: &Clients, settings: &Settings, checkup: &Checkup) -> Vec<Finding> {
    let wanted = checkup.concurrency.unwrap_or(USUAL);
    let asked = settings.max_instances.map_or(wanted, |most| usize::try_from(most).unwrap_or(usize::MAX));
    let allowed = dry_run(clients, settings, asked).await;
    let at_once = match allowed {
        Ok(None) => asked.min(wanted),
        Ok(Some(most)) => asked.min(wanted).min(usize::try_from(most).unwrap_or(usize::MAX)),
        Err(_) => wanted,
    };
    let mut findings = vec![match allowed {
        Ok(None) => Finding::good("quota", "workers", format!("the region allows for {asked} workers"))
            .with_fact("wanted", &asked),
        Ok(Some(most)) => {
            let text = format!("the region allows for {most} workers of this size, and {asked} are asked for");
            let hint = "a deployment gets what the quota allows for; use a smaller `.cpu(..)` or another region, or have \
                        `CpuAllocPerProjectRegion` and `MemAllocPerProjectRegion` raised";
            Finding::warning("quota", "workers", text)
                .with_hint(hint)
                .with_fact("allowed", &most)
                .with_fact("wanted", &asked)
        }
        Err(finding) => finding,
    }];
    findings.push(Finding::note("quota", "changes", "Cloud Run takes about 60 changes a minute and region"));
    if let Some(calls) = checkup.calls {
        findings.push(estimate(calls, checkup.call_time.unwrap_or(Duration::from_secs(1)), at_once));
    }
    findings
}

/// What would be refused: the number of workers that there may be, if it is below what is asked for.
async fn dry_run(clients: &Clients, settings: &Settings, instances: usize) -> Result<Option<u32>, Finding> {
    let Size { cpu, memory_mb } = Size::of(settings, &DeploySpec::new(DeploymentId::random()));
    let limits = [("cpu", cpu_text(cpu)), ("memory", format!("{memory_mb}Mi"))];
    let resources = ResourceRequirements::new().set_limits(limits).set_cpu_idle(true);
    let scaling = RevisionScaling::new().set_max_instance_count(i32::try_from(instances).unwrap_or(i32::MAX));
    let template = RevisionTemplate::new()
        .set_containers([Container::new().set_image(IMAGE).set_resources(resources)])
        .set_scaling(scaling)
        .set_max_instance_request_concurrency(1);
    let request = clients.run.create_service().set_parent(clients.location()).set_service_id("faast-dry-run");
    let request = request.set_service(NewService::new().set_template(template)).set_validate_only(true);
    match request.send().await.meaning("run.services.create") {
        Ok(_) => Ok(None),
        Err(refusal) => match refusal.cause() {
            Cause::Instances(most) => Ok(Some(most)),
            _ => Err(refused("quota", "workers", &refusal)),
        },
    }
}

fn estimate(calls: u64, call_time: Duration, at_once: usize) -> Finding {
    let rounds = calls.div_ceil((at_once as u64).max(1));
    let needed = call_time.saturating_mul(u32::try_from(rounds).unwrap_or(u32::MAX));
    let text = format!("{calls} calls of {call_time:?} need about {needed:?}, {at_once} at once");
    Finding::note("quota", "time", text).with_fact("seconds", &needed.as_secs()).with_fact("at_once", &at_once)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_share_the_workers() {
        let text = |calls, at_once| estimate(calls, Duration::from_secs(5), at_once).text;
        assert!(text(100, 100).contains("about 5s"), "{}", text(100, 100));
        assert!(text(101, 100).contains("about 10s"));
        assert!(text(20, 20).contains("20 at once"));
    }
}
