//! Log channels: what faast says, and where it goes.
//!
//! Responsible for the eight channels, for their `tracing` targets, and for printing to stderr by the rules of the
//! `DEBUG` variable where no subscriber is set at the moment of emission. faast installs **no** subscriber. Not
//! responsible for user code's output, which belongs to the worker's log. Invariant: a message goes to exactly one of
//! subscriber and stderr, and writing it neither panics nor fails.
//!
//! ```
//! use faast_core::log::{self, Channel};
//! let bytes = 1_024;
//! faast_core::log!(Channel::Packer, "packed {bytes} bytes");
//! assert_eq!(Channel::Packer.target(), "faast:packer");
//! assert!(log::enabled(Channel::Warning));
//! ```

use std::fmt;
use std::io::Write as _;
use std::sync::atomic::{AtomicU16, Ordering};

use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::NoSubscriber;

use crate::env;

macro_rules! channels {
    ($($(#[doc = $doc:literal])+ $name:ident = $target:literal, $level:ident;)+) => {
        /// What a message is about. Each channel is a `tracing` target and a name in the `DEBUG` variable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Channel {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Channel {
            /// Every channel, for tables.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The channel's `tracing` target, which is also its name in the `DEBUG` variable.
            pub const fn target(self) -> &'static str {
                match self { $(Self::$name => $target,)+ }
            }

            /// The level of the channel's events.
            pub const fn level(self) -> Level {
                match self { $(Self::$name => Level::$level,)+ }
            }

            /// One call site a channel: the target of a `tracing` event is part of its static metadata.
            fn event(self, message: fmt::Arguments<'_>) {
                match self { $(Self::$name => tracing::event!(target: $target, Level::$level, "{message}"),)+ }
            }
        }
    };
}

channels! {
    /// What faast does, in few words.
    Info = "faast:info", INFO;
    /// What the user should know. Printed unless turned off.
    Warning = "faast:warning", WARN;
    /// Garbage collection of what earlier runs left behind.
    Gc = "faast:gc", DEBUG;
    /// Leaks of the client and memory that grows in workers. Printed unless turned off.
    Leaks = "faast:leaks", WARN;
    /// Every call, attempt and answer.
    Calls = "faast:calls", DEBUG;
    /// What goes into packages. `faast:webpack`, its old name, is accepted in `DEBUG`.
    Packer = "faast:packer", DEBUG;
    /// What a provider does.
    Provider = "faast:provider", DEBUG;
    /// Each attempt of the AWS SDK in the control plane: operation and status.
    AwsSdk = "faast:awssdk", DEBUG;
}

impl Channel {
    const fn bit(self) -> u16 {
        1 << self as u16
    }

    /// Whether the channel is printed without being asked for.
    const fn is_default(self) -> bool {
        matches!(self, Self::Warning | Self::Leaks)
    }
}

/// Sends a message to a channel; its arguments are only evaluated when somebody listens.
///
/// `log!(Channel::Info, "deployed {name}")`. Off, it costs two relaxed atomic loads.
#[macro_export]
macro_rules! log {
    ($channel:expr, $($message:tt)+) => {{
        let channel: $crate::log::Channel = $channel;
        if $crate::log::enabled(channel) {
            $crate::log::emit(channel, ::std::format_args!($($message)+));
        }
    }};
}

/// Whether a message on this channel may reach anybody. Two relaxed atomic loads.
#[inline]
pub fn enabled(channel: Channel) -> bool {
    printed().contains(channel) || channel.level() <= LevelFilter::current()
}

/// Sends a message to a channel: to the `tracing` subscriber, or to stderr where none is set.
///
/// Never panics.
pub fn emit(channel: Channel, message: fmt::Arguments<'_>) {
    if subscribed() {
        channel.event(message);
    } else if printed().contains(channel) {
        print(channel, message);
    }
}

/// Whether this thread has a subscriber now, a scoped one or the global one. `has_been_set` alone does not tell: it
/// stays true after a scoped subscriber is gone, and is true for every thread.
fn subscribed() -> bool {
    tracing::dispatcher::has_been_set() && tracing::dispatcher::get_default(|dispatch| !dispatch.is::<NoSubscriber>())
}

