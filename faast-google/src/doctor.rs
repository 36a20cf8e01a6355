//! `faast doctor google` and `faast policy google`: everything that would keep a deployment from working, found at once and
//! without changing anything.
//!
//! Each file of the folder looks at one thing and says what it finds; this one orders them: without credentials or a project
//! nothing else can be asked, and everything else is asked side by side.

mod identity;
mod permission;
mod quota;
mod tool;

use async_trait::async_trait;
use faast_core::Result;
use faast_core::provider::{Checkup, Finding, ProviderTools};

use crate::classify::control::Refusal;
use crate::config::Google;
use crate::permission::{OPTIONS, Wanted};

#[async_trait]
impl ProviderTools for Google {
    fn options(&self) -> &'static [(&'static str, &'static str)] {
        OPTIONS
    }

    async fn preflight(&self, checkup: &Checkup) -> Result<Vec<Finding>> {
        let mut settings = self.settings.clone();
        if let Some(region) = &checkup.region {
            settings.region = Some(region.clone());
        }
        let mut wanted = Wanted::new(&settings, checkup)?;
        let (tool, (mut findings, clients)) = tokio::join!(tool::find(), identity::find(&settings));
        if let Some(clients) = clients {
            wanted.add_credentials(&clients.credentials, &clients.project);
            let (permissions, apis, quota) = tokio::join!(
                permission::find(&clients, &wanted),
                permission::find_apis(&clients, &wanted),
                quota::find(&clients, &settings, checkup)
            );
            findings.extend(permissions);
            findings.extend(apis);
            findings.extend(quota);
        }
        findings.extend(tool);
        Ok(findings)
    }

    fn policy(&self, checkup: &Checkup) -> Result<String> {
        let wanted = Wanted::new(&self.settings, checkup)?;
        Ok(format!("{:#}\n", wanted.role()))
    }
}

/// A finding of a call that was refused.
fn refused(topic: &'static str, subject: &str, refusal: &Refusal) -> Finding {
    Finding::unknown(topic, subject, refusal.to_string()).with_hint(refusal.advice())
}
