//! Unit prices: of the Pricing API, asked at most once a day, or of the table in here. What does not
//! come in time, or is not allowed, is taken from the table, and the report says so.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_config::{Region, SdkConfig};
use aws_sdk_pricing::Client;
use aws_sdk_pricing::types::{Filter, FilterType};
use faast_core::cache::CacheFolder;
use faast_core::cost::{PriceTable, prices_of_today};
use serde_json::Value;

use super::list::{self, LIST};
use super::{
    DURATION, DURATION_ARM, EPHEMERAL_STORAGE, QUEUE, REQUESTS, STORAGE, STORAGE_READS, STORAGE_WRITES, TRANSFER_OUT,
};

/// How long prices are waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where the Pricing API is; it knows the prices of all regions.
const PRICING_REGION: &str = "us-east-1";

/// Products that are on one page at most.
const PAGE: i32 = 100;

/// How the usage types of Lambda's products end, behind the prefix of their region.
const USAGE: [(&str, &str); 4] = [
    (DURATION, "Lambda-GB-Second"),
    (DURATION_ARM, "Lambda-GB-Second-ARM"),
    (REQUESTS, "Request"),
    (EPHEMERAL_STORAGE, "Lambda-Storage-GB-Second"),
];

/// How those of S3's products end.
const USAGE_OF_S3: [(&str, &str); 3] =
    [(STORAGE_WRITES, "Requests-Tier1"), (STORAGE_READS, "Requests-Tier2"), (STORAGE, "TimedStorage-ByteHrs")];

/// The prices in a region.
pub async fn prices(sdk: &SdkConfig, region: &str, cache: &CacheFolder) -> PriceTable {
    let found = prices_of_today(cache, region, PATIENCE, ask(sdk, region)).await;
    table(region, &found)
}

pub(super) fn table(region: &str, found: &BTreeMap<String, f64>) -> PriceTable {
    PriceTable::of_list(&LIST, |metric, listed| match found.get(metric) {
        Some(usd) => (*usd, format!("AWS price list of {region}")),
        None => list::price(region, metric, listed),
    })
}

/// Asks for all products of Lambda in a region, for traffic to the internet, and for the few of S3 and SQS that count.
async fn ask(sdk: &SdkConfig, region: &str) -> Result<BTreeMap<String, f64>, Box<dyn std::error::Error + Send + Sync>> {
    let config = aws_sdk_pricing::config::Builder::from(sdk).region(Region::new(PRICING_REGION)).build();
    let client = Client::from_conf(config);
    let outbound = [("fromRegionCode", region), ("transferType", "AWS Outbound")];
    let here = ("regionCode", region);
    let of_s3 = async |field, value| products(&client, "AmazonS3", &[here, (field, value)]).await;
    let of_lambda = [here];
    let of_queues = [here, ("group", "SQS-APIRequest-Tier1"), ("queueType", "Standard")];
    let (lambda, queues, transfer, writes, reads, standard) = tokio::try_join!(
        products(&client, "AWSLambda", &of_lambda),
        products(&client, "AWSQueueService", &of_queues),
        products(&client, "AWSDataTransfer", &outbound),
        of_s3("group", "S3-API-Tier1"),
        of_s3("group", "S3-API-Tier2"),
        of_s3("volumeType", "Standard"),
    )?;
    let s3: Vec<_> = writes.into_iter().chain(reads).chain(standard).collect();
    let mut found = BTreeMap::new();
    for (products, usages) in [(&lambda, &USAGE[..]), (&s3, &USAGE_OF_S3[..])] {
        for (metric, usage) in usages {
            let price = products.iter().find_map(|it| price_of(it, usage));
            found.extend(price.map(|usd| ((*metric).to_owned(), usd)));
        }
    }
    let to_internet = transfer.iter().find_map(|it| price_of(it, "DataTransfer-Out-Bytes"));
    // The same thing has another name where the service began.
    let queue = queues.iter().find_map(|it| price_of(it, "Requests-Tier1").or_else(|| price_of(it, "Requests-RBP")));
    found.extend(queue.map(|usd| (QUEUE.into(), usd)));
    found.extend(to_internet.map(|usd| (TRANSFER_OUT.into(), usd)));
    Ok(found)
}

