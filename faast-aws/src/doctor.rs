//! `faast doctor aws` and `faast policy aws`: everything that would keep a deployment from working, found at once and
//! without changing anything.
//!
//! Each file of the folder looks at one thing and says what it finds; this one orders them: without credentials nothing
//! else can be asked, without a region no regional service, and everything else is asked side by side.

mod account;
mod estimate;
mod identity;
mod permission;
mod probe;
mod tool;

use async_trait::async_trait;
use faast_core::Result;
use faast_core::provider::{Checkup, Finding, ProviderTools};

use crate::config::Aws;
use crate::permission::{OPTIONS, Place, Wanted};

#[async_trait]
impl ProviderTools for Aws {
    fn options(&self) -> &'static [(&'static str, &'static str)] {
        OPTIONS
    }

    async fn preflight(&self, checkup: &Checkup) -> Result<Vec<Finding>> {
        let mut settings = self.settings.clone();
        if let Some(region) = &checkup.region {
            settings.region = Some(region.clone());
        }
        let wanted = Wanted::new(&settings, checkup)?;
        let (tools, found) = tokio::join!(tool::find(), identity::find(&settings));
        let (mut findings, identity) = found?;
        if let Some(identity) = identity {
            let (permissions, account) =
                tokio::join!(permission::find(&identity, &wanted), account::find(&identity.clients, checkup));
            findings.extend(permissions);
            findings.extend(account);
        }
        findings.extend(tools);
        Ok(findings)
    }

    fn policy(&self, checkup: &Checkup) -> Result<String> {
        let wanted = Wanted::new(&self.settings, checkup)?;
        let region = checkup.region.as_deref().or(self.settings.region.as_deref());
        Ok(format!("{:#}\n", wanted.policy(&Place::any(region))))
    }
}
