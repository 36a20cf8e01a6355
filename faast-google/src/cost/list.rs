//! The built-in price list: what a report uses where the Cloud Billing Catalog has not answered.
//!
//! Prices are US dollars beyond the free tier, which is the billing account's and not subtracted, as of [`LISTED`]. Source:
//! the pricing pages of Cloud Run, Pub/Sub, Cloud Storage, Artifact Registry and VPC.

use super::{CPU, IMAGE, MEMORY, MESSAGES, REQUESTS, STORAGE, STORAGE_READS, STORAGE_WRITES, TRANSFER_OUT};

/// When the prices were read.
const LISTED: &str = "2026-09";

/// Metric, unit, and price in regions of tier 1.
pub(super) const LIST: [(&str, &str, f64); 9] = [
    (CPU, "vCPU-second", 0.000_024),
    (MEMORY, "GiB-second", 0.000_002_5),
    (REQUESTS, "request", 0.000_000_4),
    (MESSAGES, "GiB", 40.0 / 1024.0),
    (STORAGE_WRITES, "request", 0.000_005),
    (STORAGE_READS, "request", 0.000_000_4),
    (STORAGE, "GiB-month", 0.02),
    (IMAGE, "GiB-month", 0.1),
    (TRANSFER_OUT, "GiB", 0.12),
];

/// What instances cost in regions of tier 2.
const TIER_2: [(&str, f64); 2] = [(CPU, 0.000_033_6), (MEMORY, 0.000_003_5)];

/// Regions of tier 1.
const REGIONS_1: [&str; 19] = [
    "asia-east1",
    "asia-northeast1",
    "asia-northeast2",
    "asia-south1",
    "europe-north1",
    "europe-north2",
    "europe-southwest1",
    "europe-west1",
    "europe-west4",
    "europe-west8",
    "europe-west9",
    "me-west1",
    "northamerica-south1",
    "us-central1",
    "us-east1",
    "us-east4",
    "us-east5",
    "us-south1",
    "us-west1",
];

/// Regions of tier 2.
const REGIONS_2: [&str; 24] = [
    "africa-south1",
    "asia-east2",
    "asia-northeast3",
    "asia-south2",
    "asia-southeast1",
    "asia-southeast2",
    "asia-southeast3",
    "australia-southeast1",
    "australia-southeast2",
    "europe-central2",
    "europe-west10",
    "europe-west12",
    "europe-west2",
    "europe-west3",
    "europe-west6",
    "me-central1",
    "me-central2",
    "northamerica-northeast1",
    "northamerica-northeast2",
    "southamerica-east1",
    "southamerica-west1",
    "us-west2",
    "us-west3",
    "us-west4",
];

/// The price of a metric in a region, and where it comes from; `listed` is that of tier 1.
pub(super) fn price(region: &str, metric: &str, listed: f64) -> (f64, String) {
    let dearer = TIER_2.iter().find(|(known, _)| *known == metric).map(|(_, usd)| *usd);
    match dearer {
        // Everything else costs the same everywhere, or nearly.
        None => (listed, format!("list price, {LISTED}")),
        Some(usd) if REGIONS_2.contains(&region) => (usd, format!("list price of tier 2, {LISTED}")),
        Some(_) if REGIONS_1.contains(&region) => (listed, format!("list price of tier 1, {LISTED}")),
        Some(usd) => (usd, format!("list price of tier 2, {LISTED}, an estimate for {region}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_of_the_second_tier_cost_more_and_unknown_ones_are_taken_for_such() {
        let is = |region, usd: f64, estimate| {
            let (got, source) = price(region, CPU, 0.000_024);
            assert!((got - usd).abs() < 1e-12, "{region}: {got}");
            assert_eq!(source.contains("estimate"), estimate, "{region}: {source}");
        };
        is("us-central1", 0.000_024, false);
        is("europe-west3", 0.000_033_6, false);
        is("us-west4", 0.000_033_6, false);
        is("us-south1", 0.000_024, false);
        is("mars-north1", 0.000_033_6, true);
    }

    /// As the pages and catalogs say it, line by line, for a region of each tier: the Cloud Billing Catalog's SKUs
    /// 4856-B847-F1EB, 085C-A237-027A, 02A2-9231-36A6, 600C-3782-6708 and 2DA5-55D3-E679 in copies of July to September
    /// 2026; the pricing pages of Cloud Run, Pub/Sub, Cloud Storage and Artifact Registry on 2026-09-26; VPC's premium tier.
    #[test]
    fn prices_of_two_regions_equal_the_published_tables() {
        let published = [
            ("us-central1", "vCPU", 0.000_024),
            ("us-central1", "memory", 0.000_002_5),
            ("us-central1", "requests", 0.40 / 1e6),
            ("us-central1", "messages", 40.0 / 1024.0),
            ("us-central1", "storage", 0.02),
            ("us-central1", "image", 0.10),
            ("us-central1", "transfer out", 0.12),
            ("europe-west3", "vCPU", 0.000_033_6),
            ("europe-west3", "memory", 0.000_003_5),
            ("europe-west3", "requests", 0.40 / 1e6),
            ("europe-west3", "messages", 40.0 / 1024.0),
            ("europe-west3", "image", 0.10),
            ("europe-west3", "transfer out", 0.12),
        ];
        for (region, metric, usd) in published {
            let (_, _, listed) = LIST.iter().find(|(known, ..)| *known == metric).unwrap();
            let (got, source) = price(region, metric, *listed);
            assert!((got - usd).abs() < 1e-12, "{region}, {metric}: {got} is not {usd}");
            assert!(!source.contains("estimate"), "{region}, {metric}: {source}");
        }
        // Per million operations: $5 to write and list, $0.40 to read.
        let of = |metric| LIST.iter().find(|(known, ..)| *known == metric).unwrap().2;
        assert!((of(STORAGE_WRITES) * 1e6 - 5.0).abs() < 1e-9 && (of(STORAGE_READS) * 1e6 - 0.4).abs() < 1e-9);
    }

    #[test]
    fn requests_cost_the_same_everywhere() {
        assert_eq!(price("europe-west3", REQUESTS, 0.000_000_4).1, "list price, 2026-09");
    }
}
