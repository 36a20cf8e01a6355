//! Checks of what was asked for, before anything is made: what Lambda, IAM or S3 would refuse half-way.

use faast_core::provider::DeploySpec;
use faast_core::{Error, ErrorKind, Result};

use crate::config::{Grant, Settings};
use crate::tags;

/// Names that Lambda keeps for itself. `LANG`, `PATH`, `LD_LIBRARY_PATH` and the like may be set.
const RESERVED: [&str; 19] = [
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_MAX_CONCURRENCY",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
];

/// Bytes of all names and values of the environment.
const MOST_ENV: usize = 4096;

/// Tags on one resource, faast's own included.
const MOST_TAGS: usize = 50;

/// Checks everything that can be checked here.
pub(crate) fn check(settings: &Settings, spec: &DeploySpec) -> Result<()> {
    check_sizes(settings, spec)?;
    check_env(&spec.env)?;
    check_tags(&settings.tags)?;
    check_network(settings)?;
    check_role(settings)
}

fn check_sizes(settings: &Settings, spec: &DeploySpec) -> Result<()> {
    if let Some(size) = settings.ephemeral_storage_mb.filter(|size| !(512..=10_240).contains(size)) {
        return wrong(format!("`/tmp` can't have {size} MiB"), "`.ephemeral_storage_mb(..)` takes 512 to 10240");
    }
    if settings.layers.len() > 5 {
        let layers = settings.layers.len();
        return wrong(format!("a function can't have {layers} layers"), "use five `.layer(..)` at most");
    }
    let length = spec.description.as_ref().map_or(0, |description| description.chars().count());
    if length > 256 {
        return wrong(format!("the description has {length} characters"), "`.description(..)` takes 256 at most");
    }
    Ok(())
}

fn check_env(env: &[(String, String)]) -> Result<()> {
    for (name, _) in env {
        if RESERVED.contains(&name.as_str()) {
            return wrong(format!("`{name}` is set by Lambda itself"), "choose another name for `.env(..)`");
        }
        let named = name.len() >= 2
            && name.starts_with(|first: char| first.is_ascii_alphabetic())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !named {
            return wrong(
                format!("Lambda takes no variable called `{name}`"),
                "a name is a letter and then letters, digits and `_`, two characters at least",
            );
        }
    }
    let size: usize = env.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size > MOST_ENV {
        return wrong(
            format!("the environment has {size} bytes, and Lambda takes {MOST_ENV}"),
            "pass what is large as an argument, or add it as a file with `.include(..)`",
        );
    }
    Ok(())
}

fn check_tags(users: &[(String, String)]) -> Result<()> {
    let most = MOST_TAGS - tags::ALL.len();
    if users.len() > most {
        return wrong(format!("there are {} tags", users.len()), format!("{most} are left beside those of faast"));
    }
    for (key, value) in users {
        let lower = key.to_ascii_lowercase();
        if let Some(prefix) = ["aws:", "faast:"].into_iter().find(|prefix| lower.starts_with(prefix)) {
            return wrong(format!("the tag `{key}` can't be set"), format!("tags with `{prefix}` are not the user's"));
        }
        let fits = |text: &str, most| text.chars().count() <= most && text.chars().all(is_tag_character);
        if key.is_empty() || !fits(key, 128) || !fits(value, 256) {
            return wrong(
                format!("the tag `{key}` is not one that every service takes"),
                "a key has 1 to 128 characters and a value up to 256: letters, digits, spaces and `_.:/=+-@`",
            );
        }
    }
    Ok(())
}

fn is_tag_character(character: char) -> bool {
    character.is_alphanumeric() || " _.:/=+-@".contains(character)
}

fn check_network(settings: &Settings) -> Result<()> {
    let Some(vpc) = &settings.vpc else { return Ok(()) };
    let odd = |ids: &[String], prefix: &str| ids.iter().find(|id| !id.starts_with(prefix)).cloned();
    if vpc.subnets.is_empty() || vpc.security_groups.is_empty() {
        return wrong("a VPC needs subnets and security groups", "give `.vpc(..)` at least one of each");
    }
    if let Some(id) = odd(&vpc.subnets, "subnet-").or_else(|| odd(&vpc.security_groups, "sg-")) {
        return wrong(format!("`{id}` is no id of a subnet or security group"), "they begin with `subnet-` and `sg-`");
    }
    Ok(())
}

