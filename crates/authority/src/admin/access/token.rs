//! Access by a token of this authority.

use std::net::IpAddr;

use carnet_core::{Secret, safe_text};
use carnet_jose::{Algorithm, Claims, KeySet, Rules as TokenRules, UnverifiedJwt, verify_jwt};
use carnet_store::{Commit, Committed, Op, TokenRow};
use ipnet::IpNet;
use jiff::{SignedDuration, Timestamp};

use super::{ADMIN_SCOPE, Admin, Denied, Operator};

/// `typ` of access tokens (RFC 9068, 2.1). No other token of the authority has it.
const ACCESS_TOKEN_TYPE: &str = "at+jwt";

const ALGORITHMS: [Algorithm; 4] = [Algorithm::Rs256, Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa];

impl Admin {
    /// Whose token it is, and the rule that it was issued by. The rule must grant the scope now, too: a rule that is
    /// changed takes the right away from tokens that are out.
    pub(super) async fn admit_token(
        &self,
        token: &Secret,
        address: Option<IpAddr>,
        peer: &str,
        request_id: &str,
    ) -> Result<(String, String), Denied> {
        let now = self.parts.context.now();
        let claims = self.verify(token, now)?;
        let row = self.remembered(&claims, now).await?;
        let actor = match &row.actor {
            Some(actor) => format!("{actor} for {}", row.subject),
            None => row.subject.clone(),
        };
        let deny =
            |clause, why: &str| Denied { rule: Some(row.rule.clone()), ..Denied::forbidden(clause, &actor, why) };
        let scopes = claims.str("scope").unwrap_or_default();
        if !scopes.split(' ').any(|scope| scope == ADMIN_SCOPE) {
            return Err(deny("scope", "the token does not have the scope carnet:admin"));
        }
        let rules = std::sync::Arc::clone(&self.parts.rules.watch().borrow());
        if !rules.rule(&row.rule).is_some_and(|rule| rule.scopes.iter().any(|scope| scope == ADMIN_SCOPE)) {
            return Err(deny(
                "rule",
                "the rule that it was issued by is gone, or does not grant carnet:admin any more",
            ));
        }
        if !row.networks.is_empty() && !address.is_some_and(|address| is_within(&row.networks, address)) {
            return Err(deny("network", "the token is bound to networks, and was shown from elsewhere"));
        }
        if row.uses_left.is_some() {
            self.take_use(&row, &actor, peer, request_id, now).await?;
        }
        Ok((actor, row.rule.clone()))
    }

    /// Signature, issuer, audience, type and times.
    fn verify(&self, token: &Secret, now: Timestamp) -> Result<Claims, Denied> {
        let refused = |why: String| Denied::unauthenticated("token", "", why);
        let parsed = UnverifiedJwt::parse(token.expose()).map_err(|error| refused(error.to_string()))?;
        let typ = parsed.unverified_header().get("typ").and_then(|typ| typ.as_str());
        if typ != Some(ACCESS_TOKEN_TYPE) {
            return Err(refused("it is not an access token of this authority".to_owned()));
        }
        let bundle = self.parts.keys.ring().bundle(&self.parts.trust_domain);
        let key = parsed.unverified_kid().and_then(|kid| bundle.jwt_authority(kid));
        let keys = key.map_or_else(KeySet::default, |key| KeySet::of(key.clone()));
        let rules = TokenRules {
            issuer: Some(&self.parts.issuer_url),
            audiences: Some(&[&self.parts.issuer_url]),
            algorithms: &ALGORITHMS,
            // Ours and by our clock.
            leeway: SignedDuration::ZERO,
            require_expiry: true,
            max_lifetime: None,
            types: &[ACCESS_TOKEN_TYPE],
        };
        let verified = verify_jwt(&parsed, &keys, &rules, now).map_err(|error| refused(error.to_string()))?;
        Ok(verified.claims().clone())
    }

    /// What the store remembers of it. A token that is not remembered is none.
    async fn remembered(&self, claims: &Claims, now: Timestamp) -> Result<TokenRow, Denied> {
        let subject = safe_text(claims.str("sub").unwrap_or_default());
        let refused = |clause, why: String| Denied::unauthenticated(clause, &subject, why);
        let id = claims.str("jti").unwrap_or_default();
        let row = self.parts.store.token(id.to_owned()).await.map_err(|error| {
            tracing::error!(%error, "the store cannot be read: a token is not believed");
            refused("store", "the store cannot be read".to_owned())
        })?;
        let row = row.ok_or_else(|| refused("revoked", "the token is not known".to_owned()))?;
        if let Some(at) = row.revoked_at {
            return Err(refused("revoked", format!("the token was revoked at {at}")));
        }
        if row.expires_at <= now {
            return Err(refused("expired", "the token has expired".to_owned()));
        }
        Ok(row)
    }

    /// A token whose uses are counted is used once by every request.
    async fn take_use(
        &self,
        row: &TokenRow,
        actor: &str,
        peer: &str,
        request_id: &str,
        now: Timestamp,
    ) -> Result<(), Denied> {
        let operator = Operator {
            actor: actor.to_owned(),
            rule: Some(row.rule.clone()),
            peer: peer.to_owned(),
            request_id: request_id.to_owned(),
            local: false,
        };
        let mut audit = operator.record(now, "admin.use-token", &row.subject);
        audit.token_id = Some(row.id.clone());
        let ops = vec![Op::UseToken { id: row.id.clone(), now }];
        match self.parts.store.commit(Commit { ops, audit, refused: None }).await {
            Ok(Committed::Done { .. }) => Ok(()),
            Ok(Committed::Conflict(_)) => Err(Denied::unauthenticated("uses", actor, "the token is used up")),
            Err(error) => {
                tracing::error!(%error, "the store does not take the use of a token: it is not believed");
                Err(Denied::unauthenticated("store", actor, "the store does not take the use of the token"))
            }
        }
    }
}

fn is_within(networks: &[String], address: IpAddr) -> bool {
    networks.iter().any(|text| match (text.parse::<IpNet>(), text.parse::<IpAddr>()) {
        (Ok(network), _) => network.contains(&address),
        (_, Ok(one)) => one == address,
        _ => false,
    })
}
