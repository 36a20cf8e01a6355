//! Checks of what was asked for, before anything is made: what Cloud Run would refuse half-way, and what it would take and
//! bill for in another way than meant.

use std::collections::BTreeSet;

use faast_core::provider::DeploySpec;
use faast_core::{Arch, Error, ErrorKind, Result};

use crate::config::Settings;
use crate::endpoint;
use crate::label;
use crate::service;

/// Names that Cloud Run keeps for itself, or that faast tells its workers things by.
const RESERVED: [&str; 7] =
    ["PORT", "K_SERVICE", "K_REVISION", "K_CONFIGURATION", service::SECRET, service::PROJECT, service::MEMORY_MB];

/// Variables of one container.
const MOST_VARIABLES: usize = 1000;

/// Bytes of one variable.
const MOST_VALUE: usize = 32 * 1024;

/// Labels on one resource, faast's own included.
const MOST_LABELS: usize = 64;

/// Characters of a description.
const MOST_DESCRIPTION: usize = 512;

/// Memory where nothing is asked for: a whole processor costs ten times as much.
pub(crate) const USUAL_MEMORY_MB: u32 = 1024;

/// Memory in MiB above which so many processors are the least.
const FLOOR: [(u32, f64); 6] =
    [(24 * 1024, 8.0), (16 * 1024, 6.0), (8 * 1024, 4.0), (4 * 1024, 2.0), (1024, 1.0), (512, 0.5)];

/// Processors that need so much memory in MiB at least.
const LEAST_MEMORY: [(f64, u32); 3] = [(8.0, 4096), (6.0, 4096), (4.0, 2048)];

/// How large one worker is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Size {
    pub(crate) cpu: f64,
    pub(crate) memory_mb: u32,
}

impl Size {
    /// As asked for; unless said, as many processors as the memory needs, and one at least.
    pub(crate) fn of(settings: &Settings, spec: &DeploySpec) -> Self {
        let memory_mb = spec.memory_mb.unwrap_or(USUAL_MEMORY_MB);
        let cpu = settings.cpu.unwrap_or_else(|| least_cpu(memory_mb).max(1.0));
        Self { cpu, memory_mb }
    }
}

/// Checks everything that can be checked here.
pub(crate) fn check(settings: &Settings, spec: &DeploySpec) -> Result<()> {
    check_endpoints(settings)?;
    check_size(Size::of(settings, spec))?;
    check_env(&spec.env)?;
    check_labels(&settings.labels)?;
    check_rest(settings, spec)
}

fn check_endpoints(settings: &Settings) -> Result<()> {
    let known: BTreeSet<_> = endpoint::Service::ALL.iter().map(|service| service.name()).collect();
    match settings.endpoint_urls.keys().find(|name| !known.contains(name.as_str())) {
        Some(name) => {
            let known: Vec<_> = known.into_iter().collect();
            let hint = format!("`.endpoint_url_of(..)` takes {}", known.join(", "));
            wrong(format!("there is no service called `{name}`"), hint)
        }
        None => Ok(()),
    }
}

fn least_cpu(memory_mb: u32) -> f64 {
    FLOOR.iter().find(|(above, _)| memory_mb > *above).map_or(0.08, |(_, cpu)| *cpu)
}

fn check_size(Size { cpu, memory_mb }: Size) -> Result<()> {
    let whole = [1.0, 2.0, 4.0, 6.0, 8.0].iter().any(|known| same(*known, cpu));
    let thousandths = cpu * 1000.0;
    let part = (0.08..1.0).contains(&cpu) && (thousandths - thousandths.round()).abs() < 1e-6;
    if !whole && !part {
        return wrong(
            format!("a worker can't have {cpu} processors"),
            "`.cpu(..)` takes 1, 2, 4, 6 or 8, or 0.08 to 1 in steps of 0.001",
        );
    }
    let floor = least_cpu(memory_mb);
    if cpu < floor {
        return wrong(
            format!("{memory_mb} MiB need {floor} processors at least, and `.cpu(..)` says {cpu}"),
            "lower `.memory_mb(..)` or raise `.cpu(..)`; without it a deployment gets what the memory needs",
        );
    }
    match LEAST_MEMORY.iter().find(|(many, _)| cpu >= *many) {
        Some((_, least)) if memory_mb < *least => wrong(
            format!("{cpu} processors need {least} MiB at least, and a worker has {memory_mb}"),
            "raise `.memory_mb(..)` or lower `.cpu(..)`",
        ),
        _ => Ok(()),
    }
}

