//! Conditions of statements: what they ask for, and whether that holds for what is known of a request.
//!
//! Strings, ARNs, `Bool` and `Null` are evaluated, of one value or of a set, and with `IfExists`. Another operator of IAM's,
//! a policy variable or a key of which nothing is known leaves a condition undecided; `evaluate` refuses then.

use serde_json::{Map, Value};

use super::document::matches;

/// What asks for the values of a key, which is in lower case: none if it is not there, `None` if nobody knows.
pub(super) type Ask<'a> = &'a dyn Fn(&str) -> Option<Vec<String>>;

/// One operator on one key; all that a statement has must hold.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Condition {
    operator: Operator,
    /// In lower case, because IAM does not look at that.
    key: String,
    values: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Operator {
    test: Test,
    negated: bool,
    if_exists: bool,
    over: Over,
}

/// How a value is compared with those of the policy.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Test {
    Equal,
    EqualIgnoringCase,
    Like,
    Arn,
    Null,
    /// One of IAM's that is not evaluated here.
    Other,
}

/// Whether the key has one value, or of a set all or any have to fit.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Over {
    One,
    All,
    Any,
}

/// Reads the `Condition` of a statement; the error is IAM's message, and `syntax` what it says to what is no condition.
pub(super) fn read(value: Option<&Value>, syntax: &str) -> Result<Vec<Condition>, String> {
    let map = |value: &Value| value.as_object().cloned().ok_or_else(|| syntax.to_owned());
    let mut conditions = Vec::new();
    for (name, asked) in value.map(map).transpose()?.unwrap_or_default() {
        let operator = operator(&name).ok_or_else(|| format!("Invalid Condition type : {name}"))?;
        let asked: Map<String, Value> = map(&asked)?;
        for (key, values) in asked {
            let values = match values {
                Value::Array(values) => values.iter().map(text).collect(),
                value => text(&value).map(|text| vec![text]),
            };
            let values = values.ok_or_else(|| syntax.to_owned())?;
            conditions.push(Condition { operator, key: key.to_ascii_lowercase(), values });
        }
    }
    Ok(conditions)
}

/// Whether all of them hold; `None` if that is undecided.
pub(super) fn hold(conditions: &[Condition], ask: Ask<'_>) -> Option<bool> {
    let answers: Vec<_> = conditions.iter().map(|condition| condition.holds(ask)).collect();
    // One that does not hold is enough, whatever the others would be.
    if answers.contains(&Some(false)) { Some(false) } else { answers.iter().all(Option::is_some).then_some(true) }
}

impl Condition {
    fn holds(&self, ask: Ask<'_>) -> Option<bool> {
        let Operator { test, negated, if_exists, over } = self.operator;
        if test == Test::Other || self.values.iter().any(|value| value.contains("${")) {
            return None;
        }
        let found = ask(&self.key)?;
        if test == Test::Null {
            return Some(self.values.iter().any(|value| value.eq_ignore_ascii_case("true") == found.is_empty()));
        }
        let fits = |value: &String| self.values.iter().any(|wanted| test.fits(wanted, value)) != negated;
        match (over, found.as_slice()) {
            (_, []) if if_exists => Some(true),
            (Over::One, []) => Some(negated),
            (Over::One, [value]) => Some(fits(value)),
            // What IAM does with several values and one to compare them with is said nowhere.
            (Over::One, _) => None,
            (Over::All, values) => Some(values.iter().all(fits)),
            (Over::Any, values) => Some(values.iter().any(fits)),
        }
    }
}

impl Test {
    fn fits(self, wanted: &str, value: &str) -> bool {
        match self {
            Self::Equal => wanted == value,
            Self::EqualIgnoringCase => wanted.to_lowercase() == value.to_lowercase(),
            Self::Like => matches(wanted, value),
            Self::Arn => {
                // Each of the six parts for itself: a star does not reach over a colon.
                let (wanted, value): (Vec<_>, Vec<_>) =
                    (wanted.splitn(6, ':').collect(), value.splitn(6, ':').collect());
                wanted.len() == value.len() && wanted.iter().zip(value).all(|(wanted, value)| matches(wanted, value))
            }
            Self::Null | Self::Other => false,
        }
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        _ => None,
    }
}

