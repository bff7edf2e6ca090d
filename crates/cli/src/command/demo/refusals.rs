//! What must be refused: one good input bent in one place, and the clause that stops it.

use carnet_core::{Context, Error, ErrorKind, Request};
use carnet_oci::{signer::OciSigner, wire::Scope};
use carnet_sandbox::{Fault, FaultKind, Flaw, Issuer, MintRequest, gcp, oci};
use http::{HeaderValue, header};
use jiff::SignedDuration;

use super::{
    calls::{self, Call},
    clouds, crossings,
    report::RefusalRow,
    stage::{self, Stage, TOKEN},
};

/// One row.
pub(super) struct Refusal {
    pub(super) name: &'static str,
    /// The clause that must fail, as the emulated cloud sees it.
    clause: &'static str,
    bend: Bend,
}

/// What is bent.
#[derive(Clone, Copy)]
enum Bend {
    /// The subject token of the exchange with OCI: a claim that differs.
    Claim(&'static str, &'static str),
    /// The clocks of all services run two hours ahead of the token.
    Expired,
    /// The subject token of the exchange with OCI: a flaw.
    Flaw(Flaw),
    /// The subject token of the exchange with Google names another audience.
    GoogleAudience,
    /// A principal that may read asks to create.
    Policy,
    /// The same signed request for a token, twice.
    Replay,
    /// The clock of object storage is ten minutes ahead.
    Skew,
    /// A job of another repository asks for what only this one may have, by an exchange.
    Stranger(fn() -> String),
    /// A token of Vault asks for the neighbour's secret.
    Neighbour,
}

/// All rows, in order.
pub(super) fn all() -> Vec<Refusal> {
    vec![
        Refusal { name: "wrong audience, at Google", clause: "audience", bend: Bend::GoogleAudience },
        Refusal {
            name: "wrong audience, at OCI",
            clause: "audience",
            bend: Bend::Claim("aud", "https://somebody.else"),
        },
        Refusal {
            name: "wrong subject",
            clause: "subject",
            bend: Bend::Claim("sub", "repo:carnet-sandbox/other:ref:refs/heads/main"),
        },
        Refusal {
            name: "a stranger at the same issuer",
            clause: "claim-validation",
            bend: Bend::Claim("repository_owner_id", "66600000"),
        },
        Refusal { name: "expired", clause: "expired", bend: Bend::Expired },
        Refusal { name: "wrong key", clause: "signature", bend: Bend::Flaw(Flaw::WrongKey) },
        Refusal { name: "tampered", clause: "signature", bend: Bend::Flaw(Flaw::Tampered) },
        Refusal { name: "replayed signed request", clause: "replay", bend: Bend::Replay },
        Refusal { name: "clock skew", clause: "date", bend: Bend::Skew },
        Refusal { name: "denied by policy", clause: "policy", bend: Bend::Policy },
        Refusal { name: "another repository, at Entra", clause: "subject", bend: Bend::Stranger(clouds::entra) },
        Refusal { name: "another repository, at Vault", clause: "bound-claims", bend: Bend::Stranger(clouds::vault) },
        Refusal { name: "another repository, at AWS", clause: "condition", bend: Bend::Stranger(|| clouds::role("")) },
        Refusal { name: "the neighbour's secret, at Vault", clause: "policy", bend: Bend::Neighbour },
    ]
}

/// Plays a row: it passes when the cloud refuses it by that clause.
pub(super) async fn refuse(stage: &Stage, refusal: &Refusal) -> RefusalRow {
    let mut row = RefusalRow::new(refusal.name, refusal.clause);
    let before = stage.sandbox.world().decisions.count();
    let outcome = bend(stage, refusal.bend).await;
    stage.sandbox.clock().reset();
    stage.sandbox.clear_faults();
    row.told(outcome);
    row.decided(stage.last_refusal(before));
    row
}

