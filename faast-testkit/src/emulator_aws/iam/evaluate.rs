//! Whether identity policies allow an action, and what AWS says when they do not.
//!
//! The rules of identity-based policies: an explicit Deny wins, then an Allow, and what nobody allows is denied.

use super::document::{Document, Statement};

/// What the policies of one caller say about one request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Decision {
    Allowed,
    ExplicitlyDenied,
    NotAllowed,
}

/// Evaluates `policies` for `action` on `resource`.
pub(super) fn decide<'a>(policies: impl IntoIterator<Item = &'a Document>, action: &str, resource: &str) -> Decision {
    let mut decision = Decision::NotAllowed;
    for statement in policies.into_iter().flat_map(|document| &document.statements) {
        if !speaks_of(statement, action, resource) {
            continue;
        }
        if !statement.allow {
            return Decision::ExplicitlyDenied;
        }
        // Nothing here evaluates conditions, and nothing may be allowed by mistake.
        if !statement.conditional {
            decision = Decision::Allowed;
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
        decide(&[identity_policy(&text).expect("a policy")], action, resource)
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
    fn a_conditional_allow_allows_nothing_here() {
        let guarded = r#"{"Effect":"Allow","Action":"*","Resource":"*",
                          "Condition":{"StringEquals":{"aws:RequestedRegion":"us-west-2"}}}"#;
        assert_eq!(decision(guarded, "s3:PutObject", "*"), Decision::NotAllowed);
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
