//! Policy documents: read, checked with AWS's own words, and kept as statements that can be evaluated.
//!
//! Two kinds exist. A trust policy says who may assume a role (it has principals and no resources); an identity policy
//! says what its holder may do (resources and no principals). What is refused here is refused by IAM as
//! `MalformedPolicyDocument`.

use serde_json::Value;

use super::condition::{self, Condition};

/// What a policy says, statement by statement.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Document {
    pub(super) statements: Vec<Statement>,
}

/// One statement: an effect on actions and resources, or on principals.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Statement {
    pub(super) allow: bool,
    pub(super) actions: Patterns,
    pub(super) resources: Patterns,
    pub(super) principals: Vec<(String, String)>,
    pub(super) conditions: Vec<Condition>,
}

/// A list of patterns with `*` and `?`, and whether it names what is meant or what is not.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Patterns {
    pub(super) list: Vec<String>,
    pub(super) negated: bool,
}

impl Patterns {
    /// Whether `text` is among what the patterns mean. Actions are compared without regard to case, resources are not.
    pub(super) fn mean(&self, text: &str, ignore_case: bool) -> bool {
        let hit = self.list.iter().any(|pattern| {
            if ignore_case {
                matches(&pattern.to_ascii_lowercase(), &text.to_ascii_lowercase())
            } else {
                matches(pattern, text)
            }
        });
        hit != self.negated
    }
}

/// Reads a policy that belongs to an identity (inline or managed). The error is IAM's message.
pub(super) fn identity_policy(text: &str) -> Result<Document, String> {
    let document = read(text, Kind::Identity)?;
    for statement in &document.statements {
        check_actions(&statement.actions.list)?;
        check_resources(&statement.resources.list)?;
    }
    Ok(document)
}

/// Reads a role's trust policy. The error is IAM's message.
pub(super) fn trust_policy(text: &str) -> Result<Document, String> {
    let document = read(text, Kind::Trust)?;
    for statement in &document.statements {
        check_actions(&statement.actions.list)?;
        if statement.actions.list.iter().any(|action| !action.to_ascii_lowercase().starts_with("sts:")) {
            return Err("AssumeRole policy may only specify STS AssumeRole actions.".into());
        }
        for (kind, name) in &statement.principals {
            check_principal(kind, name)?;
        }
    }
    Ok(document)
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Identity,
    Trust,
}

const SYNTAX: &str = "Syntax errors in policy.";

fn read(text: &str, kind: Kind) -> Result<Document, String> {
    let value: Value = serde_json::from_str(text).map_err(|_| "This policy contains invalid Json".to_owned())?;
    let Value::Object(fields) = value else {
        return Err(SYNTAX.into());
    };
    if fields.keys().any(|name| !["Version", "Id", "Statement"].contains(&name.as_str())) {
        return Err(SYNTAX.into());
    }
    match fields.get("Version").map(Value::as_str) {
        Some(Some("2012-10-17")) => {}
        None | Some(Some("2008-10-17")) if kind == Kind::Trust => {}
        None | Some(Some("2008-10-17")) => return Err("Policy document must be version 2012-10-17 or greater.".into()),
        Some(_) => return Err("The policy must contain a valid version string".into()),
    }
    let statements = match fields.get("Statement") {
        Some(Value::Array(statements)) => statements.clone(),
        Some(statement @ Value::Object(_)) => vec![statement.clone()],
        _ => return Err(SYNTAX.into()),
    };
    if statements.is_empty() {
        return Err(SYNTAX.into());
    }
    let mut ids: Vec<&str> = statements.iter().filter_map(|statement| statement.get("Sid")?.as_str()).collect();
    let named = ids.len();
    ids.sort_unstable();
    ids.dedup();
    if ids.len() < named {
        return Err("Statement IDs (SID) in a single policy must be unique.".into());
    }
    let statements = statements.iter().map(|statement| read_statement(statement, kind)).collect::<Result<_, _>>()?;
    Ok(Document { statements })
}

