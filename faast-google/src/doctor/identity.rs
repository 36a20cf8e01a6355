//! Who asks, and from where: project and region, endpoints, the credentials, the clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use faast_core::Error;
use faast_core::provider::Finding;
use reqwest::Method;

use super::refused;
use crate::classify::control::Cause;
use crate::clients::Clients;
use crate::config::Settings;
use crate::endpoint::Service;
use crate::rest::ASKING;

/// A clock that is further off than this should be set: tokens that this machine signs count for some minutes only. The
/// header has whole seconds, and an answer takes a moment.
const NOTICED: Duration = Duration::from_mins(1);

/// Looks at everything that comes before the project; nothing more can be asked without clients.
pub(super) async fn find(settings: &Settings) -> (Vec<Finding>, Option<Clients>) {
    let clients = match Clients::with_patience(settings, ASKING).await {
        Ok(clients) => clients,
        Err(error) => return (vec![problem("configuration", &error)], None),
    };
    let mut findings = vec![
        Finding::good("project", &clients.project, clients.project.clone()),
        Finding::good("region", &clients.region, clients.region.clone()),
    ];
    findings.extend(Service::ALL.into_iter().filter_map(|service| {
        let url = clients.rest.endpoints().moved(service)?;
        Some(
            Finding::note("endpoint", service.name(), format!("{} is asked at `{url}`", service.name()))
                .with_fact("url", url),
        )
    }));
    if let Err(error) = clients.credentials.access_token().await {
        findings.push(problem("credentials", &error));
        return (findings, None);
    }
    findings.push(credentials(&clients));
    match date(&clients).await {
        Ok(date) => findings.extend(date.map(|date| clock(date, SystemTime::now()))),
        Err(refusal) if refusal.cause() == Cause::Unreachable => {
            let unreachable = Finding::problem("endpoint", "run", refusal.to_string()).with_hint(refusal.advice());
            findings.push(unreachable);
            return (findings, None);
        }
        Err(refusal) => findings.push(refused("clock", "", &refusal)),
    }
    (findings, Some(clients))
}

fn problem(topic: &'static str, error: &Error) -> Finding {
    let finding = Finding::problem(topic, "", error.message());
    match error.hint() {
        Some(hint) => finding.with_hint(hint),
        None => finding,
    }
}

fn credentials(clients: &Clients) -> Finding {
    let kind = clients.credentials.kind();
    if clients.credentials.can_identify() {
        Finding::good("credentials", kind, format!("there are some: {kind}"))
    } else {
        let text = format!("credentials of the kind `{kind}` can't say who calls a service");
        Finding::note("credentials", kind, text).with_hint("a deployment lets its requests in by a secret of its own")
    }
}

/// The service's time, of the first answer that there is.
async fn date(clients: &Clients) -> Result<Option<SystemTime>, crate::classify::control::Refusal> {
    let path = format!("/v1/projects/{}/locations/-/services", clients.project);
    let call = clients.rest.call("run.services.list", Method::GET, Service::Run, &path).query("limit", "1");
    let answer = call.send().await?;
    Ok(answer.headers.get("date").and_then(|date| parse(date.to_str().ok()?)))
}

fn clock(theirs: SystemTime, ours: SystemTime) -> Finding {
    let off = ours.duration_since(theirs).unwrap_or_else(|error| error.duration());
    let seconds = off.as_secs();
    if off > NOTICED {
        Finding::warning("clock", "", format!("this machine's clock is {seconds} s off"))
            .with_hint("set it: tokens that are signed here count for some minutes only")
            .with_fact("seconds", &seconds)
    } else {
        Finding::good("clock", "", "this machine's clock is right").with_fact("seconds", &seconds)
    }
}

/// A date as HTTP writes it: `Sun, 22 Nov 2026 22:45:00 GMT`.
fn parse(date: &str) -> Option<SystemTime> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let mut words = date.split_once(", ")?.1.split(' ');
    let day: u64 = words.next()?.parse().ok()?;
    let month = words.next().filter(|month| month.len() == 3).and_then(|month| MONTHS.find(month))? as u64 / 3 + 1;
    let year: u64 = words.next()?.parse().ok().filter(|year| (1970..3000).contains(year))?;
    let time: Vec<u64> = words.next()?.split(':').filter_map(|part| part.parse().ok()).collect();
    let [hours, minutes, seconds] = time[..] else { return None };
    // Years begin with March, so that a day between leap years is the last of its year.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    let since = days.checked_sub(719_468)?;
    Some(UNIX_EPOCH + Duration::from_secs(((since * 24 + hours) * 60 + minutes) * 60 + seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_of_http_are_read() {
        let seconds = |text| parse(text).map(|time| time.duration_since(UNIX_EPOCH).unwrap().as_secs());
        assert_eq!(seconds("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(seconds("Thu, 29 Feb 2024 23:59:59 GMT"), Some(1_709_251_199));
        assert_eq!(seconds("yesterday"), None);
    }

    #[test]
    fn a_clock_that_is_off_is_found() {
        let now = UNIX_EPOCH + Duration::from_hours(1000);
        assert_eq!(clock(now, now + Duration::from_secs(3)).verdict, faast_core::provider::Verdict::Good);
        for ours in [now + Duration::from_mins(5), now - Duration::from_mins(5)] {
            let finding = clock(now, ours);
            assert!(finding.text.contains("300 s") && finding.hint.is_some(), "{finding:?}");
        }
    }
}
