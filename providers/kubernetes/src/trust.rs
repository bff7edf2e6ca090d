//! Whether a service account's token is believed: the question that authority, doctor and lint ask.
//!
//! Two halves. [`evaluate`] is for who has the cluster's keys; [`admit`] is for what remains when an API server has said that the
//! token is good, or keys have shown it. Neither knows whether the pod is still there: that only the API server can say
//! ([`crate::relying`]).

use std::collections::BTreeMap;

use carnet_jose::{Algorithm, JwtClause, JwtError, KeySet, Rules, UnverifiedJwt, verify_jwt};
use carnet_trust::{Decision, Grant, Refusal, Warning};
use jiff::{SignedDuration, Timestamp};

use crate::{AccountPattern, Bound};

/// The reason in the status of an API server that does not believe a token.
pub(crate) const UNAUTHORIZED: &str = "Unauthorized";
/// The reason where it is believed and not allowed.
pub(crate) const FORBIDDEN: &str = "Forbidden";

/// What the signers of service account tokens use (`signerFromRSAPrivateKey`, `signerFromECDSAPrivateKey` in
/// `pkg/serviceaccount/jwt.go`; external signers since 1.32 may use no others).
const ALGORITHMS: [Algorithm; 4] = [Algorithm::Rs256, Algorithm::Es256, Algorithm::Es384, Algorithm::Es512];
/// Tolerance for clocks that disagree. The API server itself has a minute (`jwt.DefaultLeeway` of go-jose).
const LEEWAY: SignedDuration = SignedDuration::from_secs(30);
/// Longer lives deserve a word: the default token of a pod counts for a year.
const LONG: SignedDuration = SignedDuration::from_hours(24);

/// What a token must be bound to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Binding {
    /// Nothing: whoever may make tokens of the account decides.
    Account,
    /// A pod, so that the token ends with it.
    #[default]
    Pod,
}

/// What is believed of one cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterTrust {
    /// `iss`, compared byte for byte. `None` when an API server looks at the token, which knows its own issuers.
    pub issuer: Option<String>,
    /// `aud` must have one of these. Never empty.
    pub audiences: Vec<String>,
    /// Accounts that are believed. Never empty.
    pub accounts: Vec<AccountPattern>,
    /// What the token must be bound to.
    pub binding: Binding,
    /// Longest `exp - iat`, if bounded.
    pub max_lifetime: Option<SignedDuration>,
}

/// Whether the token is one of the cluster's, for us, in time, and of an account that is believed.
pub fn evaluate(token: &UnverifiedJwt, keys: &KeySet, trust: &ClusterTrust, now: Timestamp) -> Decision {
    let mut held = Vec::new();
    match proven(token, keys, trust, now, &mut held) {
        Ok(bound) => prefixed(admit(&bound, trust), &held, lifetime_of(token)),
        Err(mut refusal) => {
            refusal.held = held;
            Decision::Refuse(*refusal)
        }
    }
}

/// Whether the account of a token that is known to be good is believed.
pub fn admit(bound: &Bound, trust: &ClusterTrust) -> Decision {
    let account = &bound.account;
    if !trust.accounts.iter().any(|pattern| pattern.matches(account)) {
        let wanted: Vec<String> = trust.accounts.iter().map(ToString::to_string).collect();
        return Decision::Refuse(Refusal::new(
            "service-account",
            account.to_string(),
            wanted.join(" or "),
            FORBIDDEN,
            "name the account in service_accounts, or run the pod under one that is named",
        ));
    }
    if trust.binding == Binding::Pod && bound.pod.is_none() {
        let mut refusal = Refusal::new(
            "binding",
            if bound.secret.is_some() {
                "a token that is bound to a secret"
            } else {
                "a token that is bound to nothing"
            },
            "a token that is bound to a pod",
            FORBIDDEN,
            "project the token into the pod, or name the pod in boundObjectRef of the token request",
        );
        refusal.held.push("service-account");
        return Decision::Refuse(refusal);
    }
    Decision::Allow(Grant {
        principal: account.subject(),
        lifetime: None,
        attributes: attributes(bound),
        held: vec!["service-account", "binding"],
        warnings: Vec::new(),
    })
}

