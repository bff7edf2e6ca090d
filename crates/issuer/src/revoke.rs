//! Revoking (RFC 7009).

use carnet_core::safe_text;
use carnet_jose::UnverifiedJwt;
use carnet_store::{Committed, Op, Outcome};
use serde_json::json;

use crate::{
    Caller, Issuer, LookupRequest, OAuthCode, OAuthError,
    exchange::Refused,
    inbound::{ACCESS_TOKEN_TYPE, STATED, Unproved, tombstone},
    refusals::record,
};

impl Issuer {
    /// Revokes an access token of ours for good. Whoever holds it may do so: there is nothing that a thief would gain. A client that proves who it is must
    /// do so rightly. The outcome is in the audit when this returns.
    ///
    /// # Errors
    /// What the caller is told. A token that is not good is no error (RFC 7009, 2.2).
    pub async fn revoke(&self, request: LookupRequest, caller: Caller) -> Result<(), OAuthError> {
        let now = self.context().now();
        let mut row = record("token.revoke", now, &caller);
        if let Some(shown) = &request.client {
            match self.prove(shown, &caller, &self.rules(), now).await {
                Ok(client) => row.actor = client.subject,
                Err(unproved) => return Err(self.refuse(Refused::client(unproved), row).await),
            }
        }
        let parsed = UnverifiedJwt::parse(request.token.expose());
        let verified = parsed.map_err(Unproved::from).and_then(|parsed| {
            let typ = parsed.unverified_header().get("typ").and_then(|typ| typ.as_str());
            let other = parsed.unverified_issuer() == Some(self.issuer_url()) && typ != Some(ACCESS_TOKEN_TYPE);
            if other { Ok(None) } else { self.verify_own(&parsed, now).map(Some) }
        });
        let jwt = match verified {
            Ok(Some(jwt)) => jwt,
            Ok(None) => {
                let told = OAuthError::new(OAuthCode::UnsupportedTokenType, "only access tokens can be revoked");
                let fix = "wait until it expires, or revoke the key that signed it";
                let unproved = Unproved::new("token-type", "not an access token", ACCESS_TOKEN_TYPE, fix);
                return Err(self.refuse(Refused::new(*unproved.refusal, told), row).await);
            }
            Err(unproved) => {
                let told = OAuthError::request("the token is not good");
                self.refuse(Refused::new(*unproved.refusal, told), row).await;
                return Ok(());
            }
        };
        let claims = jwt.claims();
        let id = claims.str("jti").unwrap_or_default().to_owned();
        row.subject = safe_text(claims.str("sub").unwrap_or_default());
        row.principal.clone_from(&row.subject);
        row.token_id = Some(id.clone());
        if claims.get(STATED).is_some() {
            let ops: Vec<Op> = tombstone(&jwt, now).into_iter().collect();
            // That it was revoked before is as good.
            return match self.commit(ops, row, None).await {
                Ok(Committed::Done { .. } | Committed::Conflict(_)) => Ok(()),
                Err(_logged) => Err(Refused::unavailable("store", "it did not write").told),
            };
        }
        let mut refused = row.clone();
        (refused.outcome, refused.clause) = (Outcome::Refused, Some("revoked".to_owned()));
        refused.details.insert("seen".to_owned(), json!("the token is not known"));
        match self.commit(vec![Op::RevokeToken { id, now }], row, Some(refused)).await {
            Ok(Committed::Done { .. } | Committed::Conflict(_)) => Ok(()),
            Err(_logged) => Err(Refused::unavailable("store", "it did not write").told),
        }
    }
}
