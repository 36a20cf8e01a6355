//! The rows of the price list, written down for the emulator alone (US dollars, November 2026).
//!
//! A row is a product in every region that is listed here. Regions differ in a few prices, and that is what they are for:
//! a client that looks up the wrong region gets another number.

use std::collections::BTreeMap;

/// A product as the price list has it.
pub(super) struct Product {
    pub(super) service: &'static str,
    pub(super) family: &'static str,
    pub(super) sku: String,
    pub(super) unit: &'static str,
    pub(super) attributes: BTreeMap<&'static str, String>,
    pub(super) tiers: Vec<Tier>,
}

/// A price from one amount to another, in decimal digits.
pub(super) struct Tier {
    pub(super) begin: &'static str,
    pub(super) end: &'static str,
    pub(super) usd: String,
}

/// Region, its long name, what its usage types begin with, and how its prices compare to those of us-east-1: log ingestion,
/// data transfer and storage in per cent.
const REGIONS: [(&str, &str, &str, [u32; 3]); 6] = [
    ("us-east-1", "US East (N. Virginia)", "", [100, 100, 100]),
    ("us-east-2", "US East (Ohio)", "USE2-", [100, 100, 100]),
    ("us-west-2", "US West (Oregon)", "USW2-", [100, 100, 100]),
    ("eu-west-1", "EU (Ireland)", "EU-", [114, 100, 100]),
    ("eu-central-1", "EU (Frankfurt)", "EUC1-", [126, 100, 107]),
    ("ap-northeast-1", "Asia Pacific (Tokyo)", "APN1-", [152, 127, 109]),
];

/// Which of a region's percentages apply.
#[derive(Clone, Copy)]
enum Varies {
    Not,
    Logs,
    Transfer,
    Storage,
}

/// A row: service, family, usage type, unit, further attributes, what varies, and its tiers as begin, end and price.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
    Varies,
    &'static [(&'static str, &'static str, f64)],
);

const LAMBDA: &str = "AWSLambda";
const LOGS: &str = "AmazonCloudWatch";
const SQS: &str = "AWSQueueService";
const TRANSFER: &str = "AWSDataTransfer";
const S3: &str = "AmazonS3";
const SERVERLESS: &str = "Serverless";
const GB_SECOND: &str = "Lambda-GB-Second";

