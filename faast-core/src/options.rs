//! Options of a deployment, and what they come to once the provider's capabilities and defaults are known.

use std::sync::Arc;
use std::time::Duration;

use crate::dispatch::FOREVER;
use crate::error::{Error, ErrorKind, Result};
use crate::provider::{Capabilities, CloudProvider, MemoryLimit, Mode};

/// Whether slow calls are sent a second time.
///
/// ```
/// # use faast_core::{Builder, Hedge, provider::CloudProvider};
/// # fn example<P: CloudProvider>(builder: Builder<P>) -> Builder<P> {
/// // For calls that rightly take very different times: here, a slow one says nothing of its worker.
/// builder.hedge(Hedge::Off)
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hedge {
    /// Calls that run far longer than others of their function; at most 5 % extra calls.
    On,
    /// Never.
    Off,
}

/// Whether a deployment takes away what clients that died long ago left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Gc {
    /// Beside the deployment, at most once a day in each account and region: what faast made and what has expired.
    #[default]
    Auto,
    /// Never; `faast cleanup` does it by hand.
    Off,
}

/// The processor that workers run on.
///
/// ```
/// # use faast_core::Arch;
/// assert_eq!([Arch::X86_64, Arch::Arm64].map(|arch| arch.to_string()), ["x86_64", "arm64"]);
/// assert_eq!(Arch::of_this_machine() == Some(Arch::Arm64), cfg!(target_arch = "aarch64"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Arch {
    /// 64-bit Intel and AMD.
    X86_64,
    /// 64-bit Arm.
    Arm64,
}

impl Arch {
    /// The processor of this machine, if it is one of them.
    pub fn of_this_machine() -> Option<Self> {
        match std::env::consts::ARCH {
            "x86_64" => Some(Self::X86_64),
            "aarch64" => Some(Self::Arm64),
            _ => None,
        }
    }
}

impl std::fmt::Display for Arch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
        })
    }
}

/// What the user asked for; `None` is the provider's default.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    pub(crate) memory_mb: Option<u32>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) deadline: Option<Duration>,
    pub(crate) concurrency: Option<usize>,
    pub(crate) rate: Option<f64>,
    pub(crate) burst: Option<u32>,
    pub(crate) retries: Option<u32>,
    pub(crate) hedge: Option<Hedge>,
    pub(crate) mode: Mode,
    pub(crate) arch: Option<Arch>,
    pub(crate) batch: Option<usize>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) include: Vec<String>,
    pub(crate) exclude: Vec<String>,
    pub(crate) budget_usd: Option<f64>,
    pub(crate) retention_days: Option<u32>,
    pub(crate) gc: Gc,
    pub(crate) keep_logs: bool,
    pub(crate) description: Option<String>,
    pub(crate) record: bool,
    pub(crate) on_signal: bool,
    pub(crate) priced_as: Option<Elsewhere>,
}

/// Another provider with its options, for its prices.
#[derive(Debug, Clone)]
pub(crate) struct Elsewhere {
    pub(crate) provider: Arc<dyn CloudProvider>,
    pub(crate) options: Box<Options>,
}

/// Options with every default filled in.
#[derive(Debug, Clone)]
pub(crate) struct Resolved {
    pub(crate) memory_mb: Option<u32>,
    pub(crate) timeout: Duration,
    pub(crate) concurrency: usize,
    pub(crate) rate: Option<(f64, u32)>,
    pub(crate) retries: u32,
    pub(crate) hedge: bool,
    pub(crate) batch: Option<usize>,
    pub(crate) retention: Duration,
}

impl Options {
    /// Checks every option, and fills the defaults in.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] for a value that makes no sense anywhere, [`ErrorKind::Unsupported`] for what this provider
    /// or mode can't do.
    pub(crate) fn resolve(&self, provider: &str, caps: &Capabilities) -> Result<Resolved> {
        if !caps.supported {
            return Err(unsupported(provider, format!("has no mode {:?}", self.mode)));
        }
        let defaults = &caps.defaults;
        let resolved = Resolved {
            memory_mb: self.memory_mb.or(defaults.memory_mb),
            timeout: self.timeout.unwrap_or(defaults.timeout).min(FOREVER),
            concurrency: self.concurrency.unwrap_or(defaults.concurrency),
            rate: self.rate.map(|rate| (rate, self.burst.unwrap_or(1))),
            retries: self.retries.unwrap_or(defaults.retries),
            hedge: self.hedge.map_or(defaults.hedge, |hedge| hedge == Hedge::On),
            batch: self.batch.or((!caps.auto_batch).then_some(defaults.batch)),
            retention: Duration::from_hours(24).saturating_mul(self.retention_days.unwrap_or(defaults.retention_days)),
        };
        self.check_values(&resolved)?;
        check_support(provider, caps, &resolved)?;
        Ok(resolved)
    }