/// The clauses that keys decide, in the order of [`JwtClause`], then the bound objects.
fn proven(
    token: &UnverifiedJwt,
    keys: &KeySet,
    trust: &ClusterTrust,
    now: Timestamp,
    held: &mut Vec<&'static str>,
) -> Result<Bound, Box<Refusal>> {
    let audiences: Vec<&str> = trust.audiences.iter().map(String::as_str).collect();
    let rules = Rules {
        issuer: trust.issuer.as_deref(),
        // An empty list means that nothing is for us, not that everything is.
        audiences: Some(&audiences),
        algorithms: &ALGORITHMS,
        leeway: LEEWAY,
        require_expiry: true,
        max_lifetime: trust.max_lifetime,
        types: &["JWT"],
    };
    let verified = verify_jwt(token, keys, &rules, now).map_err(|error| refusal(&error))?;
    held.extend(["issuer", "signature", "audience", "times"]);
    let bound = Bound::of_claims(verified.claims())?;
    held.extend(["subject", "claims"]);
    Ok(bound)
}

fn refusal(error: &JwtError) -> Box<Refusal> {
    let seen = error.seen.clone().unwrap_or_else(|| error.message.clone());
    let wanted = error.wanted.clone().unwrap_or_else(|| "a token of this cluster".to_owned());
    let seen = carnet_core::safe_text(&seen);
    Box::new(Refusal::new(error.clause.name(), seen, wanted, UNAUTHORIZED, fix(error.clause)))
}

fn fix(clause: JwtClause) -> &'static str {
    match clause {
        JwtClause::Form | JwtClause::Header => "show the token as the kubelet or the TokenRequest API gave it",
        JwtClause::Issuer => "write issuer as `kubectl get --raw /.well-known/openid-configuration` has it",
        JwtClause::Key | JwtClause::Signature => {
            "the token is of another cluster, or the keys are old: compare with `kubectl get --raw /openid/v1/jwks`"
        }
        JwtClause::Audience => "project the token, or ask the TokenRequest API for it, with this audience",
        JwtClause::Expired => "read the file again: the kubelet writes a new token before the old one ends",
        JwtClause::NotYet => "compare the clocks of the API server and of this machine",
        JwtClause::Lifetime => "project the token with a shorter expirationSeconds, or raise max_lifetime",
        JwtClause::Claim => "tokens without an end are those of secrets (legacy): use a projected one",
    }
}

fn lifetime_of(token: &UnverifiedJwt) -> Option<SignedDuration> {
    Some(token.unverified_expiry()?.duration_since(token.unverified_claims().time("iat")?))
}

/// Puts what was found before in front, and warns of what lasts too long.
fn prefixed(decision: Decision, before: &[&'static str], lifetime: Option<SignedDuration>) -> Decision {
    let join = |held: &[&'static str]| before.iter().chain(held).copied().collect();
    match decision {
        Decision::Allow(mut grant) => {
            grant.held = join(&grant.held);
            if lifetime.is_some_and(|lifetime| lifetime > LONG) {
                grant.warnings.push(Warning {
                    clause: "lifetime",
                    message: "the token counts for more than a day, and keys do not tell whether its pod is gone"
                        .to_owned(),
                    fix: "set max_lifetime, or have the API server review each token".to_owned(),
                });
            }
            Decision::Allow(grant)
        }
        Decision::Refuse(mut refusal) => {
            refusal.held = join(&refusal.held);
            Decision::Refuse(refusal)
        }
    }
}

/// What may be shown and what rules look at.
fn attributes(bound: &Bound) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut add = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            found.insert(name.to_owned(), value.to_owned());
        }
    };
    add("namespace", Some(bound.account.namespace()));
    add("service-account", Some(bound.account.name()));
    add("service-account-uid", bound.account_uid.as_deref());
    for (name, uid, object) in [("pod-name", "pod-uid", &bound.pod), ("node-name", "node-uid", &bound.node)] {
        add(name, object.as_ref().map(|object| object.name.as_str()));
        add(uid, object.as_ref().map(|object| object.uid.as_str()));
    }
    found
}

#[cfg(test)]
mod tests;
