//! What the demo's authority and agents must refuse. The authority tells callers little; its clause is in its audit log.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use carnet_core::{Context, Destination, Error, ErrorKind, Request, chain, safe_text};
use carnet_grpc::WorkloadApi;
use carnet_jose::{Algorithm, SigningKey};
use carnet_sandbox::{Flaw, Issuer, MintRequest};
use carnet_trust::Refusal;
use carnet_x509::RequestProfile;
use serde_json::Value;

use super::{
    crossings,
    domain::{AUDIENCE, DEPLOYMENT, Domain, OTHERS},
    identities,
    logins::{self, Mistake},
    report::RefusalRow,
    stage::{self, Stage, TOKEN},
    tokens::Misuse,
};

/// RFC 8693, 2.1 and 3.
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const X509_SVID: &str = "urn:carnet:token-type:x509-svid";
/// What the Workload API says to whom it has nothing for.
const NO_IDENTITY: &str = "no identity issued";

/// One row.
pub(super) struct Denial {
    pub(super) name: &'static str,
    clause: &'static str,
    bend: Bend,
}

/// What is bent.
#[derive(Clone, Copy)]
pub(super) enum Bend {
    /// The job's token is for somebody else.
    Audience,
    /// A claim of the job's token differs.
    Claim(&'static str, &'static str),
    /// The job's token has this flaw.
    Flaw(Flaw),
    /// A token that is good once, twice.
    Twice,
    /// A certificate request that names another identity than the rule gives.
    ForeignRequest,
    /// This process asks for the identity of another user's processes.
    OthersIdentity,
    /// A process on the pod's node that is in no pod.
    OutsideOfPod,
    /// A login by signed request.
    Login(Mistake),
    /// The use of an access token that a principal of OCI gets by this source and rule.
    Token { source: &'static str, rule: &'static str, misuse: Misuse },
}

impl Denial {
    /// What must be refused by this clause.
    pub(super) fn new(name: &'static str, clause: &'static str, bend: Bend) -> Self {
        Self { name, clause, bend }
    }
}

/// All rows, in order.
pub(super) fn all() -> Vec<Denial> {
    let denial = Denial::new;
    vec![
        denial("wrong audience, at the authority", "audience", Bend::Audience),
        denial("wrong repository claim", "claims", Bend::Claim("repository", "carnet-sandbox/other")),
        denial("expired, at the authority", "expired", Bend::Flaw(Flaw::Expired)),
        denial("forged signature", "signature", Bend::Flaw(Flaw::WrongKey)),
        denial("unknown kid", "key", Bend::Flaw(Flaw::UnknownKid)),
        denial("single-use token used twice", "single-use", Bend::Twice),
        denial("certificate request with a foreign SPIFFE ID", "csr-identity", Bend::ForeignRequest),
        denial("a process asks for the identity of another entry", "entry", Bend::OthersIdentity),
        denial("a process outside of the simulated pod", "entry", Bend::OutsideOfPod),
    ]
}

/// Plays a row: it passes when it is refused by that clause.
pub(super) async fn deny(stage: &Stage, denial: &Denial) -> RefusalRow {
    let mut row = RefusalRow::new(denial.name, denial.clause);
    match play(stage, denial, &mut row).await {
        Ok(decision) => row.decided(decision),
        Err(error) => row.error = Some(error),
    }
    row
}

/// The error is what keeps the row from being played.
async fn play(stage: &Stage, denial: &Denial, row: &mut RefusalRow) -> Result<Option<Refusal>, Error> {
    let domain = stage.domain().await?;
    let before = last_seq(&domain.refused_after(0).await?);
    let outcome = bend(stage, domain, denial.bend).await;
    domain.pod.enter()?;
    let decision = match (&outcome, denial.bend) {
        (Err(error), Bend::OthersIdentity | Bend::OutsideOfPod) => by_the_agent(error),
        _ => by_the_authority(&domain.refused_after(before).await?, denial.clause)?,
    };
    row.told(outcome);
    Ok(decision)
}

