//! The catalog of prices.

use serde_json::Value;

use crate::client::Project;

fn skus(project: &Project, service: &str) -> Vec<Value> {
    let page = project.get(&format!("/v1/services/{service}/skus?pageSize=5000&currencyCode=USD")).ok();
    page["skus"].as_array().unwrap().clone()
}

#[test]
fn every_region_has_one_price_for_a_vcpu_and_its_first_tier_is_free() {
    let project = Project::new();
    let all = skus(&project, "152E-C115-5142");
    for region in ["us-central1", "europe-west3"] {
        let is_cpu = |it: &&Value| {
            let text = it["description"].as_str().unwrap();
            let regions = it["serviceRegions"].as_array().unwrap();
            text.starts_with("Services CPU") && text.contains("Request-based") && regions.iter().any(|it| it == region)
        };
        let found: Vec<&Value> = all.iter().filter(is_cpu).collect();
        assert_eq!(found.len(), 1, "{region}");
        let rates = found[0]["pricingInfo"][0]["pricingExpression"]["tieredRates"].as_array().unwrap();
        assert_eq!((rates[0]["unitPrice"]["nanos"].as_i64(), rates.len()), (Some(0), 2));
        assert!(rates[1]["unitPrice"]["nanos"].as_i64().unwrap() > 0);
    }
}

#[test]
fn services_have_their_ids_and_others_are_not_found() {
    let project = Project::new();
    let names: Vec<Value> = project.get("/v1/services").ok()["services"].as_array().unwrap().clone();
    assert!(names.iter().any(|it| it["displayName"] == "Cloud Run" && it["serviceId"] == "152E-C115-5142"));
    for service in ["A1E8-BE35-7EBC", "95FF-2EF5-5EA1", "149C-F9EC-3994"] {
        assert!(!skus(&project, service).is_empty());
    }
    assert_eq!(project.get("/v1/services/0000-0000-0000/skus").status, 404);
}

#[test]
fn skus_come_in_pages() {
    let project = Project::new();
    let path = "/v1/services/152E-C115-5142/skus?pageSize=3";
    let first = project.get(path).ok();
    assert_eq!(first["skus"].as_array().unwrap().len(), 3);
    let second = project.get(&format!("{path}&pageToken={}", first["nextPageToken"].as_str().unwrap())).ok();
    assert_ne!(first["skus"][0], second["skus"][0]);
}