fn check_role(settings: &Settings) -> Result<()> {
    if let Some(name) = &settings.role.name {
        let named = (1..=64).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte));
        if !named {
            return wrong(
                format!("`{name}` is no name of a role"),
                "`.role_name(..)` takes the name, not the ARN or path",
            );
        }
    }
    match &settings.role.grant {
        Some(Grant::Policy(arn)) if !(arn.starts_with("arn:") && arn.contains(":policy/")) => {
            wrong(format!("`{arn}` is no ARN of a policy"), "`.policy_arn(..)` takes `arn:aws:iam::..:policy/..`")
        }
        _ => Ok(()),
    }
}

fn wrong(message: impl Into<String>, hint: impl Into<String>) -> Result<()> {
    Err(Error::new(ErrorKind::Config, message).with_hint(hint))
}

#[cfg(test)]
mod tests {
    use faast_core::provider::DeploymentId;

    use super::*;
    use crate::config::{RoleChoice, Vpc};

    fn spec() -> DeploySpec {
        DeploySpec::new(DeploymentId::random())
    }

    fn refused(settings: &Settings) -> String {
        let error = check(settings, &spec()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.hint().is_some());
        error.message().to_owned()
    }

    fn refused_env(env: &[(&str, &str)]) -> String {
        let mut spec = spec();
        spec.env = env.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        check(&Settings::default(), &spec).unwrap_err().message().to_owned()
    }

    #[test]
    fn defaults_pass() {
        check(&Settings::default(), &spec()).unwrap();
    }

    #[test]
    fn storage_is_between_512_and_10240() {
        for size in [511, 10_241] {
            let settings = Settings { ephemeral_storage_mb: Some(size), ..Settings::default() };
            assert!(refused(&settings).contains(&size.to_string()));
        }
        for size in [512, 10_240] {
            check(&Settings { ephemeral_storage_mb: Some(size), ..Settings::default() }, &spec()).unwrap();
        }
    }

    #[test]
    fn five_layers_are_the_most() {
        let settings =
            |count| Settings { layers: vec!["arn:aws:lambda:x:1:layer:y:1".into(); count], ..Settings::default() };
        check(&settings(5), &spec()).unwrap();
        assert!(refused(&settings(6)).contains("6 layers"));
    }

    #[test]
    fn variables_that_lambda_would_refuse_are_refused_here() {
        assert!(refused_env(&[("AWS_REGION", "x")]).contains("`AWS_REGION` is set by Lambda itself"));
        for name in ["_X", "1A", "A", "A-B", "Ä1"] {
            assert!(refused_env(&[(name, "x")]).contains(name), "{name}");
        }
        let size = refused_env(&[("BIG", &"x".repeat(4094))]);
        assert!(size.contains("4097"), "{size}");
        assert!(!size.contains("xxx"), "a value is shown: {size}");
    }

    #[test]
    fn tags_of_others_can_not_be_set() {
        for key in ["aws:x", "faast:deployment", "FAAST:expires", "", "a&b"] {
            let settings = Settings { tags: vec![(key.into(), "v".into())], ..Settings::default() };
            refused(&settings);
        }
        let many = (0..47).map(|tag| (format!("t{tag}"), String::new())).collect();
        assert!(refused(&Settings { tags: many, ..Settings::default() }).contains("47"));
    }

    #[test]
    fn a_network_has_subnets_and_groups() {
        let vpc = |subnets: &[&str], groups: &[&str]| Settings {
            vpc: Some(Vpc {
                subnets: subnets.iter().map(ToString::to_string).collect(),
                security_groups: groups.iter().map(ToString::to_string).collect(),
            }),
            ..Settings::default()
        };
        check(&vpc(&["subnet-1"], &["sg-1"]), &spec()).unwrap();
        refused(&vpc(&[], &["sg-1"]));
        refused(&vpc(&["subnet-1"], &[]));
        assert!(refused(&vpc(&["sg-1"], &["sg-1"])).contains("`sg-1`"));
    }

    #[test]
    fn a_role_is_named_and_a_policy_has_an_arn() {
        let role = |role: RoleChoice| Settings { role, ..Settings::default() };
        let named = |name: &str| role(RoleChoice { name: Some(name.into()), grant: None });
        check(&named("batch-role"), &spec()).unwrap();
        refused(&named("arn:aws:iam::123456789012:role/batch"));
        refused(&role(RoleChoice { name: None, grant: Some(Grant::Policy("AdministratorAccess".into())) }));
    }

    #[test]
    fn a_description_has_256_characters_at_most() {
        let mut spec = spec();
        spec.description = Some("ä".repeat(256));
        check(&Settings::default(), &spec).unwrap();
        spec.description = Some("x".repeat(257));
        assert_eq!(check(&Settings::default(), &spec).unwrap_err().kind(), ErrorKind::Config);
    }
}
