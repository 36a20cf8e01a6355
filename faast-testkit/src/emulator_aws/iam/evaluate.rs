//! Whether identity policies allow an action, and what AWS says when they do not.
//!
//! The rules of identity-based policies: an explicit Deny wins, then an Allow, and what nobody allows is denied. A condition
//! that is undecided holds for a Deny and not for an Allow, so that nothing is allowed by mistake.

use super::condition::{Ask, hold};
use super::document::{Document, Statement};

/// What the policies of one caller say about one request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Decision {
    Allowed,
    ExplicitlyDenied,
    NotAllowed,
}

/// Evaluates `policies` for `action` on `resource`; conditions `ask` for what they have to know.
pub(super) fn decide<'a>(
    policies: impl IntoIterator<Item = &'a Document>,
    action: &str,
    resource: &str,
    ask: Ask<'_>,
) -> Decision {
    let mut decision = Decision::NotAllowed;
    for statement in policies.into_iter().flat_map(|document| &document.statements) {
        if !speaks_of(statement, action, resource) {
            continue;
        }
        match (statement.allow, hold(&statement.conditions, ask)) {
            (_, Some(false)) | (true, None) => {}
            (true, Some(true)) => decision = Decision::Allowed,
            (false, _) => return Decision::ExplicitlyDenied,
        }
    }
    decision
}

/// The message of an access-denied error, word for word as AWS writes it.
pub(super) fn denied_message(decision: Decision, caller: &str, action: &str, resource: &str) -> String {
    let cause = if decision == Decision::ExplicitlyDenied {
        "with an explicit deny in an identity-based policy".to_owned()
    } else {
        format!("because no identity-based policy allows the {action} action")
    };
    format!("User: {caller} is not authorized to perform: {action} on resource: {resource} {cause}")
}

fn speaks_of(statement: &Statement, action: &str, resource: &str) -> bool {
    statement.actions.mean(action, true) && statement.resources.mean(resource, false)
}

#[cfg(test)]
mod tests {
    use super::super::document::identity_policy;
    use super::*;

    fn decision(statements: &str, action: &str, resource: &str) -> Decision {
        let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
        let ask = |key: &str| (key == "aws:requestedregion").then(|| vec!["us-west-2".to_owned()]);
        decide(&[identity_policy(&text).expect("a policy")], action, resource, &ask)
    }

    #[test]
    fn an_explicit_deny_wins_over_an_allow() {
        let both = r#"{"Effect":"Allow","Action":"*","Resource":"*"},
                      {"Effect":"Deny","Action":"logs:CreateLogGroup","Resource":"*"}"#;
        assert_eq!(decision(both, "logs:CreateLogGroup", "arn:aws:logs:r:1:x"), Decision::ExplicitlyDenied);
        assert_eq!(decision(both, "logs:PutLogEvents", "arn:aws:logs:r:1:x"), Decision::Allowed);
    }

    #[test]
    fn actions_ignore_case_and_resources_do_not() {
        let some = r#"{"Effect":"Allow","Action":"Lambda:create*","Resource":"arn:aws:lambda:*:*:function:faast-*"}"#;
        let function = "arn:aws:lambda:us-west-2:123456789012:function:faast-1";
        assert_eq!(decision(some, "lambda:CreateFunction", function), Decision::Allowed);
        assert_eq!(decision(some, "lambda:CreateFunction", &function.replace("faast", "Faast")), Decision::NotAllowed);
        assert_eq!(decision(some, "lambda:DeleteFunction", function), Decision::NotAllowed);
    }

    #[test]
    fn not_action_means_everything_else() {
        let others = r#"{"Effect":"Allow","NotAction":["iam:*","sts:*"],"Resource":"*"}"#;
        assert_eq!(decision(others, "iam:CreateRole", "*"), Decision::NotAllowed);
        assert_eq!(decision(others, "s3:PutObject", "*"), Decision::Allowed);
    }

    #[test]
    fn a_statement_counts_where_its_conditions_hold_and_an_undecided_one_only_to_refuse() {
        use Decision::{Allowed, ExplicitlyDenied, NotAllowed};
        let guarded = |effect: &str, key: &str, value: &str| {
            let all = r#"{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}"#;
            let condition = format!(r#""Condition":{{"StringEquals":{{"{key}":"{value}"}}}}"#);
            let some = format!(r#"{{"Effect":"{effect}","Action":"s3:*","Resource":"*",{condition}}}"#);
            ["s3:PutObject", "s3:GetObject"].map(|action| decision(&format!("{all},{some}"), action, "*"))
        };
        assert_eq!(guarded("Allow", "aws:RequestedRegion", "us-west-2"), [Allowed, Allowed]);
        assert_eq!(guarded("Allow", "aws:RequestedRegion", "eu-west-1"), [NotAllowed, Allowed]);
        assert_eq!(guarded("Allow", "aws:SourceVpc", "vpc-1"), [NotAllowed, Allowed]);
        assert_eq!(guarded("Deny", "aws:RequestedRegion", "us-west-2"), [ExplicitlyDenied, ExplicitlyDenied]);
        assert_eq!(guarded("Deny", "aws:RequestedRegion", "eu-west-1"), [NotAllowed, Allowed]);
        assert_eq!(guarded("Deny", "aws:SourceVpc", "vpc-1"), [ExplicitlyDenied, ExplicitlyDenied]);
    }

    #[test]
    fn the_words_are_those_of_aws() {
        let arn = "arn:aws:iam::123456789012:user/somebody";
        assert_eq!(
            denied_message(Decision::NotAllowed, arn, "lambda:CreateFunction", "*"),
            "User: arn:aws:iam::123456789012:user/somebody is not authorized to perform: lambda:CreateFunction on \
             resource: * because no identity-based policy allows the lambda:CreateFunction action"
        );
        assert!(
            denied_message(Decision::ExplicitlyDenied, arn, "iam:PassRole", "*")
                .ends_with("on resource: * with an explicit deny in an identity-based policy")
        );
    }
}