/// Does the bent thing; the error is the refusal.
async fn bend(stage: &Stage, bend: Bend) -> Result<(), Error> {
    let good = MintRequest::new(Issuer::Github, oci::DOMAIN_URL);
    match bend {
        Bend::Claim(claim, value) => exchange(stage, &good.claim(claim, value)).await,
        Bend::Expired => {
            stage.put_token(TOKEN, &good)?;
            stage.sandbox.clock().advance(SignedDuration::from_hours(2));
            upst(stage).await.map(drop)
        }
        Bend::Flaw(flaw) => exchange(stage, &MintRequest { flaw: Some(flaw), ..good }).await,
        Bend::GoogleAudience => {
            let route = format!(
                "version = 1\n[route.demo]\nsource = \"github-actions\"\nthrough = [{{ gcp = {{ audience = \"{}\", \
                 subject_audience = \"https://somebody.else\" }} }}]\n",
                gcp::audience(gcp::GITHUB)
            );
            let context = stage.context(Some(("github", None)))?;
            stage::route(&route, &context)?.run(&context).await.map(drop).map_err(Error::from)
        }
        Bend::Policy => {
            let context = stage.context(None)?;
            let instance = instance(&context).await?;
            calls::make(Call::OciCreateBucket("not-allowed"), &context, &instance).await.map(drop)
        }
        Bend::Replay => replay(stage).await,
        Bend::Stranger(exchange) => stranger(stage, &exchange()).await,
        Bend::Neighbour => {
            let context = stage.context(Some(("github", None)))?;
            let text =
                format!("version = 1\n[route.demo]\nsource = \"github-actions\"\nthrough = [{}]\n", clouds::vault());
            let run = stage::route(&text, &context)?.run(&context).await.map_err(Error::from)?;
            calls::make(Call::VaultSecret(clouds::neighbours_secret()), &context, &run.credential).await.map(drop)
        }
        Bend::Skew => {
            let context = stage.context(None)?;
            let instance = instance(&context).await?;
            stage.sandbox.add_fault(Fault::new(FaultKind::Skew).service("oci-objectstorage"))?;
            calls::make(Call::OciListBuckets, &context, &instance).await.map(drop)
        }
    }
}

/// A job of another repository, with a token for whoever the exchange asks.
async fn stranger(stage: &Stage, exchange: &str) -> Result<(), Error> {
    let context = stage.context(None)?;
    let route = stage::route(&format!("version = 1\n[route.demo]\n{}\n", crossings::from_file(exchange)), &context)?;
    let audience = route.exchanges().first().and_then(|exchange| exchange.audience()).unwrap_or_default();
    let subject = "repo:carnet-sandbox/other:ref:refs/heads/main";
    let request = MintRequest::new(Issuer::Github, audience)
        .claim("sub", subject)
        .claim("repository", "carnet-sandbox/other")
        .claim("repository_owner", "carnet-sandbox");
    stage.put_token(TOKEN, &request)?;
    route.run(&context).await.map(drop).map_err(Error::from)
}

async fn exchange(stage: &Stage, request: &MintRequest) -> Result<(), Error> {
    stage.put_token(TOKEN, request)?;
    upst(stage).await.map(drop)
}

/// The exchange with OCI, without the audience in its configuration: the cloud is to refuse, not carnet.
async fn upst(stage: &Stage) -> Result<carnet_core::Credential, Error> {
    let context = stage.context(None)?;
    let exchange = crossings::upst().replace(&format!(", audience = \"{}\"", oci::DOMAIN_URL), "");
    let route = format!("version = 1\n[route.demo]\n{}\n", crossings::from_file(&exchange));
    let run = stage::route(&route, &context)?.run(&context).await.map_err(Error::from)?;
    Ok(run.credential)
}

async fn instance(context: &Context) -> Result<carnet_core::Credential, Error> {
    let route = stage::route("version = 1\n[route.demo]\nsource = \"oci-instance\"\n", context)?;
    Ok(route.run(context).await.map_err(Error::from)?.credential)
}

/// Whoever records a signed request on its way must not get a second token with it.
async fn replay(stage: &Stage) -> Result<(), Error> {
    let context = stage.context(None)?;
    let signer = OciSigner::new(&instance(&context).await?)?;
    let url = format!("{}/oauth2/v1/token", oci::DOMAIN_URL);
    let url = url.parse().map_err(|error| Error::internal(format!("read the URL {url}")).because(error))?;
    let mut request = Request::post_form(
        url,
        &[
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ("scope", "urn:opc:idm:__myscopes__"),
        ],
    )
    .header(header::ACCEPT, HeaderValue::from_static("application/json"));
    signer.sign(&mut request, Scope::Full, context.now())?;
    let first = context.http.send(request.clone()).await?;
    if !first.status.is_success() {
        return Err(Error::internal(format!("get the first token: HTTP {}", first.status.as_u16())));
    }
    let second = context.http.send(request).await?;
    if second.status.is_success() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Refused, "send a recorded request again").code(second.status.as_str()))
}
