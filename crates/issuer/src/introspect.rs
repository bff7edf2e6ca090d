//! Looking tokens up (RFC 7662), and the form that revocation shares.

use carnet_core::Secret;
use carnet_jose::UnverifiedJwt;
use carnet_store::{Committed, ConflictReason, Op};
use carnet_trust::Refusal;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::{
    Caller, Issuer, OAuthCode, OAuthError, Presented, ShownToken, SubjectType,
    exchange::Refused,
    form,
    inbound::{ACCESS_TOKEN_TYPE, OwnToken, Proof, Unproved},
    refusals::record,
    request::client_assertion,
    rule_set::{Ground, Introspects},
};

/// A request about a token.
#[derive(Clone, Debug)]
pub struct LookupRequest {
    /// `token`.
    pub token: Secret,
    /// `client_assertion` with its type.
    pub client: Option<ShownToken>,
    /// `client_address`: from where the token came to whoever asks. Ours; tokens that are bound to networks are inactive without it.
    pub client_address: Option<String>,
}

/// The answer of introspection: of an inactive token nothing but that.
#[derive(Clone, Debug, PartialEq)]
pub struct Introspection(Option<Map<String, Value>>);

impl LookupRequest {
    /// Reads a form. `token_type_hint` is passed over: there is one type.
    ///
    /// # Errors
    /// What is wrong with its form.
    pub fn from_form(body: &[u8]) -> Result<Self, OAuthError> {
        let (mut token, mut assertion, mut assertion_type, mut address) = (None, None, None, None);
        for (name, value) in form::parameters(body)? {
            let value = value.into_owned();
            let repeated = match &*name {
                "token" => token.replace(Secret::new(value)).is_some(),
                "client_assertion" => assertion.replace(Secret::new(value)).is_some(),
                "client_assertion_type" => assertion_type.replace(value).is_some(),
                "client_address" => address.replace(value).is_some(),
                "client_secret" => {
                    return Err(OAuthError::new(
                        OAuthCode::InvalidClient,
                        "clients prove who they are by assertion or certificate, not by secret",
                    ));
                }
                _ => false,
            };
            if repeated {
                return Err(OAuthError::request("a parameter is there twice"));
            }
        }
        Ok(Self {
            token: token.ok_or_else(|| OAuthError::request("token is missing"))?,
            client: client_assertion(assertion.as_ref(), assertion_type.as_deref())?,
            client_address: address,
        })
    }
}

impl Introspection {
    /// Whether the token is good.
    pub fn is_active(&self) -> bool {
        self.0.is_some()
    }

    /// The body of the answer.
    pub fn to_json(&self) -> String {
        match &self.0 {
            None => json!({ "active": false }).to_string(),
            Some(members) => Value::Object(members.clone()).to_string(),
        }
    }
}

impl Issuer {
    /// Tells whether an access token of ours is good, and what it says. The outcome is in the audit when this returns, and one of the token's uses is gone
    /// if they are counted. Of a token that stands by itself and is good nothing is written.
    ///
    /// # Errors
    /// What the caller is told: that it may not ask (`invalid_client`), or that it cannot be known now. A token that is not good is no error.
    pub async fn introspect(&self, request: LookupRequest, caller: Caller) -> Result<Introspection, OAuthError> {
        let now = self.context().now();
        let mut row = record("token.introspect", now, &caller);
        let by = match self.looker(request.client.as_ref(), &caller, now).await {
            Ok(by) => by,
            Err(unproved) => return Err(self.refuse(Refused::client(unproved), row).await),
        };
        row.actor.clone_from(&by.subject);
        let found = self.look_up(&request, &by, &caller, now).await;
        let (rule, token) = match found {
            Ok(found) => found,
            Err(Lookup::Forbidden(unproved)) => return Err(self.refuse(Refused::client(unproved), row).await),
            Err(Lookup::Inactive(unproved)) if unproved.later => {
                return Err(self.refuse(Refused::unavailable("store", unproved.refusal.seen), row).await);
            }
            Err(Lookup::Inactive(unproved)) => {
                row.subject.clone_from(&unproved.subject);
                self.refuse(inactive(*unproved.refusal), row).await;
                return Ok(Introspection(None));
            }
        };
        if token.stateless {
            return Ok(Introspection(Some(members(&token))));
        }
        row.rule = Some(rule);
        row.subject.clone_from(&token.row.subject);
        row.principal.clone_from(&token.row.subject);
        row.audiences.clone_from(&token.row.audiences);
        row.token_id = Some(token.row.id.clone());
        row.expires_at = Some(token.row.expires_at);
        let counted = token.row.uses_left.is_some();
        let ops = if counted { vec![Op::UseToken { id: token.row.id.clone(), now }] } else { Vec::new() };
        // Why a use cannot be had only the store knows: a conflict leaves no record, and the refusal is written with its reason.
        match self.commit(ops, row.clone(), None).await {
            Ok(Committed::Done { .. }) => Ok(Introspection(Some(members(&token)))),
            Ok(Committed::Conflict(conflict)) => {
                self.refuse(inactive(conflicting(conflict.reason)), row).await;
                Ok(Introspection(None))
            }
            Err(_logged) => Err(Refused::unavailable("store", "it did not write").told),
        }
    }

