//! Unit prices: of the Cloud Billing Catalog, asked at most once a day, or of the table in here. What does not
//! come in time, or is not allowed, is taken from the table, and the report says so.

use std::collections::BTreeMap;
use std::time::Duration;

use faast_core::cache::CacheFolder;
use faast_core::cost::{PriceTable, prices_of_today};
use reqwest::Method;
use serde_json::Value;

use super::list::{self, LIST};
use super::{CPU, IMAGE, MEMORY, MESSAGES, REQUESTS, STORAGE, STORAGE_READS, STORAGE_WRITES};
use crate::classify::control::Refusal;
use crate::clients::Clients;
use crate::endpoint::Service;

/// How long prices are waited for: the catalog's lists are long.
const PATIENCE: Duration = Duration::from_secs(4);

/// The catalog's ids of services.
const RUN: &str = "152E-C115-5142";
const PUBSUB: &str = "A1E8-BE35-7EBC";
const STORAGE_SERVICE: &str = "95FF-2EF5-5EA1";
const ARTIFACT_REGISTRY: &str = "149C-F9EC-3994";

/// Services, and what is wanted of each: the metric, the descriptions that it may have, and what one of the catalog's units
/// has of the metric's.
type Wanted = (&'static str, &'static [(&'static str, &'static [&'static str], f64)]);

const WANTED: [Wanted; 4] = [
    (
        RUN,
        &[
            (CPU, &["Services CPU (Request-based billing)", "Services CPU Tier 2 (Request-based billing)"], 1.0),
            (
                MEMORY,
                &["Services Memory (Request-based billing)", "Services Memory Tier 2 (Request-based billing)"],
                1.0,
            ),
            (REQUESTS, &["Requests"], 1.0),
        ],
    ),
    (PUBSUB, &[(MESSAGES, &["Message Delivery Basic"], 1024.0)]),
    (
        STORAGE_SERVICE,
        &[
            (STORAGE_WRITES, &["Regional Standard Class A Operations"], 1.0),
            (STORAGE_READS, &["Regional Standard Class B Operations"], 1.0),
            (STORAGE, &["Standard Storage"], 1.0),
        ],
    ),
    (ARTIFACT_REGISTRY, &[(IMAGE, &["Artifact Registry Storage"], 1.0)]),
];

/// The prices in the clients' region.
pub(crate) async fn prices(clients: &Clients, cache: &CacheFolder) -> PriceTable {
    let region = &clients.region;
    let found = prices_of_today(cache, region, PATIENCE, ask(clients)).await;
    table(region, &found)
}

pub(super) fn table(region: &str, found: &BTreeMap<String, f64>) -> PriceTable {
    PriceTable::of_list(&LIST, |metric, listed| match found.get(metric) {
        Some(usd) => (*usd, format!("Cloud Billing Catalog, {region}")),
        None => list::price(region, metric, listed),
    })
}

async fn ask(clients: &Clients) -> Result<BTreeMap<String, f64>, Refusal> {
    let lists = WANTED.map(|(service, wanted)| of_service(clients, service, wanted));
    let lists = futures_util::future::try_join_all(lists).await?;
    Ok(lists.into_iter().flatten().collect())
}

async fn of_service(
    clients: &Clients,
    service: &str,
    wanted: &[(&'static str, &[&str], f64)],
) -> Result<Vec<(String, f64)>, Refusal> {
    let path = format!("/v1/services/{service}/skus");
    let mut found = Vec::new();
    let mut token = String::new();
    loop {
        let call = clients.rest.call("cloudbilling.services.list", Method::GET, Service::Billing, &path).once();
        let call = call.query("pageSize", "5000").query("currencyCode", "USD").query("pageToken", token);
        let page = call.send_json().await?;
        let skus = page.get("skus").and_then(Value::as_array).into_iter().flatten();
        for sku in skus {
            let metric = wanted.iter().find(|(_, descriptions, _)| is_one(sku, descriptions, &clients.region));
            let price = metric.and_then(|(metric, _, units)| Some(((*metric).to_owned(), price_of(sku)? / units)));
            found.extend(price);
        }
        token = page.get("nextPageToken").and_then(Value::as_str).unwrap_or_default().into();
        if token.is_empty() {
            return Ok(found);
        }
    }
}

/// Whether it is a thing of this region, or of all, with one of these descriptions. Some have more than one space, and some
/// the region behind.
fn is_one(sku: &Value, descriptions: &[&str], region: &str) -> bool {
    let Some(description) = sku.get("description").and_then(Value::as_str) else { return false };
    let description = description.split_whitespace().collect::<Vec<_>>().join(" ");
    let regions = sku.get("serviceRegions").and_then(Value::as_array).into_iter().flatten();
    let here = regions.filter_map(Value::as_str).any(|it| it == region || it == "global");
    here && descriptions
        .iter()
        .any(|known| description.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with(" in ")))
}

/// US dollars for one of the units that it is used in. The first tier is the free one where there is one, so that the last
/// counts.
fn price_of(sku: &Value) -> Option<f64> {
    let expression = sku.get("pricingInfo")?.as_array()?.last()?.get("pricingExpression")?;
    let price = expression.get("tieredRates")?.as_array()?.last()?.get("unitPrice")?;
    let units: f64 = match price.get("units") {
        Some(Value::String(text)) => text.parse().ok()?,
        Some(number) => number.as_f64()?,
        None => 0.0,
    };
    let nanos = price.get("nanos").and_then(Value::as_f64).unwrap_or_default();
    // It is for one of the units that usage is counted in, however many of them are shown together.
    Some(units + nanos / 1e9)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cost::TRANSFER_OUT;

    fn sku(description: &str, regions: &[&str], rates: &Value) -> Value {
        json!({
            "description": description,
            "serviceRegions": regions,
            "pricingInfo": [{ "pricingExpression": {
                "usageUnit": "count", "displayQuantity": 1_000_000, "tieredRates": rates,
            } }],
        })
    }

    #[test]
    fn the_last_tier_counts_because_the_first_is_free() {
        let rates = json!([
            { "startUsageAmount": 0, "unitPrice": { "units": "0", "nanos": 0 } },
            { "startUsageAmount": 2_000_000, "unitPrice": { "units": "0", "nanos": 400 } },
        ]);
        let price = price_of(&sku("Requests", &["global"], &rates)).unwrap();
        assert!((price - 0.000_000_4).abs() < 1e-15, "{price}");
    }

    #[test]
    fn descriptions_with_two_spaces_are_recognised_and_others_are_not() {
        let wanted = ["Services CPU (Request-based billing)"];
        let is = |description, regions: &[&str]| is_one(&sku(description, regions, &json!([])), &wanted, "us-east1");
        assert!(is("Services CPU  (Request-based billing)", &["us-central1", "us-east1"]));
        assert!(is("Services CPU (Request-based billing) in us-east1", &["us-east1"]));
        assert!(!is("Services CPU (Request-based billing)", &["europe-west3"]));
        assert!(!is("Services CPU (Instance-based billing)", &["us-east1"]));
        assert!(!is("Services CPU (Request-based billing) committed", &["us-east1"]));
    }

    #[test]
    fn what_was_not_found_comes_from_the_list_and_says_so() {
        let found = BTreeMap::from([(REQUESTS.to_owned(), 0.5)]);
        let table = table("us-central1", &found);
        assert_eq!(&*table.prices[REQUESTS].source, "Cloud Billing Catalog, us-central1");
        assert_eq!(&*table.prices[CPU].source, "list price of tier 1, 2026-09");
        assert_eq!(&*table.prices[TRANSFER_OUT].source, "list price, 2026-09");
        assert_eq!(table.prices.len(), LIST.len());
    }
}
