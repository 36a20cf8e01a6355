//! What is said of maps and deployments, in words: bars for terminals, lines for logs. Pure.

use std::time::{Duration, Instant};

use crate::stats::Snapshot;

/// Time constant of the rate, in seconds: recent enough to follow, long enough to be read.
const SMOOTH: f64 = 5.0;

/// The width of a bar.
const BAR: usize = 24;

/// Calls that end in a second, of late.
#[derive(Debug, Default)]
pub(super) struct Rate {
    last: Option<(u64, Instant)>,
    per_second: Option<f64>,
}

impl Rate {
    pub(super) fn record(&mut self, done: u64, now: Instant) {
        let Some((before, at)) = self.last else {
            self.last = Some((done, now));
            return;
        };
        let seconds = now.saturating_duration_since(at).as_secs_f64();
        if seconds < 0.05 {
            return;
        }
        let sample = done.saturating_sub(before) as f64 / seconds;
        let weight = 1.0 - (-seconds / SMOOTH).exp();
        self.per_second = Some(self.per_second.map_or(sample, |rate| rate + weight * (sample - rate)));
        self.last = Some((done, now));
    }

    pub(super) fn per_second(&self) -> Option<f64> {
        self.per_second.filter(|rate| *rate > 0.0)
    }
}

/// One map at one moment.
#[derive(Debug)]
pub(super) struct MapView {
    pub(super) function: &'static str,
    pub(super) done: u64,
    pub(super) failed: u64,
    pub(super) total: Option<u64>,
    pub(super) elapsed: Duration,
    pub(super) per_second: Option<f64>,
    pub(super) provider: &'static str,
    /// Tells deployments apart.
    pub(super) deployment: usize,
    /// `None` when it is gone.
    pub(super) cloud: Option<Snapshot>,
}

/// A line for each map, and one for each deployment below its last map.
pub(super) fn bars(maps: &[MapView], width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for (index, map) in maps.iter().enumerate() {
        lines.push(cut(map.bar(), width));
        let more = maps[index + 1..].iter().any(|other| other.deployment == map.deployment);
        if !more && let Some(cloud) = &map.cloud {
            lines.push(cut(format!("  {}: {}", map.provider, describe(cloud)), width));
        }
    }
    lines
}

impl MapView {
    /// The function without its module.
    fn name(&self) -> &'static str {
        // Before its first call is pulled, a map has no name.
        self.function.rsplit("::").next().filter(|name| !name.is_empty()).unwrap_or("map")
    }

    fn share(&self) -> Option<f64> {
        self.total.map(|total| (self.done as f64 / total as f64).min(1.0))
    }

    fn bar(&self) -> String {
        let name = self.name();
        let drawn = self
            .share()
            .map(|share| format!("{} {:>3.0} %  ", bar(share), (share * 100.0).floor()))
            .unwrap_or_default();
        format!("{name:<12} {drawn}{}", self.numbers())
    }

    fn numbers(&self) -> String {
        let mut parts = vec![match self.total {
            Some(total) => format!("{} of {total}", self.done),
            None => format!("{} done", self.done),
        }];
        if self.failed > 0 {
            parts.push(format!("{} failed", self.failed));
        }
        if let Some(rate) = self.per_second {
            parts.push(format!("{}/s", if rate < 10.0 { format!("{rate:.1}") } else { format!("{rate:.0}") }));
            if let Some(left) = self.total.and_then(|total| total.checked_sub(self.done)).filter(|left| *left > 0) {
                parts.push(format!("{} left", time(left as f64 / rate)));
            }
        }
        parts.join(", ")
    }

    /// For a log.
    pub(super) fn line(&self) -> String {
        let share = self.share().map(|share| format!(" ({:.0} %)", (share * 100.0).floor())).unwrap_or_default();
        let cloud =
            self.cloud.as_ref().map(|cloud| format!("; {}: {}", self.provider, describe(cloud))).unwrap_or_default();
        format!("faast: {}: {}{share}{cloud}", self.name(), self.numbers())
    }

    /// When it has ended, or was given up.
    pub(super) fn last_line(&self) -> String {
        let cloud = self.cloud.as_ref().map(|cloud| ended(cloud, self.provider)).unwrap_or_default();
        let of = self.total.filter(|total| *total != self.done).map(|total| format!(" of {total}")).unwrap_or_default();
        let seconds = self.elapsed.as_secs_f64();
        let rate = if seconds > 0.0 { self.done as f64 / seconds } else { 0.0 };
        let (name, done, failed) = (self.name(), self.done, self.failed);
        format!("faast: {name}: {done}{of} done, {failed} failed, in {} ({rate:.1}/s){cloud}", time(seconds))
    }
}

