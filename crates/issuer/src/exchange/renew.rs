//! Renewing: an access token of ours for another like it, up to the end that its rule has set, as long
//! as its rule grants it.
//!
//! The old one is revoked in the same commit, which fails when it is revoked already: so of one first issue one token is good at a time, it is
//! renewed once only, also by two nodes at once, and one that was revoked on the way gets no successor.

use carnet_jose::Algorithm;
use carnet_store::{AuditRecord, ConflictReason, Op, TokenRow};
use carnet_trust::Refusal;
use serde_json::{Map, Value, json};

use super::{
    Ready, Refused, Work,
    build::AccessToken,
    origin::{Missing, Origin},
};
use crate::{
    IssueType, Issuer,
    mint::{later, whole_seconds},
};

impl<'a> Work<'a> {
    /// The row of the token that this renews: an access token of ours, shown for one of its kind and for nobody else than before.
    pub(super) fn renews(&self) -> Option<&'a TokenRow> {
        let row = self.subject.own.as_deref().filter(|_| self.subject.kind.is_renewable())?;
        let same = |asked: &[String]| asked.iter().all(|audience| row.audiences.contains(audience));
        let only_this = matches!(self.request.requested, None | Some(IssueType::AccessToken))
            && self.actor.is_none()
            && self.request.scope.is_none()
            && self.request.csr.is_none()
            && same(&self.request.audiences)
            && same(&self.request.resources);
        only_this.then_some(row)
    }
}

impl Issuer {
    pub(super) async fn renew(&self, work: &Work<'_>, old: &TokenRow, row: &mut AuditRecord) -> Result<Ready, Refused> {
        "token.renew".clone_into(&mut row.action);
        row.principal.clone_from(&old.subject);
        row.audiences.clone_from(&old.audiences);
        row.rule = Some(old.rule.clone());
        row.details.insert("renews".to_owned(), json!(old.id));
        let deny = |clause: &'static str, seen: String, wanted: &str, fix: &str| {
            Refused::denied(work.request.grant, Box::new(Refusal::new(clause, seen, wanted, "access_denied", fix)))
        };
        let found = work.rules.compiled(&old.rule).filter(|rule| rule.rule.issue.contains(&IssueType::AccessToken));
        if found.is_some_and(|rule| rule.rule.stateless) {
            let seen = "a rule whose tokens stand by themselves".to_owned();
            return Err(deny("max-lifetime", seen, "a rule that renews", "exchange the subject's own token again"));
        }
        let Some((rule, origin)) = found.zip(Origin::read(old)) else {
            let seen = if found.is_none() {
                "the rule of the token is gone"
            } else {
                "it is not known what it was issued for"
            };
            let fix = "exchange the subject's own token again";
            return Err(deny("rule", seen.to_owned(), "a rule that issues it", fix));
        };
        origin.still_granted(old, rule).map_err(|Missing { clause, seen, wanted }| {
            let fix = "exchange the subject's own token again, if the rule is to grant it";
            deny(clause, carnet_core::safe_text(&seen), &wanted, fix)
        })?;
        let most = rule.max_lifetime().map(|most| self.bounded_lifetime(most));
        let end = most.map_or(work.now, |most| origin.end(old, most));
        if end <= work.now {
            let fix = "exchange the subject's own token again, or set max_lifetime in the rule";
            return Err(deny("max-lifetime", end.to_string(), "a later end", fix));
        }
        if !rule.admits(work.caller.address()) {
            let seen = work.caller.address().map_or_else(|| "no address".to_owned(), |address| address.to_string());
            return Err(deny("network", seen, &rule.rule.networks.join(", "), "renew it where it may be used"));
        }
        let text = |name: &str| old.claims.get(name).and_then(Value::as_str).map(str::to_owned);
        let client = work.client.map(|client| client.subject.clone());
        if let Some(wanted) = text("client")
            && client.as_ref() != Some(&wanted)
        {
            let seen = client.unwrap_or_else(|| "nobody".to_owned());
            return Err(deny("client", seen, &wanted, "let the client renew the token that it was issued to"));
        }
        let algorithm = rule.algorithm.map_or_else(|| self.settings().algorithm_for(&old.audiences), Ok);
        let algorithm = algorithm.unwrap_or(Algorithm::Es256);
        let issued_at = whole_seconds(work.now);
        let lifetime = self.bounded_lifetime(rule.lifetime().unwrap_or(self.settings().access_token_lifetime));
        let custom = old.claims.get("custom").and_then(Value::as_object).cloned().unwrap_or_else(Map::new);
        let token = AccessToken {
            row: TokenRow {
                id: self.context().random_hex::<16>(),
                issued_at,
                expires_at: later(issued_at, lifetime).min(end),
                max_expires_at: end,
                networks: work.within(&rule.rule.networks, &origin.networks)?,
                ..old.clone()
            },
            algorithm,
            client_id: text("client_id").unwrap_or_else(|| old.subject.clone()),
            client: text("client"),
            scope: text("scope"),
            act: old.claims.get("act").filter(|act| act.is_object()).cloned(),
            custom,
            stateless: false,
            origin: origin.to_value(),
        };
        let mut ready = self.build_access_token(token, work.now, row).await?;
        row.details.insert("issued".to_owned(), json!(IssueType::AccessToken.name()));
        ready.ops.insert(0, Op::SupersedeToken { id: old.id.clone(), now: work.now });
        ready.contested = Some(ConflictReason::Revoked);
        Ok(ready)
    }
}