const ROWS: [Row; 20] = [
    (
        LAMBDA,
        SERVERLESS,
        "Request",
        "Requests",
        &[("group", "AWS-Lambda-Requests")],
        Varies::Not,
        &[("0", "Inf", 0.000_000_2)],
    ),
    (
        LAMBDA,
        SERVERLESS,
        "Request-ARM",
        "Requests",
        &[("group", "AWS-Lambda-Requests-ARM")],
        Varies::Not,
        &[("0", "Inf", 0.000_000_2)],
    ),
    (
        LAMBDA,
        SERVERLESS,
        "Lambda-GB-Second",
        GB_SECOND,
        &[("group", "AWS-Lambda-Duration")],
        Varies::Not,
        &[
            ("15000000000", "Inf", 0.000_013_333_4),
            ("0", "6000000000", 0.000_016_666_7),
            ("6000000000", "15000000000", 0.000_015),
        ],
    ),
    (
        LAMBDA,
        SERVERLESS,
        "Lambda-GB-Second-ARM",
        GB_SECOND,
        &[("group", "AWS-Lambda-Duration-ARM")],
        Varies::Not,
        &[
            ("18750000000", "Inf", 0.000_010_666_7),
            ("0", "7500000000", 0.000_013_333_4),
            ("7500000000", "18750000000", 0.000_012_000_1),
        ],
    ),
    (
        LAMBDA,
        SERVERLESS,
        "Lambda-Storage-GB-Second",
        GB_SECOND,
        &[("group", "AWS-Lambda-Storage-Duration")],
        Varies::Not,
        &[("0", "Inf", 0.000_000_030_9)],
    ),
    (
        LAMBDA,
        SERVERLESS,
        "Lambda-Storage-GB-Second-ARM",
        GB_SECOND,
        &[("group", "AWS-Lambda-Storage-Duration-ARM")],
        Varies::Not,
        &[("0", "Inf", 0.000_000_030_9)],
    ),
    (
        LAMBDA,
        SERVERLESS,
        "Lambda-Provisioned-Concurrency",
        GB_SECOND,
        &[("group", "AWS-Lambda-Provisioned-Concurrency")],
        Varies::Not,
        &[("0", "Inf", 0.000_004_166_7)],
    ),
    (
        LAMBDA,
        SERVERLESS,
        "Lambda-Provisioned-GB-Second",
        GB_SECOND,
        &[("group", "AWS-Lambda-Duration-Provisioned")],
        Varies::Not,
        &[("0", "Inf", 0.000_009_722_2)],
    ),
    (
        LOGS,
        "Data Payload",
        "DataProcessing-Bytes",
        "GB",
        &[("group", "Ingested Logs"), ("groupDescription", "Existing system, application, and custom log files")],
        Varies::Logs,
        &[("0", "Inf", 0.5)],
    ),
    (
        LOGS,
        "Data Payload",
        "DataProcessingIA-Bytes",
        "GB",
        &[("group", "Ingested Logs"), ("groupDescription", "Infrequent access custom log files")],
        Varies::Logs,
        &[("0", "Inf", 0.25)],
    ),
    (
        LOGS,
        "Data Payload",
        "VendedLog-Bytes",
        "GB",
        &[("group", "Ingested Logs"), ("groupDescription", "Amazon Web Services generated and delivered log files")],
        Varies::Logs,
        &[("51200", "Inf", 0.05), ("30720", "51200", 0.1), ("10240", "30720", 0.25), ("0", "10240", 0.5)],
    ),
    (
        SQS,
        "API Request",
        "Requests-Tier1",
        "Requests",
        &[("group", "SQS-APIRequest-Tier1"), ("queueType", "Standard")],
        Varies::Not,
        &[
            ("200000000000", "Inf", 0.000_000_24),
            ("100000000000", "200000000000", 0.000_000_3),
            ("0", "100000000000", 0.000_000_4),
        ],
    ),
    (
        SQS,
        "API Request",
        "Requests-FIFO-Tier1",
        "Requests",
        &[("group", "SQS-APIRequest-FIFO-Tier1"), ("queueType", "FIFO (first-in, first-out)")],
        Varies::Not,
        &[("0", "100000000000", 0.000_000_5), ("100000000000", "Inf", 0.000_000_4)],
    ),
    (
        TRANSFER,
        "Data Transfer",
        "DataTransfer-Out-Bytes",
        "GB",
        &[("transferType", "AWS Outbound"), ("toLocation", "External"), ("toLocationType", "Other")],
        Varies::Transfer,
        &[("153600", "Inf", 0.05), ("0", "10240", 0.09), ("10240", "51200", 0.085), ("51200", "153600", 0.07)],
    ),
    (
        TRANSFER,
        "Data Transfer",
        "DataTransfer-In-Bytes",
        "GB",
        &[("transferType", "AWS Inbound"), ("toLocationType", "AWS Region")],
        Varies::Not,
        &[("0", "Inf", 0.0)],
    ),
    (
        TRANSFER,
        "Data Transfer",
        "CAN1-AWS-Out-Bytes",
        "GB",
        &[
            ("transferType", "InterRegion Outbound"),
            ("toLocation", "Canada (Central)"),
            ("toLocationType", "AWS Region"),
        ],
        Varies::Transfer,
        &[("0", "Inf", 0.02)],
    ),
    (
        S3,
        "API Request",
        "Requests-Tier1",
        "Requests",
        &[("group", "S3-API-Tier1")],
        Varies::Storage,
        &[("0", "Inf", 0.000_005)],
    ),
    (
        S3,
        "API Request",
        "Requests-Tier2",
        "Requests",
        &[("group", "S3-API-Tier2")],
        Varies::Storage,
        &[("0", "Inf", 0.000_000_4)],
    ),
    (
        S3,
        "Storage",
        "TimedStorage-ByteHrs",
        "GB-Mo",
        &[("storageClass", "General Purpose"), ("volumeType", "Standard")],
        Varies::Storage,
        &[("512000", "Inf", 0.021), ("0", "51200", 0.023), ("51200", "512000", 0.022)],
    ),
    (
        S3,
        "Storage",
        "TimedStorage-SIA-ByteHrs",
        "GB-Mo",
        &[("storageClass", "Infrequent Access"), ("volumeType", "Standard - Infrequent Access")],
        Varies::Storage,
        &[("0", "Inf", 0.0125)],
    ),
];

/// The free tier: rows of no region, whose price is nothing up to an amount.
const FREE: [Row; 6] = [
    (
        LAMBDA,
        SERVERLESS,
        "Global-Request",
        "Requests",
        &[("group", "AWS-Lambda-Requests")],
        Varies::Not,
        &[("0", "1000000", 0.0)],
    ),
    (
        LAMBDA,
        SERVERLESS,
        "Global-Request-ARM",
        "Requests",
        &[("group", "AWS-Lambda-Requests-ARM")],
        Varies::Not,
        &[("0", "1000000", 0.0)],
    ),
    (
        LAMBDA,
        SERVERLESS,
        "Global-Lambda-GB-Second",
        GB_SECOND,
        &[("group", "AWS-Lambda-Duration")],
        Varies::Not,
        &[("0", "400000", 0.0)],
    ),
    (
        LOGS,
        "Data Payload",
        "Global-DataProcessing-Bytes",
        "GB",
        &[("group", "Ingested Logs"), ("groupDescription", "Existing system, application, and custom log files")],
        Varies::Not,
        &[("0", "5", 0.0)],
    ),
    (
        SQS,
        "API Request",
        "Global-Requests",
        "Requests",
        &[("group", "SQS-APIRequest-Tier1"), ("queueType", "Standard")],
        Varies::Not,
        &[("0", "1000000", 0.0)],
    ),
    (
        TRANSFER,
        "Data Transfer",
        "Global-DataTransfer-Out-Bytes",
        "GB",
        &[("transferType", "AWS Outbound"), ("toLocation", "External")],
        Varies::Not,
        &[("0", "100", 0.0)],
    ),
];