/// What a deployment does now.
fn describe(cloud: &Snapshot) -> String {
    let counters = &cloud.counters;
    let mut parts =
        vec![format!("{} of {} in flight", cloud.in_flight, cloud.limit), format!("{} queued", cloud.queued)];
    let counted = [(counters.retried, "retried"), (counters.hedged, "hedged"), (counters.throttled, "throttled")];
    parts.extend(counted.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")));
    parts.extend(cost(cloud));
    parts.join(", ")
}

/// What a deployment has done.
fn ended(cloud: &Snapshot, provider: &str) -> String {
    let counters = &cloud.counters;
    let counted = [(counters.retried, "retried"), (counters.hedged, "hedged"), (counters.throttled, "throttled")];
    let mut parts: Vec<_> =
        counted.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    parts.push(format!("{} in flight at most", counters.max_in_flight));
    parts.extend(cost(cloud));
    format!("; {provider}: {}", parts.join(", "))
}

fn cost(cloud: &Snapshot) -> Option<String> {
    let usd = cloud.cost.total_usd();
    (usd > 0.0).then(|| if usd < 0.01 { format!("${usd:.6}") } else { format!("${usd:.4}") })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of the bar's width")]
fn bar(share: f64) -> String {
    let halves = (share * BAR as f64 * 2.0).floor() as usize;
    let mut bar = "━".repeat(halves / 2);
    if halves % 2 == 1 {
        bar.push('╸');
    }
    let drawn = halves.div_ceil(2);
    format!("\x1b[36m{bar}\x1b[2m{}\x1b[0m", "─".repeat(BAR - drawn))
}

/// Cuts a line at the terminal's width; escapes have none.
fn cut(line: String, width: usize) -> String {
    let (mut shown, mut escape) = (0, false);
    let end = line.char_indices().find_map(|(at, c)| {
        if escape {
            escape = c != 'm';
        } else if c == '\x1b' {
            escape = true;
        } else {
            shown += 1;
        }
        (shown > width).then_some(at)
    });
    match end {
        Some(end) => format!("{}\x1b[0m", &line[..end]),
        None => line,
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "seconds, and never negative")]
fn time(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..10 => format!("{seconds:.1} s"),
        10..120 => format!("{whole} s"),
        120..7_200 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::{CostReport, Price, PriceTable, Quantity};
    use crate::stats::Counters;

    fn map(done: u64, total: Option<u64>) -> MapView {
        let counters = Counters { retried: 3, max_in_flight: 4, ..Counters::default() };
        MapView {
            function: "job::primes",
            done,
            failed: 2,
            total,
            elapsed: Duration::from_secs(20),
            per_second: Some(12.0),
            provider: "local",
            deployment: 1,
            cloud: Some(Snapshot { counters, limit: 4, in_flight: 3, queued: 9, cost: CostReport::default() }),
        }
    }

    #[test]
    fn a_line_says_what_is_done_and_what_is_left() {
        let line = map(30, Some(150)).line();
        let cloud = "local: 3 of 4 in flight, 9 queued, 3 retried";
        assert_eq!(line, format!("faast: primes: 30 of 150, 2 failed, 12/s, 10 s left (20 %); {cloud}"));
        assert!(map(30, None).line().starts_with("faast: primes: 30 done, 2 failed, 12/s;"));
        let last = map(150, Some(150)).last_line();
        assert_eq!(last, "faast: primes: 150 done, 2 failed, in 20 s (7.5/s); local: 3 retried, 4 in flight at most");
    }

    #[test]
    fn what_it_costs_so_far_is_said_where_it_costs_anything() {
        let mut prices = PriceTable::default();
        prices.prices.insert("requests".into(), Price { usd: 0.25, unit: "request".into(), source: "list".into() });
        let used = Quantity { metric: "requests".into(), amount: 50.0, measured: true };
        let mut map = map(30, Some(150));
        let cloud = map.cloud.as_mut().unwrap();
        cloud.cost = prices.report(&[used].into_iter().collect());
        cloud.counters.hedged = 2;
        assert!(map.line().ends_with("9 queued, 3 retried, 2 hedged, $12.5000"), "{}", map.line());
        assert!(map.last_line().ends_with("4 in flight at most, $12.5000"), "{}", map.last_line());
    }

    #[test]
    fn maps_of_one_deployment_share_its_line() {
        let maps = [map(1, Some(2)), map(1, None), MapView { deployment: 2, ..map(0, None) }];
        let lines = bars(&maps, 200);
        assert_eq!(lines.iter().filter(|line| line.starts_with("  local:")).count(), 2);
        assert_eq!(lines.len(), 5);
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let visible = |line: &str| {
            let mut rest = line.to_owned();
            while let Some(at) = rest.find('\x1b') {
                let end = at + rest[at..].find('m').unwrap();
                rest.replace_range(at..=end, "");
            }
            rest.chars().count()
        };
        for width in [1, 10, 30, 79] {
            for line in bars(&[map(77, Some(100))], width) {
                assert!(visible(&line) <= width, "{line:?} on {width}");
            }
        }
        assert_eq!(visible(&bar(0.5)), BAR);
        assert_eq!((visible(&bar(0.0)), visible(&bar(1.0)), visible(&bar(0.51))), (BAR, BAR, BAR));
    }

    #[test]
    fn the_rate_follows() {
        let start = Instant::now();
        let mut rate = Rate::default();
        (0..=300).for_each(|n| rate.record(n * 10, start + Duration::from_millis(100) * u32::try_from(n).unwrap()));
        assert!((rate.per_second().unwrap() - 100.0).abs() < 1.0);
        assert_eq!(Rate::default().per_second(), None);
    }

    #[test]
    fn times_are_readable() {
        assert_eq!([0.04, 9.4, 61.0, 125.0, 8000.0].map(time), ["0.0 s", "9.4 s", "61 s", "2 min 05 s", "2 h 13 min"]);
    }
}
