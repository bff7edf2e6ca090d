//! What an access token was first issued for, and whether a rule of today would issue it again.
//!
//! Renewing shows no subject token, so what the rule says of its claims cannot be asked again: where that has changed, nothing is renewed. The claims
//! themselves are not kept.

use carnet_jose::sha256;
use carnet_store::TokenRow;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Work;
use crate::{mint::later, rule::compiled::Compiled};

/// The first subject of a token, and what the rule said of its claims then. It stays the same however often the token is renewed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Origin {
    /// `iss` of the subject token, or `spiffe://DOMAIN`.
    issuer: String,
    /// `sub` of the subject token.
    subject: String,
    /// Whether the subject token said who may act (`may_act`, RFC 8693, 4.4).
    appoints: bool,
    /// Digest of what the rule makes of claims.
    conditions: String,
    /// Networks that the tokens were bound to that it was made from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) networks: Vec<String>,
    /// Of the first issue, in seconds since 1970.
    began: i64,
}

/// What a rule of today does not grant: the clause, what the token has, what the rule grants.
#[derive(Debug)]
pub(super) struct Missing {
    pub(super) clause: &'static str,
    pub(super) seen: String,
    pub(super) wanted: String,
}

impl Origin {
    pub(super) fn of(work: &Work<'_>, rule: &Compiled, networks: Vec<String>, issued_at: Timestamp) -> Self {
        Self {
            issuer: work.subject.issuer.clone(),
            subject: work.subject.subject.clone(),
            appoints: work.subject.claims().contains_key("may_act"),
            conditions: conditions(rule),
            networks,
            began: issued_at.as_second(),
        }
    }

    /// What is remembered with a token. Nothing for one that was issued before this was remembered.
    pub(super) fn read(row: &TokenRow) -> Option<Self> {
        Self::deserialize(row.claims.get("origin")?).ok()
    }

    pub(super) fn to_value(&self) -> Value {
        json!(self)
    }

    /// The latest end that renewing can give, as the rule is now: never later than it was to be.
    pub(super) fn end(&self, row: &TokenRow, most: jiff::SignedDuration) -> Timestamp {
        Timestamp::from_second(self.began).map_or(Timestamp::MIN, |began| later(began, most)).min(row.max_expires_at)
    }

    /// Whether the rule would issue this token for its subject now.
    ///
    /// # Errors
    /// The first condition that does not hold.
    pub(super) fn still_granted(&self, row: &TokenRow, rule: &Compiled) -> Result<(), Missing> {
        let missing = |clause, seen: &str, wanted: String| Err(Missing { clause, seen: seen.to_owned(), wanted });
        if self.issuer != rule.rule.issuer {
            return missing("issuer", &self.issuer, rule.rule.issuer.clone());
        }
        if rule.subject.as_ref().is_some_and(|subject| !subject.matches(&self.subject)) {
            return missing("subject", &self.subject, rule.rule.subject.clone().unwrap_or_default());
        }
        if self.conditions != conditions(rule) {
            let wanted = "identity, claims, condition, custom_claims, token types and expected audiences as they were";
            return missing("conditions", "what the rule makes of claims has changed", wanted.to_owned());
        }
        let known = |target: &String| {
            rule.audiences.iter().any(|known| known.matches(target))
                || rule.resources.iter().any(|known| known.matches(target))
        };
        if let Some(target) = row.audiences.iter().find(|target| !known(target)) {
            return missing(
                "target",
                target,
                [rule.rule.audiences.as_slice(), &rule.rule.resources].concat().join(", "),
            );
        }
        let scopes = row.claims.get("scope").and_then(Value::as_str).unwrap_or_default();
        let granted = |scope: &&str| rule.rule.scopes.iter().any(|known| known == scope);
        if let Some(scope) = scopes.split(' ').filter(|scope| !scope.is_empty()).find(|scope| !granted(scope)) {
            return missing("scope", scope, rule.rule.scopes.join(" "));
        }
        if row.actor.is_some() && !self.may_act(row, rule) {
            return missing(
                "actor",
                row.actor.as_deref().unwrap_or_default(),
                "an actor that the rule names".to_owned(),
            );
        }
        Ok(())
    }

    /// Whether who acted at the first issue may act now. That `may_act` of the subject token names them, where there is one, was seen then.
    fn may_act(&self, row: &TokenRow, rule: &Compiled) -> bool {
        let name = |name: &str| row.claims.get("act").and_then(|act| act.get(name)).and_then(Value::as_str);
        let (Some(issuer), Some(subject)) = (name("iss"), name("sub")) else { return false };
        let listed = rule.actors.iter().any(|known| known.issuer == issuer && known.subject.matches(subject));
        listed || (self.appoints && rule.rule.may_act)
    }
}

fn conditions(rule: &Compiled) -> String {
    let rule = &rule.rule;
    let text = json!([
        rule.subject_token_types,
        rule.expected_audiences,
        rule.claims,
        rule.condition,
        rule.identity,
        rule.custom_claims,
    ]);
    carnet_core::hex(&sha256(text.to_string().as_bytes()))
}
