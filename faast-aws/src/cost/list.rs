//! The built-in price list: what a report uses where the Pricing API has not answered.
//!
//! Prices are US dollars of the first tier, free tiers not subtracted, as of [`LISTED`]. Sources: the region's price list
//! files (`pricing.us-east-1.amazonaws.com/offers/v1.0/aws/<service>/current/<region>/index.json`) and the pricing pages of
//! Lambda and EC2 (data transfer).

use super::{
    DURATION, DURATION_ARM, EPHEMERAL_STORAGE, QUEUE, REQUESTS, STORAGE, STORAGE_READS, STORAGE_WRITES, TRANSFER_OUT,
};

/// When the prices were read.
pub(super) const LISTED: &str = "2026-09";

/// The region of [`LIST`].
pub(super) const LISTED_REGION: &str = "us-east-1";

/// Metric, unit and price in [`LISTED_REGION`].
pub(super) const LIST: [(&str, &str, f64); 9] = [
    (DURATION, "GB-second", X86),
    (DURATION_ARM, "GB-second", ARM),
    (REQUESTS, "request", REQUEST),
    (EPHEMERAL_STORAGE, "GB-second", 0.000_000_030_9),
    (QUEUE, "request", 0.000_000_4),
    (TRANSFER_OUT, "GB", 0.09),
    (STORAGE_WRITES, "request", 0.000_005),
    (STORAGE_READS, "request", 0.000_000_4),
    (STORAGE, "GB-month", 0.023),
];

const X86: f64 = 0.000_016_666_7;
const ARM: f64 = 0.000_013_333_4;
const REQUEST: f64 = 0.000_000_2;

/// A price that is not known here; the one of [`LISTED_REGION`] stands for it, as an estimate.
const UNKNOWN: f64 = 0.0;

/// What most of a bill is made of, by region: a GB-second on x86-64 and on arm64, a request, a GB-second of `/tmp`, and a
/// GB to the internet.
const REGIONS: [(&str, [f64; 5]); 25] = [
    ("us-east-1", [X86, ARM, REQUEST, 0.000_000_030_9, 0.09]),
    ("us-east-2", [X86, ARM, REQUEST, 0.000_000_030_9, 0.09]),
    ("us-west-1", [X86, ARM, REQUEST, 0.000_000_037, 0.09]),
    ("us-west-2", [X86, ARM, REQUEST, 0.000_000_030_9, 0.09]),
    ("ca-central-1", [X86, ARM, REQUEST, 0.000_000_034, 0.09]),
    ("eu-central-1", [X86, ARM, REQUEST, 0.000_000_036_7, 0.09]),
    ("eu-central-2", [0.000_018_333_4, 0.000_014_666_7, 0.000_000_22, 0.000_000_044_1, UNKNOWN]),
    ("eu-north-1", [X86, ARM, REQUEST, 0.000_000_032_3, 0.09]),
    ("eu-south-1", [0.000_019_517_2, 0.000_015_613_8, 0.000_000_23, 0.000_000_035_7, 0.09]),
    ("eu-west-1", [X86, ARM, REQUEST, 0.000_000_034, 0.09]),
    ("eu-west-2", [X86, ARM, REQUEST, 0.000_000_035_8, 0.09]),
    ("eu-west-3", [X86, ARM, REQUEST, 0.000_000_035_8, 0.09]),
    ("af-south-1", [0.000_022_1, 0.000_017_68, 0.000_000_27, 0.000_000_040_4, 0.154]),
    ("ap-east-1", [0.000_022_92, 0.000_018_3, 0.000_000_28, 0.000_000_040_7, 0.12]),
    ("ap-northeast-1", [X86, ARM, REQUEST, 0.000_000_037, 0.114]),
    ("ap-northeast-2", [X86, ARM, REQUEST, 0.000_000_035_2, 0.126]),
    ("ap-northeast-3", [X86, ARM, REQUEST, 0.000_000_037, 0.114]),
    ("ap-south-1", [X86, ARM, REQUEST, 0.000_000_035_2, 0.1093]),
    ("ap-southeast-1", [X86, ARM, REQUEST, 0.000_000_037, 0.12]),
    ("ap-southeast-2", [X86, ARM, REQUEST, 0.000_000_037, 0.114]),
    ("ap-southeast-4", [X86, ARM, REQUEST, 0.000_000_037, UNKNOWN]),
    ("ap-southeast-5", [0.000_015, 0.000_012, 0.000_000_18, 0.000_000_033_3, UNKNOWN]),
    ("me-central-1", [0.000_020_666_7, 0.000_016_533_4, 0.000_000_25, UNKNOWN, 0.11]),
    ("me-south-1", [0.000_020_666_7, 0.000_016_533_4, 0.000_000_25, 0.000_000_037_4, 0.117]),
    ("sa-east-1", [X86, ARM, REQUEST, 0.000_000_058_6, 0.15]),
];

