//! What Oracle tells the authority itself of who has signed: that it was this principal, and in which groups that is.
//!
//! For this the authority needs a principal of its own ([`crate::IssuerSettings::oci_principal`]) with the policy `inspect authentication in
//! tenancy`. The calls are those of Vault's auth method for OCI: `authenticateClient` and `filterGroupMembership`.

use std::{collections::BTreeMap, sync::Arc};

use carnet_core::{Context, Credential, Error, Found, Material, Request, Response, Source, Want};
use carnet_oci::{
    client::SigningClient,
    regions::Region,
    signer::OciSigner,
    trust::login::{Form, Read},
    wire::Scope,
};
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use url::Url;

use super::{MAX_ANSWER, Unproved, Wish, away};
use crate::{Issuer, trusted::CheckedIssuer};

/// A session that ends sooner is fetched anew.
const MARGIN: SignedDuration = SignedDuration::from_mins(2);
const AUTHENTICATE: &str = "/v1/authentication/authenticateClient";
/// The base differs from that of the other call, and is taken from Oracle's documents as they stand.
const FILTER: &str = "/v1/filterGroupMembership";

/// The authority as a principal of OCI.
#[derive(Debug)]
pub(super) struct OwnPrincipal {
    source: Arc<dyn Source>,
    kept: Mutex<Option<Arc<Credential>>>,
}

/// Who has signed, as Oracle says; the whole is handed back to Oracle when it is asked for groups.
#[derive(Debug, Deserialize)]
struct Authenticated {
    success: bool,
    #[serde(default)]
    principal: Value,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Filtered {
    group_ids: Vec<String>,
}

impl OwnPrincipal {
    pub(super) fn new(source: Arc<dyn Source>) -> Self {
        Self { source, kept: Mutex::default() }
    }

    async fn credential(&self, context: &Context) -> Result<Arc<Credential>, Error> {
        let mut kept = self.kept.lock().await;
        let now = context.now();
        if let Some(known) = kept.as_ref().filter(|known| known.remaining(now).is_none_or(|left| left > MARGIN)) {
            return Ok(Arc::clone(known));
        }
        match self.source.find(context, &Want::default()).await? {
            Found::Credential(found) => {
                let found = Arc::<Credential>::from(found);
                *kept = Some(Arc::clone(&found));
                Ok(found)
            }
            Found::NotHere(reason) => Err(Error::not_here(reason)),
        }
    }
}

impl Issuer {
    /// Has Oracle verify the request, and answers with the principal as Oracle has it.
    ///
    /// # Errors
    /// Clause `signature` when Oracle says no, `tenancy` or `signer` when it was somebody else, `later` when Oracle cannot be asked.
    pub(super) async fn authenticate(
        &self,
        own: &OwnPrincipal,
        read: &Read,
        wish: &Wish<'_>,
        tenancy: &str,
    ) -> Result<Value, Unproved> {
        let target = format!("get {}", read.url.path());
        let mut headers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, value) in &read.headers {
            headers.entry(name.as_str()).or_default().extend(value.to_str().ok());
        }
        headers.insert("(request-target)", vec![target.as_str()]);
        let body = json!({ "requestHeaders": headers });
        let answer: Authenticated = self.ask_as_ourselves(own, read, wish, AUTHENTICATE, &body).await?;
        if !answer.success {
            let fix = "sign anew, with a key that is registered and a clock that is right";
            return Err(Unproved::new("signature", "Oracle says no", "a signature that Oracle takes", fix));
        }
        let said = |name: &str| answer.principal.get(name).and_then(Value::as_str).unwrap_or_default();
        for (clause, seen, wanted) in
            [("tenancy", said("tenantId"), tenancy), ("signer", said("subjectId"), read.principal.id.as_str())]
        {
            if seen != wanted {
                return Err(Unproved::new(clause, seen, wanted, "log in with a principal of this tenancy"));
            }
        }
        Ok(answer.principal)
    }

    /// Those of the groups that this principal is in.
    ///
    /// # Errors
    /// `later` when Oracle cannot be asked.
    pub(super) async fn memberships(
        &self,
        own: &OwnPrincipal,
        read: &Read,
        wish: &Wish<'_>,
        principal: &Value,
        groups: &[String],
    ) -> Result<Vec<String>, Unproved> {
        let body = json!({ "principal": principal, "groupIds": groups });
        let answer: Filtered = self.ask_as_ourselves(own, read, wish, FILTER, &body).await?;
        Ok(answer.group_ids.into_iter().filter(|id| groups.contains(id)).collect())
    }

    async fn ask_as_ourselves<T: serde::de::DeserializeOwned>(
        &self,
        own: &OwnPrincipal,
        read: &Read,
        wish: &Wish<'_>,
        path: &str,
        body: &Value,
    ) -> Result<T, Unproved> {
        let _asked = self.signed().asking.enter(wish.caller)?;
        let timeout = self.settings().fetch_timeout;
        let asked = tokio::time::timeout(timeout, self.send_as_ourselves(own, read, wish.trusted, path, body));
        let answer = asked.await.unwrap_or_else(|_elapsed| {
            Err(Error::unreachable(format!("wait for an answer of Oracle: none within {} ms", timeout.as_millis())))
        });
        answer.and_then(|answer| answer.json("what Oracle tells of the principal")).map_err(|error| {
            let reasons = carnet_core::chain(&error).join(": ");
            let fix =
                error.hints().first().map_or("look at the authority's own principal, and its policy", |hint| *hint);
            away(Unproved::new("answer", reasons, "an answer of Oracle", fix))
        })
    }

    async fn send_as_ourselves(
        &self,
        own: &OwnPrincipal,
        read: &Read,
        trusted: &CheckedIssuer,
        path: &str,
        body: &Value,
    ) -> Result<Response, Error> {
        let credential = own.credential(self.context()).await?;
        let mut url = auth_service(read, &credential, trusted)?;
        url.set_path(path);
        let signer = OciSigner::new(&credential)?;
        let mut request = Request::post_json(url, body).max_response(MAX_ANSWER).timeout(self.settings().fetch_timeout);
        request.ca_pem = trusted.data.ca_pem.clone().map(|pem| pem.into_bytes().into());
        let client = SigningClient::new(self.context(), &signer);
        client.send_scoped(request, Scope::Full, "ask Oracle who has signed a login").await
    }
}

/// The auth service of the region that was signed for; for a request to ourselves, of that of our own principal.
fn auth_service(read: &Read, credential: &Credential, trusted: &CheckedIssuer) -> Result<Url, Error> {
    let of_request = read.url.host_str().filter(|_| read.form != Form::Own).and_then(|host| host.split('.').nth(1));
    let of_credential = match &credential.material {
        Material::OciSession(session) => session.region.as_deref(),
        Material::OciApiKey(key) => key.region.as_deref(),
        _ => None,
    };
    let listed = trusted.data.regions.first().map(String::as_str);
    let region = of_request.or(of_credential).or(listed).and_then(Region::built_in).ok_or_else(|| {
        Error::configuration("ask Oracle who has signed a login: the region is not known")
            .hint("name regions in the issuer oci://TENANCY")
    })?;
    region.endpoint("auth")
}
