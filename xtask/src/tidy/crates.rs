//! Rules on crates: who may know whom, by `cargo metadata` and `cargo tree`.
//!
//! Only normal and build dependencies count: tests may use what they need.

use anyhow::Result;
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

use super::Finding;
use crate::command::{CommandLine, root};

/// Crates of the workspace that a crate may use.
enum May {
    Use(&'static [&'static str]),
    UseAny,
}

/// One line for each crate; ARCHITECTURE.md says why.
const CRATES: &[(&str, May)] = &[
    ("faast-core", May::Use(&[])),
    ("faast-macros", May::Use(&[])),
    ("faast-http", May::Use(&["faast-core"])),
    ("faast-packer", May::Use(&["faast-core"])),
    ("faast-local", May::Use(&["faast-core"])),
    ("faast-aws", May::Use(&["faast-core", "faast-http", "faast-packer"])),
    ("faast-google", May::Use(&["faast-core", "faast-http", "faast-packer"])),
    ("faast", May::Use(&["faast-core", "faast-macros", "faast-packer", "faast-local", "faast-aws", "faast-google"])),
    ("faast-cli", May::Use(&["faast"])),
    ("faast-testkit", May::Use(&["faast-core", "faast-packer"])),
    ("xtask", May::UseAny),
];

/// What `cargo run` and `cargo build` mean in the root.
const DEFAULT_MEMBERS: &[&str] = &["faast"];

/// How the names of cloud SDKs begin.
const CLOUD_SDKS: &[&str] = &["aws-", "google-cloud-", "rusoto_", "azure_"];

/// HTTP clients, and what they are made of.
const HTTP_CLIENTS: &[&str] =
    &["attohttpc", "awc", "curl", "h2", "hyper", "hyper-util", "isahc", "minreq", "reqwest", "surf", "tonic", "ureq"];

/// The part of `cargo metadata` that the rules are about.
#[derive(Debug, Default)]
struct Workspace {
    members: Vec<Member>,
    default_members: Vec<String>,
}

#[derive(Debug)]
struct Member {
    name: String,
    /// Its folder, relative to the root.
    folder: String,
    /// Normal and build dependencies, optional ones too.
    dependencies: Vec<String>,
}

/// Findings on crates, as cargo sees them.
pub(super) fn findings() -> Result<Vec<Finding>> {
    // Without dependencies of dependencies: that would download those of other platforms too.
    let metadata = MetadataCommand::new().manifest_path(root().join("Cargo.toml")).no_deps().exec()?;
    let mut findings = of_workspace(&Workspace::from(&metadata));

    // From the root and without `-p`: the other members' features must not get into what a user builds first.
    let tree = CommandLine::new("cargo tree --edges normal --prefix none").output()?;
    findings.extend(of_tree("Cargo.toml", "the default build", &tree, &[CLOUD_SDKS]));
    let tree = CommandLine::new("cargo tree --edges normal --prefix none -p faast-core --all-features").output()?;
    findings.extend(of_tree("faast-core/Cargo.toml", "faast-core", &tree, &[CLOUD_SDKS, HTTP_CLIENTS]));
    Ok(findings)
}

impl From<&Metadata> for Workspace {
    fn from(metadata: &Metadata) -> Self {
        let members = metadata.workspace_packages().into_iter().map(|package| {
            let folder = package.manifest_path.parent().map_or("", |it| it.as_str());
            let folder = folder.strip_prefix(metadata.workspace_root.as_str()).unwrap_or(folder);
            let used = package.dependencies.iter().filter(|it| it.kind != DependencyKind::Development);
            Member {
                name: package.name.to_string(),
                folder: folder.trim_start_matches('/').to_owned(),
                dependencies: used.map(|it| it.name.clone()).collect(),
            }
        });
        let default_members = metadata.workspace_default_packages();
        Self {
            members: members.collect(),
            default_members: default_members.into_iter().map(|package| package.name.to_string()).collect(),
        }
    }
}