    fn check_values(&self, resolved: &Resolved) -> Result<()> {
        let positive = |what: &str, fits: bool| {
            let wrong = || config(format!("`{what}` must be above zero")).with_hint("leave it out for the default");
            if fits { Ok(()) } else { Err(wrong()) }
        };
        positive("timeout", !resolved.timeout.is_zero())?;
        positive("deadline", self.deadline.is_none_or(|deadline| !deadline.is_zero()))?;
        positive("concurrency", resolved.concurrency > 0)?;
        positive("rate", self.rate.is_none_or(|rate| rate.is_finite() && rate > 0.0))?;
        positive("burst", self.burst != Some(0))?;
        positive("batch", self.batch != Some(0))?;
        positive("memory_mb", self.memory_mb != Some(0))?;
        positive("budget_usd", self.budget_usd.is_none_or(|usd| usd.is_finite() && usd > 0.0))?;
        if self.burst.is_some() && self.rate.is_none() {
            return Err(config("`burst` has no meaning without `rate`").with_hint("set both, or neither"));
        }
        match self.env.iter().find(|(key, value)| key.is_empty() || key.contains(['=', '\0']) || value.contains('\0')) {
            Some((key, _)) => Err(config(format!("`{key}` can't be set in an environment"))),
            None => Ok(()),
        }
    }
}

fn check_support(provider: &str, caps: &Capabilities, resolved: &Resolved) -> Result<()> {
    if let Some(batch) = resolved.batch.filter(|batch| *batch > caps.max_batch) {
        let most = caps.max_batch;
        return Err(unsupported(
            provider,
            format!("takes at most {most} calls in a request, `batch` asks for {batch}"),
        ));
    }
    if let Some(most) = caps.max_timeout.filter(|most| resolved.timeout > *most) {
        let asked = resolved.timeout;
        return Err(unsupported(provider, format!("runs a call for at most {most:?}, `timeout` asks for {asked:?}")));
    }
    if let Some(asked) = resolved.memory_mb.filter(|_| caps.memory_limit == MemoryLimit::None) {
        return Err(unsupported(provider, format!("can't limit memory, `memory_mb` asks for {asked} MiB")));
    }
    if let (Some((least, most)), Some(asked)) = (caps.memory_mb, resolved.memory_mb)
        && !(least..=most).contains(&asked)
    {
        return Err(unsupported(provider, format!("gives {least} to {most} MiB, `memory_mb` asks for {asked}")));
    }
    Ok(())
}

fn config(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Config, message)
}

fn unsupported(provider: &str, what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Unsupported, format!("provider `{provider}` {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(options: &Options, caps: &Capabilities) -> Option<ErrorKind> {
        options.resolve("test", caps).err().map(|error| error.kind())
    }

    #[test]
    fn defaults_are_the_providers() {
        let resolved = Options::default().resolve("test", &Capabilities::new()).unwrap();
        assert_eq!((resolved.concurrency, resolved.retries, resolved.batch), (100, 2, Some(1)));
        let automatic = Capabilities { auto_batch: true, ..Capabilities::new() };
        assert_eq!(Options::default().resolve("test", &automatic).unwrap().batch, None);
    }

    #[test]
    fn values_without_sense_are_refused() {
        let caps = Capabilities { max_batch: 10, ..Capabilities::new() };
        let wrong = [
            Options { concurrency: Some(0), ..Options::default() },
            Options { timeout: Some(Duration::ZERO), ..Options::default() },
            Options { rate: Some(0.0), ..Options::default() },
            Options { rate: Some(f64::NAN), ..Options::default() },
            Options { burst: Some(2), ..Options::default() },
            Options { batch: Some(0), ..Options::default() },
            Options { budget_usd: Some(-1.0), ..Options::default() },
            Options { env: vec![("A=B".into(), String::new())], ..Options::default() },
        ];
        for options in wrong {
            assert_eq!(kind(&options, &caps), Some(ErrorKind::Config), "{options:?}");
        }
    }

    #[test]
    fn what_the_provider_can_not_do_is_unsupported() {
        let caps = Capabilities {
            max_timeout: Some(Duration::from_mins(15)),
            memory_mb: Some((128, 10_240)),
            ..Capabilities::new()
        };
        let beyond = [
            Options { timeout: Some(Duration::from_mins(16)), ..Options::default() },
            Options { memory_mb: Some(127), ..Options::default() },
            Options { batch: Some(2), ..Options::default() },
        ];
        for options in beyond {
            assert_eq!(kind(&options, &caps), Some(ErrorKind::Unsupported), "{options:?}");
        }
        assert_eq!(kind(&Options::default(), &Capabilities::unsupported()), Some(ErrorKind::Unsupported));
    }
}