fn read_statement(value: &Value, kind: Kind) -> Result<Statement, String> {
    const FIELDS: [&str; 9] =
        ["Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Principal", "NotPrincipal", "Condition"];
    let Value::Object(fields) = value else {
        return Err(SYNTAX.into());
    };
    if fields.keys().any(|name| !FIELDS.contains(&name.as_str())) {
        return Err(SYNTAX.into());
    }
    let allow = match fields.get("Effect").map(Value::as_str) {
        Some(Some("Allow")) => true,
        Some(Some("Deny")) => false,
        None => return Err("Missing required field Effect".into()),
        Some(_) => return Err(SYNTAX.into()),
    };
    let conditions = condition::read(fields.get("Condition"), SYNTAX)?;
    let prohibited: &[&str] = match kind {
        Kind::Identity => &["Principal", "NotPrincipal"],
        Kind::Trust => &["Resource", "NotResource"],
    };
    if let Some(field) = prohibited.iter().find(|name| fields.contains_key(**name)) {
        return Err(match kind {
            Kind::Identity => format!("Policy document should not specify a {}.", field.to_ascii_lowercase()),
            Kind::Trust => format!("Has prohibited field {field}"),
        });
    }
    let actions = patterns(fields, "Action", "NotAction")?.ok_or("Policy statement must contain actions.")?;
    let (resources, principals) = match kind {
        Kind::Identity => {
            let resources = patterns(fields, "Resource", "NotResource")?;
            (resources.ok_or("Policy statement must contain resources.")?, Vec::new())
        }
        Kind::Trust => (Patterns::default(), principals(fields)?),
    };
    Ok(Statement { allow, actions, resources, principals, conditions })
}

fn patterns(fields: &serde_json::Map<String, Value>, plain: &str, negated: &str) -> Result<Option<Patterns>, String> {
    let (value, negated) = match (fields.get(plain), fields.get(negated)) {
        (Some(_), Some(_)) => return Err(SYNTAX.into()),
        (Some(value), None) => (value, false),
        (None, Some(value)) => (value, true),
        (None, None) => return Ok(None),
    };
    let list = strings(value)?;
    Ok((!list.is_empty()).then_some(Patterns { list, negated }))
}

fn strings(value: &Value) -> Result<Vec<String>, String> {
    match value {
        Value::String(text) => Ok(vec![text.clone()]),
        Value::Array(items) => items.iter().map(|item| Ok(item.as_str().ok_or(SYNTAX)?.to_owned())).collect(),
        _ => Err(SYNTAX.into()),
    }
}

fn principals(fields: &serde_json::Map<String, Value>) -> Result<Vec<(String, String)>, String> {
    match fields.get("Principal").or_else(|| fields.get("NotPrincipal")) {
        None => Err("Missing required field Principal".into()),
        Some(Value::String(text)) if text == "*" => Ok(vec![("AWS".into(), "*".into())]),
        Some(Value::Object(kinds)) if !kinds.is_empty() => {
            let mut found = Vec::new();
            for (kind, names) in kinds {
                found.extend(strings(names)?.into_iter().map(|name| (kind.clone(), name)));
            }
            Ok(found)
        }
        Some(_) => Err(SYNTAX.into()),
    }
}

fn check_principal(kind: &str, name: &str) -> Result<(), String> {
    let valid = match kind {
        "Service" => {
            name.ends_with(".amazonaws.com")
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-')
        }
        "AWS" => {
            name == "*"
                || (name.len() == 12 && name.bytes().all(|b| b.is_ascii_digit()))
                || (name.starts_with("arn:aws") && name.split(':').count() >= 6)
        }
        "Federated" | "CanonicalUser" => !name.is_empty(),
        _ => return Err(SYNTAX.into()),
    };
    if valid {
        Ok(())
    } else {
        Err(format!("Invalid principal in policy: \"{}\":\"{name}\"", kind.to_ascii_uppercase()))
    }
}

fn check_actions(actions: &[String]) -> Result<(), String> {
    for action in actions.iter().filter(|action| *action != "*") {
        let Some((vendor, name)) = action.split_once(':') else {
            return Err("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.".into());
        };
        if name.contains(':') {
            return Err("Actions/Condition can contain only one colon.".into());
        }
        if vendor.is_empty() || !vendor.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'*') {
            return Err(format!("Vendor {vendor} is not valid"));
        }
        if name.is_empty() {
            return Err(SYNTAX.into());
        }
    }
    Ok(())
}