fn same(one: f64, other: f64) -> bool {
    (one - other).abs() < f64::EPSILON
}

fn check_env(env: &[(String, String)]) -> Result<()> {
    if env.len() > MOST_VARIABLES - RESERVED.len() {
        return wrong(format!("there are {} variables", env.len()), "Cloud Run takes about 1000");
    }
    for (name, value) in env {
        if RESERVED.contains(&name.as_str()) || name.starts_with("X_GOOGLE_") {
            return wrong(format!("`{name}` is set by Cloud Run or by faast"), "choose another name for `.env(..)`");
        }
        let named = !name.starts_with(|first: char| first.is_ascii_digit())
            && !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !named {
            return wrong(
                format!("Cloud Run takes no variable called `{name}`"),
                "a name is letters, digits and `_`, and begins with no digit",
            );
        }
        let size = name.len() + value.len();
        if size > MOST_VALUE {
            return wrong(
                format!("the variable `{name}` has {size} bytes, and Cloud Run takes {MOST_VALUE}"),
                "pass what is large as an argument, or add it as a file with `.include(..)`",
            );
        }
    }
    Ok(())
}

fn check_labels(users: &[(String, String)]) -> Result<()> {
    let most = MOST_LABELS - label::ALL.len();
    if users.len() > most {
        return wrong(format!("there are {} labels", users.len()), format!("{most} are left beside those of faast"));
    }
    for (key, value) in users {
        if let Some(prefix) = ["faast-", "goog"].into_iter().find(|prefix| key.starts_with(prefix)) {
            return wrong(
                format!("the label `{key}` can't be set"),
                format!("labels that begin with `{prefix}` are not the user's"),
            );
        }
        let plain = |text: &str| {
            text.len() <= 63
                && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte))
        };
        if !key.starts_with(|first: char| first.is_ascii_lowercase()) || !plain(key) || !plain(value) {
            return wrong(
                format!("the label `{key}` is not one that every service takes"),
                "keys and values have up to 63 lower-case letters, digits, `-` and `_`, and a key begins with a letter",
            );
        }
    }
    Ok(())
}

fn check_rest(settings: &Settings, spec: &DeploySpec) -> Result<()> {
    let length = spec.description.as_ref().map_or(0, |description| description.chars().count());
    if length > MOST_DESCRIPTION {
        return wrong(
            format!("the description has {length} characters"),
            format!("`.description(..)` takes {MOST_DESCRIPTION} at most"),
        );
    }
    if spec.arch.is_some_and(|arch| arch != Arch::X86_64) {
        return wrong("Cloud Run has x86-64 processors only", "leave `.arch(..)` out");
    }
    if settings.max_instances == Some(0) {
        return wrong("a deployment without instances runs nothing", "`.max_instances(..)` takes 1 and more");
    }
    if let Some(email) = settings.service_account.as_ref().filter(|email| !email.contains('@')) {
        return wrong(
            format!("`{email}` is no service account"),
            "`.service_account(..)` takes its e-mail address: `name@project.iam.gserviceaccount.com`",
        );
    }
    match &settings.vpc {
        Some(vpc) if vpc.network.is_empty() || vpc.subnet.is_empty() => {
            wrong("a VPC needs a network and a subnet", "give `.vpc(..)` the names of both")
        }
        _ => Ok(()),
    }
}

fn wrong(message: impl Into<String>, hint: impl Into<String>) -> Result<()> {
    Err(Error::new(ErrorKind::Config, message).with_hint(hint))
}

#[cfg(test)]
mod tests {
    use faast_core::provider::DeploymentId;

    use super::*;
    use crate::config::Vpc;

    fn spec() -> DeploySpec {
        DeploySpec::new(DeploymentId::random())
    }