fn of_workspace(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    if workspace.default_members != DEFAULT_MEMBERS {
        let text = format!("default-members is {:?}; it must be {DEFAULT_MEMBERS:?}", workspace.default_members);
        findings.push(Finding::new("Cargo.toml", 0, text));
    }
    for member in &workspace.members {
        let manifest = format!("{}/Cargo.toml", member.folder);
        let mut found = |text: String| findings.push(Finding::new(&manifest, 0, text));
        if member.folder != member.name {
            found(format!("the crate `{}` must be in a folder of that name at the root", member.name));
        }
        let Some((_, may)) = CRATES.iter().find(|(name, _)| *name == member.name) else {
            found(format!("the crate `{}` is not in the table of xtask/src/tidy/crates.rs; add it", member.name));
            continue;
        };
        let May::Use(allowed) = may else { continue };
        let known = |name: &str| CRATES.iter().any(|(it, _)| *it == name) || name.starts_with("faast-");
        for name in member.dependencies.iter().filter(|name| known(name) && !allowed.contains(&name.as_str())) {
            found(format!(
                "`{}` must not depend on `{name}`; it may use {allowed:?}, others in tests only",
                member.name
            ));
        }
    }
    findings
}

/// What `cargo tree --prefix none` lists of what must not be there. A name that ends in `-` or `_` is a beginning.
fn of_tree(manifest: &str, what: &str, tree: &str, refused: &[&[&str]]) -> Vec<Finding> {
    let refused = |name: &str| {
        let is = |it: &&&str| name == **it || (it.ends_with(['-', '_']) && name.starts_with(**it));
        refused.iter().any(|names| names.iter().any(|it| is(&it)))
    };
    let mut names: Vec<&str> = tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    names.sort_unstable();
    names.dedup();
    let found = names.into_iter().filter(|name| refused(name));
    found
        .map(|name| Finding::new(manifest, 0, format!("{what} contains `{name}`; move it behind a provider")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(default: &[&str], members: &[(&str, &str, &[&str])]) -> Vec<Finding> {
        let owned = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect::<Vec<String>>();
        let member = |(name, folder, used): &(&str, &str, &[&str])| Member {
            name: (*name).to_owned(),
            folder: (*folder).to_owned(),
            dependencies: owned(used),
        };
        let members = members.iter().map(member).collect();
        of_workspace(&Workspace { members, default_members: owned(default) })
    }

    #[test]
    fn other_default_members_are_found() {
        assert_eq!(of(&["faast"], &[]), []);
        assert_eq!(of(&["faast", "faast-cli"], &[]).len(), 1);
        assert_eq!(of(&[], &[]).len(), 1);
    }

    #[test]
    fn a_forbidden_dependency_is_found() {
        for (name, used) in [
            ("faast-core", "faast-testkit"),
            ("faast-macros", "faast-core"),
            ("faast-local", "faast-packer"),
            ("faast-aws", "faast-google"),
            ("faast-google", "faast-aws"),
            ("faast-aws", "faast-local"),
            ("faast-testkit", "faast-local"),
            ("faast-cli", "faast-core"),
            ("faast", "faast-testkit"),
        ] {
            assert_eq!(of(&["faast"], &[(name, name, &[used])]).len(), 1, "{name} uses {used}");
        }
    }

    #[test]
    fn an_allowed_dependency_is_not() {
        assert_eq!(of(&["faast"], &[("faast-local", "faast-local", &["faast-core", "rustix"])]), []);
        assert_eq!(of(&["faast"], &[("xtask", "xtask", &["faast", "faast-aws"])]), []);
    }

    #[test]
    fn a_crate_nobody_knows_and_a_folder_of_another_name_are_found() {
        assert_eq!(of(&["faast"], &[("faast-azure", "faast-azure", &[])]).len(), 1);
        assert_eq!(of(&["faast"], &[("faast-core", "core", &[])]).len(), 1);
    }

    #[test]
    fn a_cloud_sdk_and_an_http_client_are_found_in_a_tree() {
        let tree =
            "faast v0.1.0 (faast)\naws-sdk-lambda v1.2.3\nhyper v1.0.0\naws-sdk-lambda v1.2.3 (*)\nawscat v1.0.0\n";
        let names = |refused| of_tree("Cargo.toml", "it", tree, refused).len();
        assert_eq!(names(&[CLOUD_SDKS]), 1);
        assert_eq!(names(&[CLOUD_SDKS, HTTP_CLIENTS]), 2);
    }
}
