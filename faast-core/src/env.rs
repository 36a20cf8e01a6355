//! Environment variables of faast: the only place in core that reads them.
//!
//! Responsible for names, documentation and types; not for what follows from a value: the parsers are pure and the
//! modules that use a value decide. Nothing here writes the environment, and nothing is read before it is needed.

use std::path::PathBuf;

use crate::log::Channel;

/// Moves `~/.faast`, the folder of packages, ledgers, recorded runs and logs.
pub(crate) const FAAST_HOME: &str = "FAAST_HOME";

/// A folder that gets a copy of each package, for those who want to look inside.
pub(crate) const FAAST_PACKAGE_DIR: &str = "FAAST_PACKAGE_DIR";

/// `always` or `never`: whether values are compared with their own round trip. Unset: the first calls of a function.
pub(crate) const FAAST_VALIDATE: &str = "FAAST_VALIDATE";

/// `never`, `lines` or `auto`: how maps show their progress. Unset or `auto`: bars in a terminal, else lines.
pub(crate) const FAAST_PROGRESS: &str = "FAAST_PROGRESS";

/// What kind of terminal it is; `dumb` ones get no bars.
const TERM: &str = "TERM";

/// What faast prints where no `tracing` subscriber is set: `faast:info`, `faast:*`, `-faast:leaks`, a comma list.
pub(crate) const DEBUG: &str = "DEBUG";

/// How often a value is compared with what its round trip gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Validate {
    /// For the first calls of each function.
    #[default]
    First,
    /// For every call.
    Always,
    /// Not at all.
    Never,
}

impl Validate {
    /// The value of [`FAAST_VALIDATE`]; `Err` gives back what is not a value of it.
    fn parse(value: Option<&str>) -> Result<Self, &str> {
        match value.map(str::trim) {
            None | Some("") => Ok(Self::First),
            Some("always") => Ok(Self::Always),
            Some("never") => Ok(Self::Never),
            Some(other) => Err(other),
        }
    }
}

/// How the progress of maps is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Watch {
    /// Bars in a terminal, else lines.
    #[default]
    Auto,
    /// Lines, also in a terminal.
    Lines,
    /// Not at all.
    Never,
}

impl Watch {
    /// The value of [`FAAST_PROGRESS`]; `Err` gives back what is not a value of it.
    fn parse(value: Option<&str>) -> Result<Self, &str> {
        match value.map(str::trim) {
            None | Some("" | "auto") => Ok(Self::Auto),
            Some("lines") => Ok(Self::Lines),
            Some("never") => Ok(Self::Never),
            Some(other) => Err(other),
        }
    }
}

/// [`FAAST_PROGRESS`]; a value that is none is a warning and counts as unset.
pub(crate) fn progress() -> Watch {
    let value = text(FAAST_PROGRESS);
    Watch::parse(value.as_deref()).unwrap_or_else(|other| {
        crate::log!(Channel::Warning, "{FAAST_PROGRESS} is `{other}`; it can be `auto`, `lines` or `never`");
        Watch::default()
    })
}

/// Whether the terminal can't move its cursor.
pub(crate) fn is_dumb_terminal() -> bool {
    text(TERM).is_none_or(|kind| kind.is_empty() || kind == "dumb")
}

/// The folder that holds a folder for each provider: [`FAAST_HOME`], else `.faast` in the home folder, if there is one.
pub(crate) fn faast_home() -> Option<PathBuf> {
    let home = match std::env::var_os(FAAST_HOME) {
        Some(home) if !home.is_empty() => PathBuf::from(home),
        _ => std::env::home_dir().filter(|home| !home.as_os_str().is_empty())?.join(".faast"),
    };
    // The program may change its current folder later.
    Some(std::path::absolute(&home).unwrap_or(home))
}

/// [`FAAST_PACKAGE_DIR`], if it is set.
pub(crate) fn package_dir() -> Option<PathBuf> {
    std::env::var_os(FAAST_PACKAGE_DIR).filter(|folder| !folder.is_empty()).map(PathBuf::from)
}

/// The system's folder for temporary files.
pub(crate) fn temp_folder() -> PathBuf {
    std::env::temp_dir()
}

/// [`FAAST_VALIDATE`]; a value that is none is a warning and counts as unset.
pub(crate) fn validate() -> Validate {
    let value = text(FAAST_VALIDATE);
    Validate::parse(value.as_deref()).unwrap_or_else(|other| {
        crate::log!(Channel::Warning, "{FAAST_VALIDATE} is `{other}`; it can be `always` or `never`");
        Validate::default()
    })
}

/// [`DEBUG`], as it is written.
pub(crate) fn debug() -> Option<String> {
    text(DEBUG)
}

/// The value of a variable that is not faast's own; `None` where it is empty.
///
/// For variables that a provider's documentation names, such as `GOOGLE_CLOUD_PROJECT`.
pub fn variable(name: &str) -> Option<String> {
    text(name).filter(|value| !value.is_empty())
}

/// Where a service of a provider is instead of at its usual place.
///
/// `FAAST_<PROVIDER>_ENDPOINT_URL_<SERVICE>` says so, else `FAAST_<PROVIDER>_ENDPOINT_URL`, which is for all of them.
///
/// ```
/// # use faast_core::provider::endpoint_url;
/// // `FAAST_LAB_ENDPOINT_URL_QUEUE` moves the queue alone, for tests and emulators.
/// let url = endpoint_url("lab", "queue").unwrap_or_else(|| "https://queue.lab.example".into());
/// assert_eq!(url, "https://queue.lab.example");
/// ```
pub fn endpoint_url(provider: &str, service: &str) -> Option<String> {
    let general = format!("FAAST_{}_ENDPOINT_URL", provider.to_ascii_uppercase());
    let own = format!("{general}_{}", service.to_ascii_uppercase());
    variable(&own).or_else(|| variable(&general))
}

fn text(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn validation_is_always_never_or_the_first_calls() {
        assert_eq!(Validate::parse(None), Ok(Validate::First));
        assert_eq!(Validate::parse(Some("")), Ok(Validate::First));
        assert_eq!(Validate::parse(Some("always")), Ok(Validate::Always));
        assert_eq!(Validate::parse(Some(" never ")), Ok(Validate::Never));
    }

    #[test]
    fn progress_is_automatic_lines_or_never() {
        assert_eq!([None, Some(""), Some("auto")].map(Watch::parse), [Ok(Watch::Auto); 3]);
        assert_eq!([Some("lines"), Some(" never ")].map(Watch::parse), [Ok(Watch::Lines), Ok(Watch::Never)]);
        assert_eq!(Watch::parse(Some("off")), Err("off"));
    }

    #[test]
    fn an_unknown_validation_value_is_given_back_to_be_named() {
        assert_eq!(Validate::parse(Some("yes")), Err("yes"));
    }
}