fn check_resources(resources: &[String]) -> Result<(), String> {
    for resource in resources.iter().filter(|resource| *resource != "*") {
        let mut parts = resource.splitn(6, ':');
        if parts.next() != Some("arn") {
            return Err(format!("Resource {resource} must be in ARN format or \"*\"."));
        }
        let partition = parts.next().unwrap_or_default();
        if !["aws", "aws-cn", "aws-us-gov", "*"].contains(&partition) {
            return Err(format!("Partition \"{partition}\" is not valid for resource \"{resource}\"."));
        }
        let vendor = parts.next().unwrap_or_default();
        if vendor.is_empty() || (vendor != "*" && vendor.contains(['*', '?'])) {
            return Err("Resource vendor must be fully qualified and cannot contain regexes.".into());
        }
    }
    Ok(())
}

/// Whether `text` fits `pattern`, in which `*` stands for any run of characters and `?` for one.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut position, mut star) = (0, 0, None);
    while position < text.len() {
        if at < pattern.len() && pattern[at] == '*' {
            star = Some((at, position));
            at += 1;
        } else if at < pattern.len() && (pattern[at] == '?' || pattern[at] == text[position]) {
            at += 1;
            position += 1;
        } else if let Some((star_at, taken)) = star {
            at = star_at + 1;
            position = taken + 1;
            star = Some((star_at, position));
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        assert!(matches("lambda:*", "lambda:CreateFunction"));
        assert!(matches("arn:aws:s3:::faast-*/*", "arn:aws:s3:::faast-1/a/b"));
        assert!(matches("a?c*", "abc"));
        assert!(matches("*b*b", "abab"));
        assert!(!matches("lambda:Get*", "lambda:CreateFunction"));
        assert!(!matches("a?", "a"));
    }

    #[test]
    fn malformed_identity_policies_are_refused_with_the_words_of_iam() {
        let refused = |text: &str| identity_policy(text).expect_err(text);
        let statement = |body: &str| format!(r#"{{"Version":"2012-10-17","Statement":[{{{body}}}]}}"#);
        assert_eq!(refused("{"), "This policy contains invalid Json");
        assert_eq!(refused("[]"), SYNTAX);
        assert_eq!(refused(r#"{"Statement":[]}"#), "Policy document must be version 2012-10-17 or greater.");
        let words = [
            (r#""Effect":"Allow","Resource":"*""#, "Policy statement must contain actions."),
            (r#""Effect":"Allow","Action":"s3:Get*""#, "Policy statement must contain resources."),
            (r#""Effect":"allow","Action":"s3:Get*","Resource":"*""#, SYNTAX),
            (r#""Effect":"Allow","Action":"s3:G","Resource":"*","Who":1"#, SYNTAX),
            (
                r#""Effect":"Allow","Action":"Get","Resource":"*""#,
                "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
            ),
            (
                r#""Effect":"Allow","Action":"s3:Get","Resource":"bucket""#,
                "Resource bucket must be in ARN format or \"*\".",
            ),
            (
                r#""Effect":"Allow","Action":"s3:Get","Resource":"*","Principal":"*""#,
                "Policy document should not specify a principal.",
            ),
        ];
        for (body, message) in words {
            assert_eq!(refused(&statement(body)), message, "{body}");
        }
    }

    #[test]
    fn malformed_trust_policies_are_refused_with_the_words_of_iam() {
        let refused = |body: &str| {
            let text = format!(r#"{{"Version":"2012-10-17","Statement":[{{{body}}}]}}"#);
            trust_policy(&text).expect_err(body)
        };
        let service = r#""Principal":{"Service":"lambda.amazonaws.com"}"#;
        assert_eq!(refused(r#""Effect":"Allow","Action":"sts:AssumeRole""#), "Missing required field Principal");
        assert_eq!(
            refused(&format!(r#""Effect":"Allow","Action":"sts:AssumeRole","Resource":"*",{service}"#)),
            "Has prohibited field Resource"
        );
        assert_eq!(
            refused(&format!(r#""Effect":"Allow","Action":"s3:GetObject",{service}"#)),
            "AssumeRole policy may only specify STS AssumeRole actions."
        );
        assert_eq!(
            refused(r#""Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"lambda"}"#),
            "Invalid principal in policy: \"SERVICE\":\"lambda\""
        );
        let good = format!(r#"{{"Statement":{{"Effect":"Allow","Action":"sts:AssumeRole",{service}}}}}"#);
        let document = trust_policy(&good).expect("the trust policy of every function");
        assert_eq!(document.statements[0].principals, [("Service".to_owned(), "lambda.amazonaws.com".to_owned())]);
    }
}
