//! The life of an access token of the demo's authority, as a resource server sees it: looked up (RFC 7662), counted down,
//! renewed (RFC 8693) and revoked (RFC 7009).

use carnet_core::{Context, Credential, Destination, Error, Material, Request, Response, Secret, safe_text};
use carnet_grpc::WorkloadApi;
use serde_json::Value;

use super::{
    calls::Called,
    domain::{APP, Domain},
    report::Row,
};

/// RFC 8693, 2.1 and 3.
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// How the resource server says who it is (draft-ietf-oauth-spiffe-client-auth).
const JWT_SPIFFE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe";
/// How often tokens that are counted may be used.
pub(super) const USES: u32 = 2;
/// From where tokens that are bound to a network may be used, and an address of somebody else (RFC 5737).
pub(super) const NETWORK: &str = "192.0.2.0/24";
const HERE: &str = "192.0.2.7";
const ELSEWHERE: &str = "203.0.113.7";

/// What is done with a token that is good.
#[derive(Clone, Copy)]
pub(super) enum Life {
    /// It is looked up.
    Used,
    /// It is looked up as often as it may be.
    CountedDown,
    /// It is used from where it may be.
    Here,
    /// It is exchanged for another like it, which is looked up.
    Renewed,
}

/// What is done with a token that then is good no more.
#[derive(Clone, Copy)]
pub(super) enum Misuse {
    /// It is used once more than it may be.
    OnceMore,
    /// It is used from a foreign network.
    Elsewhere,
    /// It is used after it was renewed.
    AfterRenewal,
    /// It is used after it was revoked.
    Revoked,
}

/// Somebody to whom a token is shown, and who asks the authority about it.
struct ResourceServer<'a> {
    domain: &'a Domain,
    context: &'a Context,
    /// Its own identity.
    svid: Secret,
}

/// Lives it; the answer is what the last look-up told, of whom goes into the row.
pub(super) async fn live(
    domain: &Domain,
    context: &Context,
    credential: &Credential,
    life: Life,
    row: &mut Row,
) -> Result<Called, Error> {
    let server = ResourceServer::open(domain, context).await?;
    let token = token(credential)?;
    let (subject, told) = match life {
        Life::Used => (server.subject(token, None).await?, "it is good".to_owned()),
        Life::Here => (server.subject(token, Some(HERE)).await?, format!("it is good at {HERE}")),
        Life::CountedDown => {
            let mut subject = String::new();
            for _ in 0..USES {
                subject = server.subject(token, None).await?;
            }
            (subject, format!("it was good {USES} times"))
        }
        Life::Renewed => {
            let renewed = server.renew(token).await?;
            (server.subject(&renewed, None).await?, "the new one is good".to_owned())
        }
    };
    row.principal = Some(subject.clone());
    let url = format!("{}/oauth2/introspect", domain.issuer);
    Ok(Called { method: "POST".to_owned(), url, status: 200, answer: format!("of {subject}: {told}") })
}

/// Misuses it; the error is the refusal.
pub(super) async fn misuse(
    domain: &Domain,
    context: &Context,
    credential: &Credential,
    misuse: Misuse,
) -> Result<(), Error> {
    let server = ResourceServer::open(domain, context).await?;
    let token = token(credential)?;
    let before = |error: Error| Error::internal("use the token while it is good").because(error);
    let from = match misuse {
        Misuse::OnceMore => {
            for _ in 0..USES {
                server.subject(token, None).await.map_err(before)?;
            }
            None
        }
        Misuse::Elsewhere => {
            server.subject(token, Some(HERE)).await.map_err(before)?;
            Some(ELSEWHERE)
        }
        Misuse::AfterRenewal => {
            let renewed = server.renew(token).await.map_err(before)?;
            server.subject(&renewed, None).await.map_err(before)?;
            None
        }
        Misuse::Revoked => {
            server.subject(token, None).await.map_err(before)?;
            server.revoke(token).await.map_err(before)?;
            None
        }
    };
    server.subject(token, from).await.map(drop)
}

impl<'a> ResourceServer<'a> {
    async fn open(domain: &'a Domain, context: &'a Context) -> Result<Self, Error> {
        let agent = WorkloadApi::connect(domain.unix_agent()).await?;
        let svids = agent.fetch_jwt_svid(&[&domain.issuer], Some(APP)).await?;
        let svid =
            svids.into_iter().next().ok_or_else(|| Error::internal("find the resource server's own identity"))?;
        Ok(Self { domain, context, svid: svid.token })
    }

    /// Whose token it is, when it is good. `from` is the address from which it was used.
    async fn subject(&self, token: &Secret, from: Option<&str>) -> Result<String, Error> {
        let mut form = vec![
            ("token", token.expose()),
            ("client_assertion_type", JWT_SPIFFE),
            ("client_assertion", self.svid.expose()),
        ];
        form.extend(from.map(|from| ("client_address", from)));
        let answer: Value = self.post("introspect", &form).await?.json("what the authority tells of the token")?;
        if answer.get("active") != Some(&Value::Bool(true)) {
            return Err(Error::refused("use the access token: it is not active").code("inactive"));
        }
        Ok(safe_text(answer.get("sub").and_then(Value::as_str).unwrap_or_default()))
    }

    async fn renew(&self, token: &Secret) -> Result<Secret, Error> {
        let form = [
            ("grant_type", TOKEN_EXCHANGE),
            ("subject_token_type", ACCESS_TOKEN),
            ("subject_token", token.expose()),
            ("requested_token_type", ACCESS_TOKEN),
        ];
        let answer: Value = self.post("token", &form).await?.json("the renewed token")?;
        let token = answer.get("access_token").and_then(Value::as_str);
        token.map(Secret::new).ok_or_else(|| Error::internal("find the renewed token in the answer"))
    }

    async fn revoke(&self, token: &Secret) -> Result<(), Error> {
        self.post("revoke", &[("token", token.expose())]).await.map(drop)
    }

    async fn post(&self, endpoint: &str, form: &[(&str, &str)]) -> Result<Response, Error> {
        let url = format!("{}/oauth2/{endpoint}", self.domain.issuer);
        let url = url.parse().map_err(|error| Error::internal("name an endpoint of the authority").because(error))?;
        let request = Request::post_form(url, form).destination(Destination::Configured);
        let response = self.context.http.send(request).await?;
        if response.status.is_success() {
            return Ok(response);
        }
        let answer: Value = response.json("the answer of the authority").unwrap_or_default();
        let text = |name: &str| safe_text(answer.get(name).and_then(Value::as_str).unwrap_or_default());
        Err(Error::refused(text("error_description")).code(text("error")))
    }
}

fn token(credential: &Credential) -> Result<&Secret, Error> {
    match &credential.material {
        Material::AccessToken(access) => Ok(&access.token),
        _ => Err(Error::internal(format!("show a credential of kind {} to a resource server", credential.kind()))),
    }
}