async fn products(
    client: &Client,
    service: &str,
    filters: &[(&str, &str)],
) -> Result<Vec<Value>, Box<dyn std::error::Error + Send + Sync>> {
    let mut request = client.get_products().service_code(service).max_results(PAGE);
    for (field, value) in filters {
        request = request.filters(Filter::builder().r#type(FilterType::TermMatch).field(*field).value(*value).build()?);
    }
    let mut pages = request.into_paginator().send();
    let mut products = Vec::new();
    while let Some(page) = pages.next().await {
        let listed = page?.price_list.unwrap_or_default();
        products.extend(listed.iter().filter_map(|json| serde_json::from_str::<Value>(json).ok()));
    }
    Ok(products)
}

/// The price of a product's first tier, if it is that product: `USW2-Request` is `Request` in Oregon.
fn price_of(product: &Value, usage: &str) -> Option<f64> {
    let attributes = product.pointer("/product/attributes")?;
    let attribute = |name: &str| attributes.get(name)?.as_str();
    // The account-wide free tier is a product too, at no place.
    if attribute("location") == Some("Any") {
        return None;
    }
    let its = attribute("usagetype")?;
    let region = its.strip_suffix(usage)?;
    let of_all = region.starts_with("Global");
    let of_another = region.contains("Lambda") || !(region.is_empty() || region.ends_with('-'));
    if of_all || of_another {
        return None;
    }
    let terms = product.pointer("/terms/OnDemand")?.as_object()?;
    let tiers = terms.values().filter_map(|term| term.get("priceDimensions")?.as_object()).flat_map(|it| it.values());
    let first = |tier: &&Value| matches!(tier.get("beginRange").and_then(Value::as_str), Some("0") | None);
    // `NaN` and `-1` are numbers too, and a budget would never be spent by them.
    let is_price = |usd: &f64| usd.is_finite() && *usd >= 0.0;
    tiers.filter(first).find_map(|tier| tier.pointer("/pricePerUnit/USD")?.as_str()?.parse().ok().filter(is_price))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A product as the API lists it, with two tiers.
    fn product(usage: &str, location: &str, usd: &str) -> Value {
        serde_json::json!({
            "product": { "attributes": { "usagetype": usage, "location": location, "regionCode": "us-west-2" } },
            "terms": { "OnDemand": { "A.B": { "priceDimensions": {
                "A.B.2": { "beginRange": "6000000000", "endRange": "Inf", "unit": "s", "pricePerUnit": { "USD": "0.1" } },
                "A.B.1": { "beginRange": "0", "endRange": "6000000000", "unit": "s", "pricePerUnit": { "USD": usd } },
            } } } },
        })
    }

    #[test]
    fn the_first_tier_of_the_right_product_is_taken() {
        let oregon = "US West (Oregon)";
        assert_eq!(price_of(&product("USW2-Request", oregon, "0.0000002"), "Request"), Some(0.000_000_2));
        assert_eq!(price_of(&product("Lambda-GB-Second", oregon, "0.5"), "Lambda-GB-Second"), Some(0.5));
        for (usage, location) in [
            ("Global-Request", "Any"),
            ("USW2-Request-ARM", oregon),
            ("USW2-Lambda-Provisioned-GB-Second", oregon),
            ("Global-Lambda-GB-Second", oregon),
        ] {
            assert_eq!(price_of(&product(usage, location, "1"), "Request"), None, "{usage}");
            assert_eq!(price_of(&product(usage, location, "1"), "Lambda-GB-Second"), None, "{usage}");
        }
    }

    #[test]
    fn what_is_no_price_is_none() {
        for usd in ["NaN", "-1", "inf", "1e999", "free", ""] {
            assert_eq!(price_of(&product("USW2-Request", "US West (Oregon)", usd), "Request"), None, "{usd}");
        }
        let valid = product("USW2-Request", "US West (Oregon)", "0.0000002").to_string();
        for seed in 0..5_000 {
            let damaged = faast_testkit::hostile::text(seed, valid.as_bytes());
            let Ok(damaged) = serde_json::from_slice(&damaged) else { continue };
            assert!(price_of(&damaged, "Request").is_none_or(|usd| usd.is_finite() && usd >= 0.0), "{damaged}");
        }
    }

    #[test]
    fn what_was_not_found_comes_from_the_list_and_says_so() {
        let found = BTreeMap::from([(REQUESTS.to_owned(), 0.5)]);
        let table = table("eu-west-1", &found);
        assert_eq!((table.prices[REQUESTS].usd, &*table.prices[REQUESTS].source), (0.5, "AWS price list of eu-west-1"));
        assert_eq!(&*table.prices[DURATION].source, "list price of eu-west-1, 2026-09");
        assert!(table.prices[QUEUE].source.ends_with("an estimate for eu-west-1"), "{table:?}");
    }

    #[test]
    fn in_the_listed_region_the_list_is_no_estimate() {
        let table = table("us-east-1", &BTreeMap::new());
        assert!(table.prices.values().all(|price| !price.source.contains("estimate")), "{table:?}");
        assert_eq!(table.prices.len(), LIST.len());
    }

    #[tokio::test]
    async fn prices_of_today_are_not_asked_for_again() {
        let home = tempfile::tempdir().unwrap();
        let cache = CacheFolder::at(home.path().join("aws"));
        cache.write("prices/us-west-2.json", br#"{"duration":0.25}"#).unwrap();
        // Nothing listens there.
        let sdk = SdkConfig::builder().endpoint_url("http://127.0.0.1:1").build();
        let table = prices(&sdk, "us-west-2", &cache).await;
        assert!((table.prices[DURATION].usd - 0.25).abs() < f64::EPSILON);
    }
}