    /// Who asks: by an assertion, by the certificate of the connection, or by the token of the `Authorization` header, which the router hands on as an
    /// assertion.
    async fn looker(&self, shown: Option<&ShownToken>, caller: &Caller, now: Timestamp) -> Result<Proof, Unproved> {
        let certificate = ShownToken::certificate();
        self.prove(shown.unwrap_or(&certificate), caller, &self.rules(), now).await
    }

    async fn look_up(
        &self,
        request: &LookupRequest,
        by: &Proof,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<(String, OwnToken), Lookup> {
        let rules = self.rules();
        let presented = Presented {
            issuer: &by.issuer,
            subject: &by.subject,
            kind: by.kind,
            claims: by.claims(),
            address: caller.address(),
        };
        let ground = Ground { issuer_url: self.issuer_url(), trust_domain: self.trust_domain() };
        let may = |audiences: &[String]| match rules.introspects(ground, &presented, audiences) {
            Introspects::This(rule) => Ok(rule.name().to_owned()),
            Introspects::Others => {
                let fix = "add the audience to introspect, if it is to be looked up";
                let seen = audiences.join(", ");
                Err(Lookup::Inactive(Unproved::new("introspect", seen, "an audience of the rule", fix)))
            }
            Introspects::Nothing => {
                let fix = "write a rule with introspect for it, if it is to be allowed";
                Err(Lookup::Forbidden(Unproved::new("rule", by.subject.as_str(), "a rule with introspect", fix)))
            }
        };
        // Whoever may look up nothing does not learn whether a token is good by how long the answer takes.
        if let Err(Lookup::Forbidden(unproved)) = may(&[]) {
            return Err(Lookup::Forbidden(unproved));
        }
        let parsed = UnverifiedJwt::parse(request.token.expose()).map_err(|error| Lookup::Inactive(error.into()))?;
        let token = self.own_token(&parsed, now).await.map_err(Lookup::Inactive)?;
        let rule = may(&token.row.audiences)?;
        let said = request.client_address.as_deref();
        let from = said.and_then(|address| Caller::at(address).address());
        let fix = "use the token where it may be used; the resource server says with client_address where it came from";
        token.check_network(from, said.unwrap_or("no client_address"), fix).map_err(Lookup::Inactive)?;
        Ok((rule, token))
    }
}

/// Why a token is not shown.
enum Lookup {
    /// The caller may look up nothing.
    Forbidden(Unproved),
    /// The caller is told that it is inactive.
    Inactive(Unproved),
}

fn inactive(refusal: Refusal) -> Refused {
    // Nobody is told this: the answer is that the token is inactive.
    Refused::new(refusal, OAuthError::request("the token is inactive"))
}

/// Why a use could not be had of a token that was good when it was looked at.
fn conflicting(reason: ConflictReason) -> Refusal {
    let (clause, seen, wanted, fix) = match reason {
        ConflictReason::Used => (
            "uses",
            "a token that was used as often as it may be",
            "a token with uses left",
            "get a new token, or let the rule give more uses",
        ),
        ConflictReason::Expired => {
            ("expired", "a token that ended while this was on its way", "a token that has not ended", "get a new token")
        }
        ConflictReason::Revoked => {
            ("revoked", "it was revoked while this was on its way", "a token that is not", "get a new token")
        }
        ConflictReason::NotFound | ConflictReason::Exists | ConflictReason::Similar | ConflictReason::Stale => {
            ("revoked", "it is not known any more", "a token that is remembered", "get a new token")
        }
    };
    Refusal::new(clause, seen, wanted, "invalid_token", fix)
}

fn members(token: &OwnToken) -> Map<String, Value> {
    let mut members = token.jwt.claims().0.clone();
    members.insert("active".to_owned(), json!(true));
    members.insert("token_type".to_owned(), json!("Bearer"));
    members
}

/// What the token of an `Authorization` header is (RFC 7662, 2.1): an access token of ours by its type, any other JWT otherwise.
pub(crate) fn bearer(token: &str) -> ShownToken {
    let typ = UnverifiedJwt::parse(token).ok().and_then(|parsed| {
        let typ = parsed.unverified_header().get("typ")?;
        typ.as_str().map(str::to_owned)
    });
    let kind = if typ.as_deref() == Some(ACCESS_TOKEN_TYPE) { SubjectType::AccessToken } else { SubjectType::Jwt };
    ShownToken { token: Some(Secret::new(token)), kind }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clause_is_that_of_the_stores_reason() {
        for (reason, clause) in [
            (ConflictReason::Used, "uses"),
            (ConflictReason::Expired, "expired"),
            (ConflictReason::Revoked, "revoked"),
            (ConflictReason::NotFound, "revoked"),
        ] {
            assert_eq!(conflicting(reason).clause, clause, "{reason:?}");
        }
    }
}