fn operator(written: &str) -> Option<Operator> {
    let (over, rest) = match written.split_once(':') {
        None => (Over::One, written),
        Some(("ForAllValues", rest)) => (Over::All, rest),
        Some(("ForAnyValue", rest)) => (Over::Any, rest),
        Some(_) => return None,
    };
    let (name, if_exists) = rest.strip_suffix("IfExists").map_or((rest, false), |name| (name, true));
    let (test, negated) = match name {
        "StringEquals" => (Test::Equal, false),
        "StringNotEquals" => (Test::Equal, true),
        "StringEqualsIgnoreCase" | "Bool" => (Test::EqualIgnoringCase, false),
        "StringNotEqualsIgnoreCase" => (Test::EqualIgnoringCase, true),
        "StringLike" => (Test::Like, false),
        "StringNotLike" => (Test::Like, true),
        "ArnEquals" | "ArnLike" => (Test::Arn, false),
        "ArnNotEquals" | "ArnNotLike" => (Test::Arn, true),
        "Null" if !if_exists => (Test::Null, false),
        "BinaryEquals" | "IpAddress" | "NotIpAddress" => (Test::Other, false),
        _ => {
            let rest = name.strip_prefix("Numeric").or_else(|| name.strip_prefix("Date"))?;
            let comparisons = ["Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals"];
            comparisons.contains(&rest).then_some((Test::Other, false))?
        }
    };
    Some(Operator { test, negated, if_exists, over })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Of a request with one tag `team`, of the value `blue`, with the keys `team` and `stage`, and nothing more.
    fn known(key: &str) -> Option<Vec<String>> {
        match key {
            "aws:requesttag/team" => Some(vec!["blue".into()]),
            "aws:tagkeys" => Some(vec!["team".into(), "stage".into()]),
            "aws:principalarn" => Some(vec!["arn:aws:iam::123456789012:role/faast/x".into()]),
            "aws:securetransport" => Some(vec!["true".into()]),
            _ if key.starts_with("aws:requesttag/") => Some(Vec::new()),
            _ => None,
        }
    }

    fn decided(condition: &Value) -> Option<bool> {
        hold(&read(Some(condition), "syntax").expect("a condition"), &known)
    }

    #[test]
    fn what_is_known_is_compared_as_the_operator_says() {
        let team = "aws:RequestTag/Team";
        let (arn, short) = ("arn:aws:iam::*:role/faast/*", "arn:aws:iam::*");
        for (condition, holds) in [
            (json!({ "StringEquals": { team: ["red", "blue"] } }), true),
            (json!({ "StringEquals": { team: "b*" } }), false),
            (json!({ "StringLike": { team: "b*" } }), true),
            (json!({ "StringNotEquals": { team: ["red", "blue"] } }), false),
            (json!({ "StringNotLike": { team: "r*" } }), true),
            (json!({ "StringEqualsIgnoreCase": { team: "BLUE" } }), true),
            (json!({ "ArnLike": { "aws:PrincipalArn": arn } }), true),
            (json!({ "ArnEquals": { "aws:PrincipalArn": short } }), false),
            (json!({ "ArnNotLike": { "aws:PrincipalArn": arn } }), false),
            (json!({ "Bool": { "aws:SecureTransport": true } }), true),
            (json!({ "Bool": { "aws:SecureTransport": "false" } }), false),
            (json!({ "Null": { team: "false" } }), true),
            (json!({ "Null": { "aws:RequestTag/none": true } }), true),
            (json!({ "ForAllValues:StringEquals": { "aws:TagKeys": ["team", "stage", "more"] } }), true),
            (json!({ "ForAllValues:StringEquals": { "aws:TagKeys": "team" } }), false),
            (json!({ "ForAnyValue:StringEquals": { "aws:TagKeys": "team" } }), true),
            (json!({ "ForAnyValue:StringLike": { "aws:TagKeys": "no*" } }), false),
            (json!({ "StringEquals": { team: "blue" }, "StringLike": { team: "r*" } }), false),
        ] {
            assert_eq!(decided(&condition), Some(holds), "{condition}");
        }
    }

    #[test]
    fn what_is_not_there_fits_nothing_and_is_no_other() {
        for (operator, holds) in [
            ("StringEquals", false),
            ("StringNotEquals", true),
            ("StringEqualsIfExists", true),
            ("ForAllValues:StringEquals", true),
            ("ForAnyValue:StringEquals", false),
        ] {
            assert_eq!(decided(&json!({ operator: { "aws:RequestTag/none": "x" } })), Some(holds), "{operator}");
        }
    }

    #[test]
    fn what_nothing_is_known_of_is_undecided_unless_something_else_decides() {
        for condition in [
            json!({ "StringEquals": { "aws:SourceVpc": "vpc-1" } }),
            json!({ "StringNotEqualsIfExists": { "aws:SourceVpc": "vpc-1" } }),
            json!({ "IpAddress": { "aws:PrincipalArn": "10.0.0.0/8" } }),
            json!({ "DateGreaterThanEquals": { "aws:PrincipalArn": "2026-01-01T00:00:00Z" } }),
            json!({ "StringEquals": { "aws:RequestTag/team": "${aws:PrincipalTag/team}" } }),
            json!({ "StringEquals": { "aws:TagKeys": "team" } }),
        ] {
            assert_eq!(decided(&condition), None, "{condition}");
        }
        let both = json!({ "StringEquals": { "aws:SourceVpc": "vpc-1", "aws:RequestTag/team": "red" } });
        assert_eq!(decided(&both), Some(false));
    }

    #[test]
    fn an_operator_that_iam_does_not_have_is_refused_in_its_words() {
        let refused = |condition: &Value| read(Some(condition), "syntax").expect_err("no condition");
        for name in ["stringEquals", "StringEqualsIfExist", "ForEach:StringEquals", "NullIfExists", "NumericLike"] {
            assert_eq!(refused(&json!({ name: { "k": "v" } })), format!("Invalid Condition type : {name}"));
        }
        for wrong in [json!([]), json!({ "Bool": "true" }), json!({ "Bool": { "k": {} } })] {
            assert_eq!(refused(&wrong), "syntax", "{wrong}");
        }
    }
}
