//! The price list: `GetProducts` over the rows of [`table`], in the shape of the real one.
//!
//! Every product is a JSON text in the JSON answer, as there. Nothing chooses for the client: products of other kinds,
//! regions and architectures, further tiers and the rows of the free tier (which are of no region) match what they match.
//! The endpoint exists in three regions only.

mod table;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use self::table::Product;
use super::fields::{Fields, page};
use super::iam::authorize;
use super::protocol::{ApiError, ApiRequest, Reply};
use super::state::Shared;

/// Where the service answers.
const ENDPOINTS: [&str; 3] = ["us-east-1", "eu-central-1", "ap-south-1"];

pub(super) fn handle(emulator: &Shared, request: &ApiRequest) -> Result<Reply, ApiError> {
    if !ENDPOINTS.contains(&request.region.as_str()) {
        let message = "Credential should be scoped to a valid region.";
        return Err(ApiError::new(400, "InvalidSignatureException", message));
    }
    if request.action != "GetProducts" {
        return Err(ApiError::new(400, "UnknownOperationException", ""));
    }
    authorize(emulator, request, "pricing:GetProducts", "*")?;
    let fields = Fields::read(request, "InvalidParameterException")?;
    let service = fields.required("ServiceCode")?;
    if let Some(version) = fields.text("FormatVersion")?.filter(|version| *version != "aws_v1") {
        return Err(fields.complain(format!("Invalid format version: {version}")));
    }
    let filters = fields
        .list("Filters")?
        .iter()
        .map(|filter| Filter::read(&fields.inner(filter)))
        .collect::<Result<Vec<_>, _>>()?;
    let most = fields.bounded("MaxResults", 1, 100)?.unwrap_or(100);
    let products = table::products();
    if !products.iter().any(|product| product.service == service) {
        return Err(ApiError::new(400, "NotFoundException", format!("Service code {service} not found")));
    }
    let found = products.iter().filter(|product| product.service == service);
    let found = found.filter(|product| filters.iter().all(|filter| filter.fits(product)));
    let (found, next) =
        page(found, |product| product.sku.clone(), fields.text("NextToken")?, usize::try_from(most).unwrap_or(100));
    let list: Vec<String> = found.into_iter().map(|product| shown(product).to_string()).collect();
    let mut answer = json!({ "FormatVersion": "aws_v1", "PriceList": list });
    if let Some(next) = next {
        answer["NextToken"] = next.into();
    }
    Ok(Reply::json(&answer))
}

/// One condition of a request: an attribute has this value.
struct Filter {
    field: String,
    value: String,
}

impl Filter {
    fn read(fields: &Fields) -> Result<Self, ApiError> {
        let kinds = ["TERM_MATCH", "EQUALS", "CONTAINS", "ANY_OF", "NONE_OF"];
        match fields.required("Type")? {
            "TERM_MATCH" | "EQUALS" => {}
            other => {
                let rule = format!("Member must satisfy enum value set: [{}]", kinds.join(", "));
                return Err(fields.refuse("filters.member.type", other, &rule));
            }
        }
        Ok(Self { field: fields.required("Field")?.to_owned(), value: fields.required("Value")?.to_owned() })
    }

    fn fits(&self, product: &Product) -> bool {
        match self.field.as_str() {
            "ServiceCode" => product.service == self.value,
            "productFamily" => product.family == self.value,
            "sku" => product.sku == self.value,
            field => product.attributes.get(field).is_some_and(|value| *value == self.value),
        }
    }
}

fn shown(product: &Product) -> Value {
    const TERM: &str = "JRTCKXETXF";
    let sku = &product.sku;
    let mut dimensions = BTreeMap::new();
    for (place, tier) in product.tiers.iter().enumerate() {
        let rate = format!("{sku}.{TERM}.RATE{place:06}");
        let dimension = json!({
            "unit": product.unit,
            "beginRange": tier.begin,
            "endRange": tier.end,
            "description": format!("${} per {} - {}", tier.usd, product.unit, product.attributes["usagetype"]),
            "appliesTo": [],
            "rateCode": rate,
            "pricePerUnit": { "USD": tier.usd },
        });
        dimensions.insert(rate, dimension);
    }
    json!({
        "product": { "productFamily": product.family, "attributes": product.attributes, "sku": sku },
        "serviceCode": product.service,
        "terms": {
            "OnDemand": {
                format!("{sku}.{TERM}"): {
                    "priceDimensions": dimensions,
                    "sku": sku,
                    "effectiveDate": "2026-11-01T00:00:00Z",
                    "offerTermCode": TERM,
                    "termAttributes": {},
                },
            },
        },
        "version": "20261119234812",
        "publicationDate": "2026-11-19T23:48:12Z",
    })
}
