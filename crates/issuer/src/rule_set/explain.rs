//! Why a rule says no, in words.

use carnet_core::safe_text;
use carnet_trust::Refusal;
use serde_json::Value;

use super::decide::{Attempt, CLAUSES, Denial, Failed};
use crate::{IssueType, OAuthCode, rule::claim};

impl Attempt<'_> {
    /// The same once more, in words.
    pub(super) fn denial(&self, failed: Failed) -> Denial {
        let clause = CLAUSES.get(failed).copied().unwrap_or("policy");
        let data = &self.rule.rule;
        let list = |values: &[String]| values.join(", ");
        let (seen, wanted, fix): (String, String, &str) = match clause {
            "token-type" => {
                let names: Vec<&str> = self.rule.types.iter().map(|kind| kind.name()).collect();
                (
                    self.presented.kind.name().to_owned(),
                    names.join(", "),
                    "add it to subject_token_types, if it is to be taken",
                )
            }
            "audience" => {
                let own = [self.ground.issuer_url.to_owned()];
                let expected = if data.expected_audiences.is_empty() { &own[..] } else { &data.expected_audiences };
                let fix = "let the workload ask its issuer for a token with this audience, or name the audience in expected_audiences";
                (claim::shown(self.presented.claims.get("aud")), list(expected), fix)
            }
            "subject" => (
                safe_text(self.presented.subject),
                data.subject.clone().unwrap_or_default(),
                "change subject, if this one is meant",
            ),
            "claims" => {
                let (name, wanted) = self.unfit_claim().unwrap_or(("", &Value::Null));
                let seen = claim::shown(claim::find(self.presented.claims, name));
                (format!("{name} = {seen}"), format!("{name} = {wanted}"), "change claims, if this value is meant")
            }
            "condition" => {
                let source = data.condition.clone().unwrap_or_default();
                (
                    self.condition().err().unwrap_or_else(|| "false".to_owned()),
                    source,
                    "change condition, if this one is meant",
                )
            }
            "network" => {
                let address =
                    self.presented.address.map_or_else(|| "no address".to_owned(), |address| address.to_string());
                (address, list(&data.networks), "add the network to networks, if it is to be taken")
            }
            "actor" => {
                let actor = self
                    .asked
                    .actor
                    .map(|actor| format!("{} of {}", safe_text(actor.subject), safe_text(actor.issuer)));
                let wanted = match self.presented.claims.get("may_act") {
                    Some(may_act) => format!("may_act: {}", safe_text(&may_act.to_string())),
                    None => "one of actors".to_owned(),
                };
                (actor.unwrap_or_default(), wanted, "add the actor to actors, or let may_act appoint it")
            }
            "issue" => {
                let names: Vec<&str> = data.issue.iter().map(|kind| kind.name()).collect();
                let seen = self.asked.issue.map_or("nothing", IssueType::name);
                (seen.to_owned(), names.join(", "), "add it to issue, if it is to be issued")
            }
            "target" => {
                let targets: Vec<String> =
                    self.asked.audiences.iter().chain(self.asked.resources).map(|target| safe_text(target)).collect();
                let allowed: Vec<String> = data.audiences.iter().chain(&data.resources).take(20).cloned().collect();
                (list(&targets), list(&allowed), "add the target to audiences or resources, if it is meant")
            }
            "scope" => (
                safe_text(&self.asked.scopes.join(" ")),
                data.scopes.join(" "),
                "add the scope to scopes, if it is to be had",
            ),
            _ => {
                let wanted = data.identity.clone().unwrap_or_default();
                (
                    self.identity().err().unwrap_or_default(),
                    wanted,
                    "make the identity from ids that the issuer assigns",
                )
            }
        };
        let code = match clause {
            "target" => OAuthCode::InvalidTarget.as_str(),
            "scope" => OAuthCode::InvalidScope.as_str(),
            _ => "access_denied",
        };
        let mut refusal = Refusal::new(clause, seen, wanted, code, fix);
        refusal.held = CLAUSES.iter().take(failed).copied().collect();
        Denial { rule: Some(data.name.clone()), refusal: Box::new(refusal) }
    }
}
