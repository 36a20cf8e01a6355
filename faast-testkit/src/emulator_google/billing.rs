//! The Cloud Billing Catalog: services and their SKUs, with prices of its own fixture.
//!
//! The numbers differ from the public ones on purpose where a test has to see that they were looked up: `SCALE` is what
//! everything costs more.

use serde_json::{Value, json};

use super::protocol::{ApiError, ApiRequest, Reply};
use super::run::{REGIONS, page};

/// Ids of services, and how they are called.
const SERVICES: [(&str, &str); 4] = [
    ("152E-C115-5142", "Cloud Run"),
    ("A1E8-BE35-7EBC", "Cloud Pub/Sub"),
    ("95FF-2EF5-5EA1", "Cloud Storage"),
    ("149C-F9EC-3994", "Artifact Registry"),
];

/// Regions of the second tier.
const TIER_2: [&str; 3] = ["australia-southeast1", "europe-west3", "southamerica-east1"];

/// How much more everything costs than it really does.
const SCALE: u64 = 2;

/// Nanodollars in a dollar.
const BILLION: u64 = 1_000_000_000;

/// A SKU: description, where, unit, and prices from an amount on.
struct Sku<'a> {
    id: &'a str,
    description: &'a str,
    regions: Vec<&'a str>,
    unit: &'a str,
    /// Nanodollars from an amount on; the first is free where there are two.
    tiers: &'a [(f64, u64)],
}

impl Sku<'_> {
    fn json(&self, service: &str) -> Value {
        let rate = |(start, nanos): &(f64, u64)| {
            let (units, nanos) = (nanos * SCALE / BILLION, nanos * SCALE % BILLION);
            json!({
                "startUsageAmount": start,
                "unitPrice": { "currencyCode": "USD", "units": units.to_string(), "nanos": nanos },
            })
        };
        json!({
            "name": format!("services/{service}/skus/{}", self.id),
            "skuId": self.id,
            "description": self.description,
            "category": { "serviceDisplayName": "", "resourceFamily": "Compute", "usageType": "OnDemand" },
            "serviceRegions": self.regions,
            "pricingInfo": [{
                "summary": "",
                "pricingExpression": {
                    "usageUnit": self.unit,
                    "displayQuantity": 1,
                    "tieredRates": self.tiers.iter().map(rate).collect::<Vec<_>>(),
                },
                "currencyConversionRate": 1,
                "effectiveTime": "2026-11-22T00:00:00Z",
            }],
            "serviceProviderName": "Google",
        })
    }
}

/// `GET /v1/services` and `GET /v1/services/{id}/skus`.
pub(super) fn handle(request: &ApiRequest) -> Result<Reply, ApiError> {
    if request.route.action == "ListServices" {
        let shown = |(id, name): &(&str, &str)| json!({ "name": format!("services/{id}"), "serviceId": id, "displayName": name });
        let all: Vec<Value> = SERVICES.iter().map(shown).collect();
        return page(request, "services", &all, 5000, 5000);
    }
    let id = request.route.name.as_str();
    let first: Vec<&str> = REGIONS.iter().map(|(it, _)| *it).filter(|it| !TIER_2.contains(it)).collect();
    let skus = match id {
        "152E-C115-5142" => run_skus(&first),
        "A1E8-BE35-7EBC" => pubsub_skus(),
        "95FF-2EF5-5EA1" => storage_skus(&first),
        "149C-F9EC-3994" => repository_skus(),
        _ => return Err(ApiError::not_found(format!("Service {id} not found."))),
    };
    let all: Vec<Value> = skus.iter().map(|it| it.json(id)).collect();
    page(request, "skus", &all, 5000, 5000)
}

fn run_skus<'a>(first: &[&'a str]) -> Vec<Sku<'a>> {
    let sku = |id, description, regions, unit, tiers| Sku { id, description, regions, unit, tiers };
    vec![
        sku(
            "4856-B847-F1EB",
            "Services CPU  (Request-based billing)",
            first.to_vec(),
            "s",
            &[(0.0, 0), (180_000.0, 24_000)],
        ),
        sku(
            "085C-A237-027A",
            "Services CPU Tier 2 (Request-based billing)",
            TIER_2.to_vec(),
            "s",
            &[(0.0, 0), (180_000.0, 33_600)],
        ),
        sku(
            "02A2-9231-36A6",
            "Services Memory (Request-based billing)",
            first.to_vec(),
            "GiBy.s",
            &[(0.0, 0), (360_000.0, 2_500)],
        ),
        sku(
            "600C-3782-6708",
            "Services Memory Tier 2 (Request-based billing)",
            TIER_2.to_vec(),
            "GiBy.s",
            &[(0.0, 0), (360_000.0, 3_500)],
        ),
        sku("2DA5-55D3-E679", "Requests", vec!["global"], "count", &[(0.0, 0), (2_000_000.0, 400)]),
        // Others that a careless search would take.
        sku("0A1B-2C3D-4E5F", "Jobs CPU in us-central1", vec!["us-central1"], "s", &[(0.0, 18_000)]),
        sku(
            "1A1B-2C3D-4E5F",
            "Services CPU (Instance-based billing) in us-central1",
            vec!["us-central1"],
            "s",
            &[(0.0, 18_000)],
        ),
        sku(
            "2A1B-2C3D-4E5F",
            "Cloud Run Network Internet Data Transfer Out North America to North America",
            vec!["us-central1", "us-east1", "us-west1"],
            "GiBy",
            &[(0.0, 0), (1.0, 120_000_000)],
        ),
    ]
}

fn pubsub_skus() -> Vec<Sku<'static>> {
    vec![Sku {
        id: "027D-B6C7-CCA2",
        description: "Message Delivery Basic",
        regions: vec!["global"],
        unit: "TiBy",
        tiers: &[(0.0, 0), (0.009_765_625, 40_000_000_000)],
    }]
}

fn storage_skus<'a>(first: &[&'a str]) -> Vec<Sku<'a>> {
    let sku = |id, description, regions, unit, tiers| Sku { id, description, regions, unit, tiers };
    vec![
        sku(
            "E5F0-6A5D-7BAD",
            "Standard Storage US Regional",
            first.to_vec(),
            "GiBy.mo",
            &[(0.0, 0), (5.0, 20_000_000)],
        ),
        sku("4DBF-185F-A415", "Regional Standard Class A Operations", vec!["global"], "count", &[(0.0, 5_000)]),
        sku("7870-010B-2763", "Regional Standard Class B Operations", vec!["global"], "count", &[(0.0, 400)]),
    ]
}

fn repository_skus() -> Vec<Sku<'static>> {
    vec![Sku {
        id: "FBB2-A1C9-0A8E",
        description: "Artifact Registry Storage",
        regions: vec!["global"],
        unit: "GiBy.mo",
        tiers: &[(0.0, 0), (0.5, 100_000_000)],
    }]
}