    fn refused(settings: &Settings, spec: &DeploySpec) -> String {
        let error = check(settings, spec).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.hint().is_some());
        error.message().to_owned()
    }

    fn sized(cpu: Option<f64>, memory_mb: u32) -> (Settings, DeploySpec) {
        let mut spec = spec();
        spec.memory_mb = Some(memory_mb);
        (Settings { cpu, ..Settings::default() }, spec)
    }

    #[test]
    fn defaults_pass_and_are_a_whole_processor_with_a_gibibyte() {
        check(&Settings::default(), &spec()).unwrap();
        assert_eq!(Size::of(&Settings::default(), &spec()), Size { cpu: 1.0, memory_mb: 1024 });
    }

    #[test]
    fn memory_brings_the_processors_that_it_needs() {
        for (memory_mb, cpu) in [(512, 1.0), (4096, 1.0), (4097, 2.0), (8193, 4.0), (16_385, 6.0), (24_577, 8.0)] {
            let (settings, spec) = sized(None, memory_mb);
            assert!(same(Size::of(&settings, &spec).cpu, cpu), "{memory_mb}");
            check(&settings, &spec).unwrap();
        }
    }

    #[test]
    fn processors_that_cloud_run_has_not_are_refused() {
        for cpu in [0.0, 0.05, 0.0805, 1.5, 3.0, 16.0, f64::NAN, -1.0] {
            let (settings, spec) = sized(Some(cpu), 2048);
            refused(&settings, &spec);
        }
        let (settings, spec) = sized(Some(0.083), 512);
        check(&settings, &spec).unwrap();
    }

    #[test]
    fn memory_and_processors_that_do_not_fit_are_refused() {
        for (cpu, memory_mb) in [(0.25, 1024), (0.5, 2048), (1.0, 8192), (4.0, 1024), (8.0, 2048), (2.0, 32_768)] {
            let (settings, spec) = sized(Some(cpu), memory_mb);
            refused(&settings, &spec);
        }
    }

    #[test]
    fn variables_that_cloud_run_would_refuse_are_refused_here() {
        for name in
            ["PORT", "K_SERVICE", "K_REVISION", "K_CONFIGURATION", "FAAST_SECRET", "X_GOOGLE_A", "1A", "A-B", ""]
        {
            let mut spec = spec();
            spec.env = vec![(name.into(), "x".into())];
            assert!(refused(&Settings::default(), &spec).contains(&format!("`{name}`")), "{name}");
        }
        let mut spec = spec();
        spec.env = vec![("BIG".into(), "x".repeat(MOST_VALUE))];
        let size = refused(&Settings::default(), &spec);
        assert!(size.contains("`BIG`") && !size.contains("xxx"), "a value is shown: {size}");
    }

    #[test]
    fn labels_that_some_service_would_refuse_are_refused_here() {
        for (key, value) in [
            ("faast-deployment", "x"),
            ("goog-x", "x"),
            ("Team", "ml"),
            ("team", "ML"),
            ("1a", "x"),
            ("", "x"),
            ("a.b", "x"),
        ] {
            let settings = Settings { labels: vec![(key.into(), value.into())], ..Settings::default() };
            refused(&settings, &spec());
        }
        let labels = |count| (0..count).map(|label| (format!("l{label}"), String::new())).collect();
        check(&Settings { labels: labels(60), ..Settings::default() }, &spec()).unwrap();
        assert!(refused(&Settings { labels: labels(61), ..Settings::default() }, &spec()).contains("61"));
    }

    #[test]
    fn arm64_is_refused_before_an_image_is_made_that_can_not_start() {
        let mut spec = spec();
        spec.arch = Some(Arch::Arm64);
        assert!(refused(&Settings::default(), &spec).contains("x86-64"));
    }

    #[test]
    fn other_options_are_checked_too() {
        let vpc = Some(Vpc { network: "default".into(), subnet: String::new() });
        refused(&Settings { vpc, ..Settings::default() }, &spec());
        refused(&Settings { max_instances: Some(0), ..Settings::default() }, &spec());
        refused(&Settings { service_account: Some("batch".into()), ..Settings::default() }, &spec());
        let mut settings = Settings::default();
        settings.endpoint_urls.insert("functions".into(), "http://127.0.0.1:1".into());
        assert!(refused(&settings, &spec()).contains("`functions`"));
        let mut spec = spec();
        spec.description = Some("x".repeat(513));
        refused(&Settings::default(), &spec);
    }
}
