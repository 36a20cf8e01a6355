//! The account's quotas, and what they mean for a job of so many calls.

use std::time::Duration;

use faast_core::provider::{Checkup, Finding};

use super::estimate::{RAMP, RAMP_EVERY, time_for};
use crate::classify::control::Meaning as _;
use crate::clients::Clients;

/// What an account has unless it was lowered or raised.
const USUAL: usize = 1000;

/// Requests in flight where nothing is asked for.
const DEFAULT_CONCURRENCY: usize = 100;

/// Where the quota is raised.
const RAISE: &str = "have it raised: Service Quotas, AWS Lambda, \"Concurrent executions\" (L-B99A9384)";

/// Looks at what the account allows.
pub(super) async fn find(clients: &Clients, checkup: &Checkup) -> Vec<Finding> {
    let wanted = checkup.concurrency.unwrap_or(DEFAULT_CONCURRENCY);
    let settings = clients.lambda.get_account_settings().send().await.meaning("lambda:GetAccountSettings").ok();
    let limit = settings.as_ref().and_then(|settings| settings.account_limit());
    let allowed = limit.and_then(|limit| {
        let unreserved = limit.unreserved_concurrent_executions.unwrap_or(limit.concurrent_executions);
        usize::try_from(unreserved).ok()
    });
    let mut findings = vec![concurrency(allowed, wanted)];
    if let Some((limit, usage)) = limit.zip(settings.as_ref().and_then(|settings| settings.account_usage())) {
        findings.push(code_storage(usage.total_code_size, limit.total_code_size));
    }
    findings.push(
        Finding::note("quota", "ramp", format!("a function gets {RAMP} environments every {} s", RAMP_EVERY.as_secs()))
            .with_fact("environments", &RAMP)
            .with_fact("seconds", &RAMP_EVERY.as_secs()),
    );
    if let Some(calls) = checkup.calls {
        let call_time = checkup.call_time.unwrap_or(Duration::from_secs(1));
        findings.push(estimate(calls, call_time, wanted, allowed));
    }
    findings
}

fn concurrency(allowed: Option<usize>, wanted: usize) -> Finding {
    let Some(allowed) = allowed else {
        return Finding::unknown("quota", "concurrency", "how many executions may run at once is not known");
    };
    let finding = if allowed >= wanted {
        Finding::good("quota", "concurrency", format!("{allowed} executions may run at once"))
    } else {
        let text = format!("{allowed} executions may run at once, and {wanted} are asked for");
        let why = if allowed < USUAL { format!("new accounts have few; {RAISE}") } else { RAISE.to_owned() };
        Finding::warning("quota", "concurrency", text).with_hint(why)
    };
    finding.with_fact("allowed", &allowed).with_fact("wanted", &wanted)
}

fn code_storage(used: i64, total: i64) -> Finding {
    let gib = |bytes: i64| bytes as f64 / f64::from(1 << 30);
    let text = format!("{:.1} of {:.0} GiB for code are used", gib(used), gib(total));
    // A deployment may need 50 MB, and others deploy too.
    let finding = if total > 0 && total - used < 1 << 30 {
        Finding::warning("quota", "code storage", text)
            .with_hint("remove functions that nobody needs, or have it raised")
    } else {
        Finding::good("quota", "code storage", text)
    };
    finding.with_fact("used_bytes", &used).with_fact("total_bytes", &total)
}

fn estimate(calls: u64, call_time: Duration, wanted: usize, allowed: Option<usize>) -> Finding {
    let at_once = allowed.map_or(wanted, |allowed| wanted.min(allowed));
    let needed = time_for(calls, call_time, at_once);
    let mut text = format!("{calls} calls of {call_time:?} need about {}, {at_once} at once", spoken(needed));
    let mut finding = Finding::note("quota", "time", "");
    if let Some(most) = allowed.filter(|allowed| *allowed > at_once) {
        let faster = time_for(calls, call_time, most);
        if faster < needed.mul_f64(0.9) {
            text = format!("{text}; about {} with `.concurrency({most})`", spoken(faster));
            finding = finding.with_fact("seconds_at_most_concurrency", &faster.as_secs());
        }
    }
    finding.text = text;
    finding.with_fact("seconds", &needed.as_secs()).with_fact("concurrency", &at_once).with_fact("calls", &calls)
}

fn spoken(time: Duration) -> String {
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{:.1} h", seconds as f64 / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use faast_core::provider::Verdict;

    use super::*;

    #[test]
    fn less_than_what_is_asked_for_is_a_warning_that_says_where_to_raise_it() {
        assert_eq!(concurrency(Some(1000), 1000).verdict, Verdict::Good);
        let few = concurrency(Some(10), 100);
        assert_eq!(few.verdict, Verdict::Warning);
        assert!(few.hint.unwrap().contains("L-B99A9384"));
        assert_eq!(concurrency(None, 100).verdict, Verdict::Unknown);
    }

    #[test]
    fn the_time_says_what_more_concurrency_would_bring() {
        let finding = estimate(100_000, Duration::from_secs(5), 100, Some(1000));
        assert_eq!(finding.facts["seconds"], "5000");
        assert!(finding.text.contains("84 min, 100 at once; about 9 min with `.concurrency(1000)`"), "{finding:?}");
        assert!(!estimate(10, Duration::from_secs(5), 100, Some(1000)).text.contains("concurrency("));
    }

    #[test]
    fn code_that_fills_the_account_is_a_warning() {
        assert_eq!(code_storage(0, 75 << 30).verdict, Verdict::Good);
        assert_eq!(code_storage((75 << 30) - 1, 75 << 30).verdict, Verdict::Warning);
    }
}
