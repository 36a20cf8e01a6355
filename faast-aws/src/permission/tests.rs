//! The table against the source of this crate, and what it comes to.

use std::fs;
use std::path::Path;

use super::*;

fn wanted(checkup: &Checkup) -> Wanted {
    Wanted::new(&Settings::default(), checkup).unwrap()
}

fn actions(checkup: &Checkup) -> BTreeSet<&'static str> {
    wanted(checkup).needs().into_keys().map(|(_, action)| action).collect()
}

/// Each action that a call of this crate names.
fn named_in(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            named_in(&entry, found);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&entry).unwrap();
            let names = text.split(".meaning(\"").skip(1).filter_map(|rest| rest.split('"').next());
            found.extend(names.map(str::to_owned));
        }
    }
}

#[test]
fn every_action_that_the_code_names_is_in_the_table() {
    let mut named = BTreeSet::new();
    named_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut named);
    assert!(named.len() > 20, "{named:?}");
    // It needs no permission.
    named.remove("sts:GetCallerIdentity");
    let known: BTreeSet<_> = NEEDS.iter().map(|need| need.action.to_owned()).collect();
    assert_eq!(named.difference(&known).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn no_permission_stands_twice_for_one_use() {
    for (at, need) in NEEDS.iter().enumerate() {
        let again = NEEDS[..at].iter().find(|it| (it.by, it.on, it.action) == (need.by, need.on, need.action));
        assert_eq!(again, None);
    }
}

#[test]
fn each_option_adds_what_it_needs_and_nothing_else() {
    let plain = actions(&Checkup::new());
    let added = |option: &str| -> Vec<_> {
        let with = actions(&Checkup::new().with(option));
        with.difference(&plain).copied().collect()
    };
    assert_eq!(added("layer"), ["lambda:GetLayerVersion"]);
    assert_eq!(added("keep_logs"), ["logs:UntagResource"]);
    assert_eq!(added("policy_arn=arn:aws:iam::1:policy/x"), [""; 0]);
    assert_eq!(added("vpc"), ["ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs"]);
    let bucket = ["s3:CreateBucket", "s3:GetObject", "s3:PutObject", "s3:TagResource"];
    assert_eq!((added("spill"), added("archive")), (bucket.to_vec(), bucket.to_vec()));
}

#[test]
fn a_role_of_the_users_needs_no_permission_to_make_one() {
    let named = actions(&Checkup::new().with("role_name=batch").without("gc"));
    let iam: Vec<_> = named.into_iter().filter(|action| action.starts_with("iam:")).collect();
    assert_eq!(iam, ["iam:GetRole", "iam:PassRole", "iam:SimulatePrincipalPolicy"]);
    let narrow = actions(&Checkup::new().with("least_privilege").without("gc"));
    assert!(narrow.contains("iam:CreateRole") && !narrow.contains("iam:AttachRolePolicy"));
}

#[test]
fn what_is_needed_by_anything_is_not_spare() {
    let needs = wanted(&Checkup::new()).needs();
    assert_eq!(needs.get(&(On::Function, "lambda:GetFunction")), Some(&false), "collecting and deploying need it");
    assert_eq!(needs.get(&(On::Anything, "tag:GetResources")), Some(&true));
}

#[test]
fn unknown_options_are_refused_with_those_that_there_are() {
    for bad in [Checkup::new().with("sns"), Checkup::new().without("queue"), Checkup::new().with("role_name")] {
        let error = Wanted::new(&Settings::default(), &bad).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.hint().unwrap().contains("role_name"), "{error}");
    }
}

#[test]
fn the_policy_names_resources_wherever_an_action_has_some() {
    let policy = wanted(&Checkup::new().with("queue").with("spill")).policy(&Place::any(Some("cn-north-1")));
    for statement in policy["Statement"].as_array().unwrap() {
        let resources = statement["Resource"].to_string();
        if statement["Sid"] == "FaastAnything" {
            assert_eq!(resources, "\"*\"");
        } else {
            assert!(resources.contains("arn:aws-cn:") && !resources.contains("arn:aws:"), "{statement}");
            assert!(resources.contains("faast-*") || statement["Sid"] == "FaastPrincipal", "{statement}");
        }
    }
    // A managed policy takes 6,144 characters.
    assert!(policy.to_string().len() < 6_144);
}
