//! Whether a service account's token is believed, by the keys of its cluster.
//!
//! Pure: keys and time are given. Whether the pod is still there only the API server can say ([`crate::relying`]).

use carnet_jose::{Algorithm, JwtClause, JwtError, KeySet, Rules, UnverifiedJwt, VerifiedJwt, verify_jwt};
use carnet_trust::Refusal;
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
    /// `iss`, compared byte for byte.
    pub issuer: String,
    /// Accounts that are believed. `None` when whoever asks has rules of his own about that.
    pub accounts: Option<Vec<AccountPattern>>,
    /// What the token must be bound to.
    pub binding: Binding,
    /// Longest `exp - iat`, if bounded.
    pub max_age: Option<SignedDuration>,
}

/// A token that is believed.
#[derive(Clone, Debug)]
pub struct Believed {
    /// The token.
    pub jwt: VerifiedJwt,
    /// Whose it is, and what it lives with.
    pub bound: Bound,
}

impl ClusterTrust {
    /// Whether the token is one of the cluster's, for one of these audiences, in time, bound as is wanted, and of an account that is
    /// believed.
    ///
    /// # Errors
    /// The clause that failed first, and those that held before: `form`, `header`, `issuer`, `key`, `signature`, `audience`, `claim`,
    /// `expired`, `not-yet`, `lifetime`, `subject`, `claims`, `service-account`, `binding`.
    pub fn verify(
        &self,
        token: &UnverifiedJwt,
        keys: &KeySet,
        audiences: &[&str],
        now: Timestamp,
    ) -> Result<Believed, Box<Refusal>> {
        let mut held = Vec::new();
        self.proven(token, keys, audiences, now, &mut held).map_err(|mut refusal| {
            refusal.held = held;
            refusal
        })
    }

    fn proven(
        &self,
        token: &UnverifiedJwt,
        keys: &KeySet,
        audiences: &[&str],
        now: Timestamp,
        held: &mut Vec<&'static str>,
    ) -> Result<Believed, Box<Refusal>> {
        let rules = Rules {
            issuer: Some(&self.issuer),
            // An empty list means that nothing is for us, not that everything is.
            audiences: Some(audiences),
            algorithms: &ALGORITHMS,
            leeway: LEEWAY,
            require_expiry: true,
            max_lifetime: self.max_age,
            types: &["JWT"],
        };
        let jwt = verify_jwt(token, keys, &rules, now).map_err(|error| refusal(&error))?;
        held.extend(["issuer", "signature", "audience", "times"]);
        let bound = Bound::of_claims(jwt.claims())?;
        held.extend(["subject", "claims"]);
        self.admit(&bound)?;
        held.push("service-account");
        self.require_binding(&bound)?;
        Ok(Believed { jwt, bound })
    }

    fn admit(&self, bound: &Bound) -> Result<(), Box<Refusal>> {
        let Some(accounts) = &self.accounts else { return Ok(()) };
        if accounts.iter().any(|pattern| pattern.matches(&bound.account)) {
            return Ok(());
        }
        let wanted: Vec<String> = accounts.iter().map(ToString::to_string).collect();
        Err(Box::new(Refusal::new(
            "service-account",
            bound.account.to_string(),
            wanted.join(" or "),
            FORBIDDEN,
            "name the account in service_accounts, or run the pod under one that is named",
        )))
    }

    fn require_binding(&self, bound: &Bound) -> Result<(), Box<Refusal>> {
        if self.binding == Binding::Account || bound.pod.is_some() {
            return Ok(());
        }
        let seen = match bound.secret {
            Some(_) => "a token that is bound to a secret",
            None => "a token that is bound to nothing",
        };
        Err(Box::new(Refusal::new(
            "binding",
            seen,
            "a token that is bound to a pod",
            FORBIDDEN,
            "project the token into the pod, or name the pod in boundObjectRef of the token request",
        )))
    }
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
        JwtClause::Lifetime => "project the token with a shorter expirationSeconds, or raise max_age",
        JwtClause::Claim => "tokens without an end are those of secrets (legacy): use a projected one",
    }
}

#[cfg(test)]
mod tests;
