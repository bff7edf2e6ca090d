//! What is made of something that is bound stays bound, whatever the rule says that makes it: a token of one that is bound to networks, to those; an SVID of
//! an SVID, to its time.

use carnet_spiffe::TrustDomain;
use carnet_trust::Refusal;
use jiff::SignedDuration;

use super::{Refused, Work};
use crate::{IssueType, SubjectType, inbound::Proof, networks};

impl Work<'_> {
    /// Networks that the tokens of the subject and of the actor are bound to; empty when they are not.
    ///
    /// # Errors
    /// Clause `network` when they can be used together nowhere, or what is to be issued cannot be bound.
    pub(super) fn carried(&self, issue: IssueType) -> Result<Vec<String>, Refused> {
        let of = |proof: Option<&Proof>| {
            let row = proof.and_then(|proof| proof.own.as_deref());
            row.map(|row| row.networks.clone()).unwrap_or_default()
        };
        let (subject, actor) = (of(Some(self.subject)), of(self.actor));
        let carried = self.within(&subject, &actor)?;
        if carried.is_empty() || issue == IssueType::AccessToken {
            return Ok(carried);
        }
        let seen = format!("an {}, which can be used anywhere", issue.name());
        let fix = "ask for an access token, or show a token that is not bound to networks";
        Err(self.denied_network(seen, &carried, fix))
    }

    /// Where a token may be used that the rule binds to these networks, and what it is made of to those.
    ///
    /// # Errors
    /// Clause `network` when that is nowhere.
    pub(super) fn within(&self, rule: &[String], carried: &[String]) -> Result<Vec<String>, Refused> {
        networks::both(rule, carried).ok_or_else(|| {
            let fix = "let the networks of both overlap, or show a token that is not bound to networks";
            self.denied_network(rule.join(", "), carried, fix)
        })
    }

    /// How long an SVID may live for this subject. One that is made of an SVID of our own trust domain ends no later than that: its holder would renew it for
    /// ever, past the ban of its agent and the end of its entry.
    ///
    /// # Errors
    /// Clause `expired` when the subject's own has ended, and is taken only because clocks may disagree.
    pub(super) fn svid_lifetime(&self, usual: SignedDuration, own: &TrustDomain) -> Result<SignedDuration, Refused> {
        let svid = matches!(self.subject.kind, SubjectType::JwtSvid | SubjectType::X509Svid);
        if !svid || self.subject.issuer != own.id().as_str() {
            return Ok(usual);
        }
        let end = self.subject.expires_at.unwrap_or(self.now);
        let left = end.duration_since(self.now);
        if left.is_positive() {
            return Ok(usual.min(left));
        }
        let refusal =
            Refusal::new("expired", end.to_string(), "an SVID that has not ended", "access_denied", "get a new SVID");
        Err(Refused::denied(self.request.grant, Box::new(refusal)))
    }

    fn denied_network(&self, seen: String, wanted: &[String], fix: &str) -> Refused {
        let refusal = Refusal::new("network", seen, wanted.join(", "), "access_denied", fix);
        Refused::denied(self.request.grant, Box::new(refusal))
    }
}