/// Every product, in the order of its SKU, which is the order of pages.
pub(super) fn products() -> Vec<Product> {
    let free = FREE.iter().map(|row| product(row, "", "Any", "", [100; 3]));
    let regional = REGIONS.iter().flat_map(|(region, location, prefix, percent)| {
        ROWS.iter().map(move |row| product(row, region, location, prefix, *percent))
    });
    let mut products: Vec<Product> = free.chain(regional).collect();
    products.sort_by(|a, b| a.sku.cmp(&b.sku));
    products
}

fn product(row: &Row, region: &str, location: &str, prefix: &str, percent: [u32; 3]) -> Product {
    let (service, family, usage, unit, more, varies, tiers) = *row;
    let percent = match varies {
        Varies::Not => 100,
        Varies::Logs => percent[0],
        Varies::Transfer => percent[1],
        Varies::Storage => percent[2],
    };
    // The oldest region has a name of its own for this one.
    let usage =
        if service == SQS && region == "us-east-1" && usage == "Requests-Tier1" { "Requests-RBP" } else { usage };
    let mut attributes: BTreeMap<&'static str, String> =
        more.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    attributes.insert("servicecode", service.to_owned());
    attributes.insert("usagetype", format!("{prefix}{usage}"));
    attributes.insert("operation", String::new());
    let (place, kind, code) = if service == TRANSFER {
        ("fromLocation", "fromLocationType", "fromRegionCode")
    } else {
        ("location", "locationType", "regionCode")
    };
    attributes.insert(place, location.to_owned());
    attributes.insert(kind, if region.is_empty() { "Other" } else { "AWS Region" }.to_owned());
    if !region.is_empty() {
        attributes.insert(code, region.to_owned());
    }
    let tiers = tiers.iter().map(|(begin, end, usd)| Tier {
        begin,
        end,
        usd: format!("{:.10}", usd * f64::from(percent) / 100.0),
    });
    Product { service, family, sku: sku(service, &attributes), unit, tiers: tiers.collect(), attributes }
}

/// An id that depends on what the product is, as it stays the same in the real list.
fn sku(service: &str, attributes: &BTreeMap<&'static str, String>) -> String {
    const DIGITS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    let place = attributes.get("location").or_else(|| attributes.get("fromLocation"));
    let text = format!("{service}/{}/{}", attributes["usagetype"], place.map_or("", String::as_str));
    let mut hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    let mut digits = String::new();
    for _ in 0..16 {
        digits.push(char::from(DIGITS[usize::from(hash.to_le_bytes()[0] % 32)]));
        hash = hash.rotate_right(5).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x55;
    }
    digits
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_product_has_an_id_of_its_own_and_tiers_without_gaps() {
        let products = products();
        let ids: BTreeSet<&str> = products.iter().map(|product| product.sku.as_str()).collect();
        assert_eq!(ids.len(), ROWS.len() * REGIONS.len() + FREE.len());
        for product in &products {
            let begins: BTreeSet<&str> = product.tiers.iter().map(|tier| tier.begin).filter(|it| *it != "0").collect();
            let ends: BTreeSet<&str> = product.tiers.iter().map(|tier| tier.end).collect();
            assert!(product.tiers.iter().any(|tier| tier.begin == "0"), "{:?}", product.attributes);
            assert!(begins.is_subset(&ends), "{:?}", product.attributes);
        }
    }

    #[test]
    fn prices_are_written_with_ten_decimal_places() {
        let products = products();
        let usd = |usage: &str| {
            let product = products.iter().find(|product| product.attributes["usagetype"] == usage).expect(usage);
            product.tiers.iter().find(|tier| tier.begin == "0").expect("a first tier").usd.clone()
        };
        assert_eq!(usd("USW2-Lambda-GB-Second"), "0.0000166667");
        assert_eq!(usd("EUC1-DataProcessing-Bytes"), "0.6300000000");
        assert_eq!(usd("Requests-RBP"), "0.0000004000");
        assert_eq!(usd("Global-Request"), "0.0000000000");
    }
}
