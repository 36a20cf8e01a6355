//! Times as people say them: `3 h ago`, `in 2 d`.

use std::time::{Duration, SystemTime};

/// How long ago `at` was, or how long until then, seen at `now`.
pub(crate) fn relative(at: SystemTime, now: SystemTime) -> String {
    match now.duration_since(at) {
        Ok(ago) => format!("{} ago", length(ago)),
        Err(ahead) => format!("in {}", length(ahead.duration())),
    }
}

/// A duration in the largest unit of which there are at least two.
fn length(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let units = [(86_400, "d"), (3600, "h"), (60, "min")];
    let unit = units.into_iter().find(|(unit, _)| seconds >= 2 * unit);
    unit.map_or_else(|| format!("{seconds} s"), |(unit, name)| format!("{} {name}", seconds / unit))
}

/// Bytes in the largest unit of which there is at least one.
pub(crate) fn size(bytes: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let unit = units.into_iter().find(|(unit, _)| bytes >= *unit);
    unit.map_or_else(|| format!("{bytes} bytes"), |(unit, name)| format!("{:.1} {name}", bytes as f64 / unit as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_fit_what_they_measure() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_hours(1000);
        let texts =
            [0, 119, 120, 7199, 7200, 172_799, 172_800].map(|ago| relative(now - Duration::from_secs(ago), now));
        assert_eq!(texts, ["0 s ago", "119 s ago", "2 min ago", "119 min ago", "2 h ago", "47 h ago", "2 d ago"]);
        assert_eq!(relative(now + Duration::from_hours(3), now), "in 3 h");
        assert_eq!([size(1023), size(1536), size(5 << 20)], ["1023 bytes", "1.5 KiB", "5.0 MiB"]);
    }
}