/// Does the bent thing; the error is the refusal.
async fn bend(stage: &Stage, domain: &Domain, bend: Bend) -> Result<(), Error> {
    let good = MintRequest::new(Issuer::Github, &domain.issuer);
    match bend {
        Bend::Audience => {
            let other = "https://somebody.else";
            let request = MintRequest::new(Issuer::Github, other);
            exchange(stage, &request, &format!(", subject_audience = \"{other}\"")).await
        }
        Bend::Claim(claim, value) => exchange(stage, &good.claim(claim, value), "").await,
        // A client of ours would not send it: one that does not look.
        Bend::Flaw(Flaw::Expired) => {
            let token = stage.sandbox.mint(&good.flaw(Flaw::Expired))?;
            ask(&stage.context(None)?, domain, &[("subject_token", &token), ("audience", AUDIENCE)]).await
        }
        Bend::Flaw(flaw) => exchange(stage, &good.flaw(flaw), "").await,
        Bend::Twice => {
            let request = good.claim("sub", DEPLOYMENT);
            exchange(stage, &request, "")
                .await
                .map_err(|error| Error::internal("use the token once").because(error))?;
            again(stage).await
        }
        Bend::ForeignRequest => {
            let token = stage.sandbox.mint(&good)?;
            let csr = foreign_request()?;
            let fields = [("subject_token", token.as_str()), ("requested_token_type", X509_SVID), ("csr", &csr)];
            ask(&stage.context(None)?, domain, &fields).await
        }
        Bend::OthersIdentity => fetch(domain.unix_agent(), Some(OTHERS)).await,
        Bend::OutsideOfPod => {
            domain.pod.leave()?;
            fetch(domain.pod_agent(), None).await
        }
        Bend::Login(mistake) => logins::mistaken(stage, domain, mistake).await,
        Bend::Token { source, rule, misuse } => logins::misuse(stage, domain, source, rule, misuse).await,
    }
}

async fn exchange(stage: &Stage, request: &MintRequest, more: &str) -> Result<(), Error> {
    stage.put_token(TOKEN, request)?;
    run(stage, more).await
}

/// The token that lies there already.
async fn again(stage: &Stage) -> Result<(), Error> {
    run(stage, "").await
}

async fn run(stage: &Stage, more: &str) -> Result<(), Error> {
    let context = stage.context(None)?;
    let exchange = identities::exchange("jwt-svid", more);
    let route = format!("version = 1\n[route.demo]\n{}\n", crossings::from_file(&exchange));
    stage::route(&route, &context)?.run(&context).await.map(drop).map_err(Error::from)
}

/// The token endpoint, without a client of ours that looks first.
async fn ask(context: &Context, domain: &Domain, fields: &[(&str, &str)]) -> Result<(), Error> {
    let url = format!("{}/oauth2/token", domain.issuer);
    let url = url.parse().map_err(|error| Error::internal("name the token endpoint").because(error))?;
    let mut form = vec![("grant_type", TOKEN_EXCHANGE), ("subject_token_type", JWT)];
    form.extend_from_slice(fields);
    let response = context.http.send(Request::post_form(url, &form).destination(Destination::Configured)).await?;
    if response.status.is_success() {
        return Ok(());
    }
    let answer: Value = response.json("the answer of the token endpoint")?;
    let text = |name: &str| safe_text(answer.get(name).and_then(Value::as_str).unwrap_or_default());
    Err(Error::new(ErrorKind::Refused, text("error_description")).code(text("error")))
}

/// A request (PKCS#10) of somebody who would like to be somebody else.
fn foreign_request() -> Result<String, Error> {
    let failed = || Error::internal("make a certificate request");
    let key = SigningKey::generate(Algorithm::Es256).map_err(|error| failed().because(error))?;
    let uri = vec![OTHERS.to_owned()];
    let request = RequestProfile { uri, ..RequestProfile::default() };
    let der = request.sign(&Arc::new(key)).map_err(|error| failed().because(error))?;
    Ok(URL_SAFE_NO_PAD.encode(der))
}

async fn fetch(agent: &str, spiffe_id: Option<&str>) -> Result<(), Error> {
    WorkloadApi::connect(agent).await?.fetch_jwt_svid(&[AUDIENCE], spiffe_id).await.map(drop)
}

/// The agent keeps no log of refusals: what it says is what there is.
fn by_the_agent(error: &Error) -> Option<Refusal> {
    let said = chain(error).into_iter().find(|said| said == NO_IDENTITY)?;
    let fix = error.hints().first().map_or_else(String::new, |hint| (*hint).to_owned());
    let code = error.provider_code().unwrap_or_default();
    Some(Refusal::new("entry", said, "an entry whose selectors this process has", code, fix))
}

/// The last refusal in these rows of the audit log.
///
/// # Errors
/// When it is by another clause.
fn by_the_authority(rows: &[Value], wanted: &'static str) -> Result<Option<Refusal>, Error> {
    let Some(record) = rows.last().and_then(|row| row.get("record")) else { return Ok(None) };
    let text = |pointer: &str| record.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let clause = text("/clause");
    if clause != wanted {
        return Err(Error::internal(format!(
            "fail by the clause {wanted}: the clause is {clause}, {}",
            text("/details/seen")
        )));
    }
    let [seen, need, code, fix] = ["seen", "wanted", "error", "fix"].map(|name| text(&format!("/details/{name}")));
    Ok(Some(Refusal::new(wanted, seen, need, code, fix)))
}

fn last_seq(rows: &[Value]) -> u64 {
    rows.last().and_then(|row| row.get("seq")?.as_u64()).unwrap_or_default()
}
