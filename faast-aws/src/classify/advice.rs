//! What a user can do about a refusal: one sentence or two for each cause, with the names that the service gave.

use super::control::Cause;

/// The advice for a refused action.
pub(crate) fn what_to_do(action: &str, cause: Cause, text: &str) -> String {
    match cause {
        Cause::NoCredentials => "set `AWS_PROFILE`, or `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or run \
                                 `aws configure` or `aws sso login`"
            .into(),
        Cause::ExpiredToken => "get new credentials, with `aws sso login` for instance, or from where \
                                `AWS_SESSION_TOKEN` was taken"
            .into(),
        Cause::BadCredentials => "check the access key, its secret and the session token; in a region that has to be \
                                  enabled first, enable it for the account"
            .into(),
        Cause::Clock => "set this machine's clock: a signature counts for some minutes only".into(),
        Cause::Denied => denied(action, text),
        Cause::PassRole => pass_role(text),
        Cause::Quota if text.contains("storage") || text.contains("Code storage") => {
            "remove functions and versions that nobody needs (`faast cleanup aws -x` removes faast's own), or have the \
             quota for code storage raised"
                .into()
        }
        Cause::Quota => "remove what nobody needs (`faast cleanup aws -x` removes faast's own), or have the account's \
                         quota raised"
            .into(),
        Cause::TooLarge => "an archive may have 250 MB unpacked, layers included: include fewer files, build with \
                            `--release`, or use fewer layers"
            .into(),
        Cause::RoleNotReady if text.contains("does not have permissions") => {
            "the role needs the permission that the message names; in a VPC it needs those of \
             `AWSLambdaVPCAccessExecutionRole`"
                .into()
        }
        Cause::RoleNotReady => "the role's trust policy has to allow `sts:AssumeRole` to `lambda.amazonaws.com`".into(),
        Cause::Exists => "something that faast did not make has this name; deploy again, which uses another".into(),
        Cause::Gone => "it may have been deleted meanwhile, by hand or by a cleanup; deploy again".into(),
        Cause::Busy => "something else changes it now; try again in a minute".into(),
        Cause::Invalid => invalid(text),
        Cause::Throttled => {
            "the account's control plane takes about 15 calls a second: deploy fewer things at once".into()
        }
        Cause::Unavailable => {
            "the service has a fault that should pass: try again, and look at the AWS health page".into()
        }
        Cause::Unreachable => {
            "check the network, a proxy, the region's name, and `AWS_ENDPOINT_URL` if it is set".into()
        }
    }
}

/// The advice for a function that Lambda could not make, by the code of its state.
pub(crate) fn for_state(code: &str) -> &'static str {
    match code {
        "SubnetOutOfIPAddresses" | "InvalidSubnet" | "InvalidSecurityGroup" | "EniLimitExceeded" => {
            "check the subnets and security groups of `.vpc(..)`: a subnet needs free addresses and the account free \
             network interfaces"
        }
        "InsufficientRolePermissions" => {
            "give the role the permissions of `AWSLambdaVPCAccessExecutionRole`, or let faast make the role"
        }
        "InvalidZipFileException" | "InvalidRuntime" => "deploy again; if it stays so, remove `~/.faast/aws/packages`",
        _ => "deploy again; if it stays so, look at the AWS health page",
    }
}

fn denied(action: &str, text: &str) -> String {
    let principal = after(text, "User: ").map(|arn| format!(" to `{arn}`")).unwrap_or_default();
    let action = after(text, "to perform: ").unwrap_or(action);
    format!(
        "allow `{action}`{principal}; `faast doctor aws` finds all that is missing, `faast policy aws` prints the least policy"
    )
}

fn pass_role(text: &str) -> String {
    let principal = after(text, "User: ").map(|arn| format!(" to `{arn}`")).unwrap_or_default();
    let role = after(text, "on resource: ").map(|arn| format!(" on `{arn}`")).unwrap_or_default();
    format!("allow `iam:PassRole`{principal}{role}: without it nobody may give a role to a function")
}

fn invalid(text: &str) -> String {
    let words = text.to_ascii_lowercase();
    let about = |word: &str| words.contains(word);
    if about("subnet") || about("security group") || about("securitygroup") {
        "check the subnets and security groups of `.vpc(..)`: they have to exist in this region and in one VPC".into()
    } else if about("layer") {
        "check `.layer(..)`: the ARN of a layer's version, in this region, for this architecture".into()
    } else if about("memorysize") || about("memory size") || about("'memory") {
        "new accounts may have less memory than 10,240 MB: lower `.memory_mb(..)`, or ask AWS to raise the limit".into()
    } else if about("environment") {
        "check the names and sizes of what `.env(..)` sets".into()
    } else if about("policy") || about("arn") {
        "check the ARN of `.policy_arn(..)`: the policy has to exist, in this partition".into()
    } else {
        "check the options of the deployment that the message names".into()
    }
}

/// The word that follows a phrase.
fn after<'a>(text: &'a str, phrase: &str) -> Option<&'a str> {
    let word = text.split_once(phrase)?.1.split_whitespace().next()?;
    let word = word.trim_end_matches(['.', ',', ';']);
    (!word.is_empty()).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denied_action_is_named_with_the_principal() {
        let text = "User: arn:aws:iam::123456789012:user/ann is not authorized to perform: iam:TagRole on resource: x";
        let hint = what_to_do("iam:CreateRole", Cause::Denied, text);
        assert!(hint.starts_with("allow `iam:TagRole` to `arn:aws:iam::123456789012:user/ann`;"), "{hint}");
    }

    #[test]
    fn without_the_services_words_the_action_itself_is_named() {
        assert!(what_to_do("s3:PutObject", Cause::Denied, "Access Denied").starts_with("allow `s3:PutObject`;"));
    }
}