/// The metrics of these columns.
const COLUMNS: [&str; 5] = [DURATION, DURATION_ARM, REQUESTS, EPHEMERAL_STORAGE, TRANSFER_OUT];

/// The price of a metric in a region, and where it comes from; `listed` is that of [`LISTED_REGION`].
pub(super) fn price(region: &str, metric: &str, listed: f64) -> (f64, String) {
    let column = COLUMNS.iter().position(|it| *it == metric);
    let row = REGIONS.iter().find(|(name, _)| *name == region);
    match column.zip(row).map(|(column, (_, prices))| prices[column]) {
        Some(usd) if usd > UNKNOWN => (usd, format!("list price of {region}, {LISTED}")),
        _ if region == LISTED_REGION => (listed, format!("list price of {region}, {LISTED}")),
        _ => (listed, format!("list price of {LISTED_REGION}, {LISTED}, an estimate for {region}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_region_has_the_prices_of_the_list() {
        for (metric, _, listed) in LIST {
            let (usd, source) = price(LISTED_REGION, metric, listed);
            assert!((usd - listed).abs() < f64::EPSILON && !source.contains("estimate"), "{metric}");
        }
    }

    #[test]
    fn regions_differ_where_it_is_known_and_are_estimated_elsewhere() {
        // As AWS publishes them for its calculator: x86-64, arm64, a request, `/tmp`; and beside it a GB to the internet.
        let published = [
            ("us-west-2", [0.000_016_666_7, 0.000_013_333_4, 0.000_000_2, 0.000_000_030_9, 0.09]),
            ("eu-central-1", [0.000_016_666_7, 0.000_013_333_4, 0.000_000_2, 0.000_000_036_7, 0.09]),
            ("eu-south-1", [0.000_019_517_2, 0.000_015_613_8, 0.000_000_23, 0.000_000_035_7, 0.09]),
            ("af-south-1", [0.000_022_1, 0.000_017_68, 0.000_000_27, 0.000_000_040_4, 0.154]),
            ("ap-east-1", [0.000_022_92, 0.000_018_3, 0.000_000_28, 0.000_000_040_7, 0.12]),
            ("me-south-1", [0.000_020_666_7, 0.000_016_533_4, 0.000_000_25, 0.000_000_037_4, 0.117]),
            ("sa-east-1", [0.000_016_666_7, 0.000_013_333_4, 0.000_000_2, 0.000_000_058_6, 0.15]),
        ];
        for (region, prices) in published {
            for (metric, usd) in COLUMNS.into_iter().zip(prices) {
                assert_eq!(price(region, metric, 1.0), (usd, format!("list price of {region}, {LISTED}")), "{metric}");
            }
        }
        for (region, metric) in [("eu-west-3", QUEUE), ("mars-1", DURATION), ("me-central-1", EPHEMERAL_STORAGE)] {
            let (usd, source) = price(region, metric, 1.0);
            assert!(source.ends_with(&format!("an estimate for {region}")), "{source}");
            assert!((usd - 1.0).abs() < f64::EPSILON);
        }
    }
}
