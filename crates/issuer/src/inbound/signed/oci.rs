//! Requests that a principal of OCI has signed.

use std::sync::Arc;

use carnet_core::{Secret, safe_text};
use carnet_oci::trust::login::{Form, Login, LoginTrust, Proved, Read, User};
use http::Method;
use jiff::Timestamp;
use serde_json::json;

use super::{Proof, Proven, Unproved, Wish, decoded, trusted};
use crate::{
    Caller, Issuer, RuleSet, SubjectType,
    inbound::no_keys,
    signed_issuer::{OCI, SignedIssuer},
    trusted::CheckedIssuer,
};

impl Issuer {
    /// Proves by a request that a principal of OCI has signed.
    pub(in crate::inbound) async fn prove_oci_request(
        &self,
        token: &Secret,
        caller: &Caller,
        rules: &RuleSet,
        now: Timestamp,
    ) -> Result<Proof, Unproved> {
        let login = Login::parse(&decoded(token)?)?;
        let issuer = format!("{OCI}{}", login.claimed_tenancy(&self.signed().tokens, now)?);
        let said = |unproved: Unproved| Unproved {
            issuer: safe_text(&issuer),
            subject: safe_text(login.user.as_deref().unwrap_or_default()),
            ..unproved
        };
        let trusted = trusted(rules, &issuer).map_err(said)?;
        let groups = rules.of_issuer(&issuer).map(|of| of.groups.as_slice()).unwrap_or_default();
        self.prove_oci_login(&login, &Wish { caller, trusted }, groups, now).await.map_err(said)
    }

    async fn prove_oci_login(
        &self,
        login: &Login,
        wish: &Wish<'_>,
        groups: &[String],
        now: Timestamp,
    ) -> Result<Proof, Unproved> {
        let trusted = wish.trusted;
        let Some(SignedIssuer::Oci(tenancy)) = &trusted.signs else {
            return Err(Unproved::new("issuer", trusted.data.issuer.as_str(), "oci://TENANCY", "write a rule for it"));
        };
        let trust = LoginTrust {
            tenancy,
            regions: &trusted.data.regions,
            window: trusted.leeway,
            audience: self.issuer_url(),
            own_hosts: &self.signed().own_hosts,
            own_path: &self.signed().own_path,
        };
        let read = trust.read(login, &self.signed().tokens, now)?;
        // Whoever sends the same again does not make us ask again.
        self.signed().replay.check(&read.signature)?;
        let by_keys = trusted.has_keys() && read.token.is_some();
        let own = self.signed().own_principal.as_ref();
        let mut told = None;
        let mut claims = match (read.form, own) {
            (Form::User, _) => {
                let user: User = self.ask_oracle(&read, wish).await?.json("the user").map_err(|error| {
                    let fix = "look at what stands between here and there";
                    Unproved::new("answer", error.to_string(), "a user", fix)
                })?;
                trust.admit(&read, &Proved::User(&user))?
            }
            (Form::Namespace, _) if !by_keys => {
                self.ask_oracle(&read, wish).await?;
                trust.admit(&read, &Proved::Signer)?
            }
            (Form::Own, Some(own)) if !by_keys => {
                told = Some(self.authenticate(own, &read, wish, tenancy).await?);
                trust.admit(&read, &Proved::Signer)?
            }
            (Form::Namespace | Form::Own, _) => {
                self.verify_session(&read, trusted, now).await?;
                trust.admit(&read, &Proved::Signer)?
            }
        };
        if let Some(own) = own.filter(|_| !groups.is_empty()) {
            let principal = match told {
                Some(principal) => principal,
                None => self.authenticate(own, &read, wish, tenancy).await?,
            };
            let member = self.memberships(own, &read, wish, &principal, groups).await?;
            claims.insert("groups".to_owned(), json!(member));
        }
        let proven = Proven {
            issuer: trusted.data.issuer.clone(),
            kind: SubjectType::OciRequest,
            claims,
            until: trust.until(&read),
            rule: read.rule.clone(),
        };
        self.proof(proven, &read.signature, now)
    }

    async fn ask_oracle(&self, read: &Read, wish: &Wish<'_>) -> Result<carnet_core::Response, Unproved> {
        self.ask(Method::GET, &read.url, &read.headers, "", wish).await
    }

    /// Believes the session token by the keys of the auth service. Its key has signed the request, as was seen when that was read.
    async fn verify_session(&self, read: &Read, trusted: &Arc<CheckedIssuer>, now: Timestamp) -> Result<(), Unproved> {
        let Some(token) = &read.token else {
            let fix = "sign \"get user\" of identity.REGION in place of our own login: only Oracle knows the key";
            return Err(Unproved::new("key", "an API key", "a session token, which names its key", fix));
        };
        if !trusted.has_keys() {
            let fix = "sign GET /n/ of objectstorage.REGION in place of our own login, or give the keys of the auth service in jwks or \
                       jwks_url of the issuer";
            return Err(Unproved::new("keys", "no keys of the auth service", "jwks or jwks_url of the issuer", fix));
        }
        let keys = self.key_sets().keys(trusted, read.kid.as_deref()).await.map_err(|error| no_keys(&error))?;
        let verifier = self.signed().verifier(&trusted.data.issuer, &keys);
        verifier.verify(token.expose(), now)?;
        Ok(())
    }
}
