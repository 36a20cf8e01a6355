//! `SimulatePrincipalPolicy`: what the policies of a role or user would decide, without doing anything.

use std::collections::BTreeMap;

use super::evaluate::{Decision, decide};
use super::role::{list, no_entity};
use super::{State, check};
use crate::emulator_aws::protocol::{ApiError, ApiRequest};
use crate::emulator_aws::xml::Xml;

impl State {
    pub(super) fn simulate_principal_policy(&self, request: &ApiRequest) -> Result<String, ApiError> {
        let source = check::arn(request, "PolicySourceArn")?;
        let documents = match self.role_by_arn(source) {
            Some(role) => self.documents_of(role),
            None => self
                .identities
                .documents_of_user(source)
                .ok_or_else(|| no_entity(format!("{source} does not exist or is not attachable.")))?,
        };
        let mut resources = list(request, "ResourceArns");
        if resources.is_empty() {
            resources.push("*");
        }
        let actions = list(request, "ActionNames");
        let mut context = BTreeMap::new();
        for entry in (1..).map(|at| format!("ContextEntries.member.{at}")) {
            let Some(key) = request.form(&format!("{entry}.ContextKeyName")) else { break };
            let values = list(request, &format!("{entry}.ContextKeyValues"));
            context.insert(key.to_ascii_lowercase(), values.into_iter().map(str::to_owned).collect::<Vec<_>>());
        }
        // What it is not told of is not there.
        let ask = |key: &str| Some(context.get(key).cloned().unwrap_or_default());
        let questions = actions.iter().flat_map(|action| resources.iter().map(move |resource| (*action, *resource)));
        let mut xml = Xml::default();
        xml.members("EvaluationResults", questions, |xml, (action, resource)| {
            let decision = match decide(&documents, action, resource, &ask) {
                Decision::Allowed => "allowed",
                Decision::ExplicitlyDenied => "explicitDeny",
                Decision::NotAllowed => "implicitDeny",
            };
            xml.text("EvalActionName", action).text("EvalResourceName", resource).text("EvalDecision", decision);
        });
        xml.text("IsTruncated", false);
        Ok(xml.finish())
    }
}