/// One write for the whole line, so that lines of several threads and workers don't mix. A closed stderr is no error:
/// there is nobody left to tell.
fn print(channel: Channel, message: fmt::Arguments<'_>) {
    let line = format!("{} {message}\n", channel.target());
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
}

/// The channels that are printed where no subscriber is set; the variable is read once.
fn printed() -> Printed {
    /// Written by the first emission (twice, with the same value, if two threads race), read by all later ones.
    static CACHED: AtomicU16 = AtomicU16::new(0);
    match CACHED.load(Ordering::Relaxed) {
        0 => {
            let printed = Printed::parse(env::debug().as_deref().unwrap_or_default());
            CACHED.store(printed.0 | Printed::KNOWN, Ordering::Relaxed);
            printed
        }
        known => Printed(known),
    }
}

/// A set of channels.
#[derive(Clone, Copy)]
struct Printed(u16);

impl Printed {
    /// Not a channel: marks the cached set as computed.
    const KNOWN: u16 = 1 << 15;

    /// The rules of the npm package `debug`: names separated by commas or white space, `*` for any text, a leading `-`
    /// turns off and always wins. Warnings and leaks need not be asked for.
    fn parse(variable: &str) -> Self {
        let names = || variable.split([',', ' ', '\t', '\n']).filter(|name| !name.is_empty());
        let mut set = 0;
        for &channel in Channel::ALL {
            let asked = || names().any(|name| names_channel(name, channel));
            let refused = names().filter_map(|name| name.strip_prefix('-')).any(|name| names_channel(name, channel));
            if !refused && (channel.is_default() || asked()) {
                set |= channel.bit();
            }
        }
        Self(set)
    }

    const fn contains(self, channel: Channel) -> bool {
        self.0 & channel.bit() != 0
    }
}

fn names_channel(pattern: &str, channel: Channel) -> bool {
    matches(pattern, channel.target()) || (channel == Channel::Packer && matches(pattern, "faast:webpack"))
}

/// Whether a pattern, in which `*` stands for any text, describes the whole name.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => name.strip_prefix(start).is_some_and(|name| {
            name.char_indices().map(|(at, _)| at).chain([name.len()]).any(|at| matches(rest, &name[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed_by(variable: &str) -> Vec<&'static str> {
        let set = Printed::parse(variable);
        Channel::ALL.iter().filter(|channel| set.contains(**channel)).map(|channel| &channel.target()[6..]).collect()
    }

    #[test]
    fn warnings_and_leaks_are_printed_without_being_asked_for() {
        assert_eq!(printed_by(""), ["warning", "leaks"]);
        assert_eq!(printed_by("express:*,1"), ["warning", "leaks"]);
    }

    #[test]
    fn a_channel_is_turned_on_by_its_name() {
        assert_eq!(printed_by("faast:info"), ["info", "warning", "leaks"]);
        assert_eq!(printed_by("faast:calls, faast:gc"), ["warning", "gc", "leaks", "calls"]);
    }

    #[test]
    fn a_star_turns_every_channel_on() {
        for all in ["*", "faast:*", "faast*", "other,faast:*"] {
            assert_eq!(printed_by(all).len(), Channel::ALL.len(), "{all}");
        }
        assert_eq!(printed_by("faast:*s*k"), ["warning", "leaks", "awssdk"]);
    }

    #[test]
    fn a_minus_turns_a_channel_off_and_always_wins() {
        assert_eq!(printed_by("-faast:leaks"), ["warning"]);
        assert_eq!(printed_by("-faast:*"), [""; 0]);
        assert!(!printed_by("-faast:calls,faast:*").contains(&"calls"));
    }

    #[test]
    fn webpack_is_the_old_name_of_packer() {
        assert_eq!(printed_by("faast:webpack"), ["warning", "leaks", "packer"]);
        assert!(!printed_by("faast:*,-faast:webpack").contains(&"packer"));
    }

    #[test]
    fn bare_names_of_channels_belong_to_other_programs() {
        assert_eq!(printed_by("info,warning"), ["warning", "leaks"]);
    }

    #[test]
    fn the_mark_of_a_computed_set_is_no_channel() {
        assert!(Channel::ALL.iter().all(|channel| channel.bit() != Printed::KNOWN));
    }
}
