//! Logins by signed request: principals of OCI and AWS to access tokens of the demo's authority and to Infisical, the lives of
//! these tokens, and what is refused.

use std::sync::Arc;

use carnet_core::{Clock, Context, Credential, Destination, Error, ErrorKind, Request, safe_text};
use carnet_oci::login::sign_login;
use carnet_sandbox::{aws, infisical, oci};
use http::HeaderValue;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    bent::Bent,
    calls::Call,
    crossings::{Crossing, Shown},
    denials::{Bend, Denial},
    domain::{AUDIENCE, AUTHORITY, AWS_RULE, Domain, INSTANCE_RULES, POD_RULE, USER_RULES},
    engine,
    stage::{self, Stage},
    tokens::{self, Life, Misuse},
};

/// The user, by the key of the profile `DEFAULT`, and the instance.
const USER: &str = "source = \"oci-config\"";
const INSTANCE: &str = "source = \"oci-instance\"";
/// The machine of AWS.
const MACHINE: &str = "source = { aws-identity = { place = \"instance\" } }";
/// A secret of Infisical's project.
const SECRET: &str = "DB_URL";

/// All rows, in order.
pub(super) fn all() -> Vec<Crossing> {
    let (by_user, by_instance) = (USER_RULES, INSTANCE_RULES);
    let row = |name, source: &str, rule: &str, life| {
        let principal = if source == INSTANCE { "/oci/instance" } else { "/oci/user" };
        Crossing::new(name, login(source, rule), principal, Shown::ResourceServer(life))
    };
    let secret = Call::InfisicalSecret(SECRET);
    vec![
        row("OCI user to an access token, counted down", USER, by_user.counted, Life::CountedDown),
        row("OCI instance to an access token, counted down", INSTANCE, by_instance.counted, Life::CountedDown),
        row("OCI user's access token in its network", USER, by_user.network, Life::Here),
        row("OCI instance's access token in its network", INSTANCE, by_instance.network, Life::Here),
        row("OCI user's access token, renewed", USER, by_user.renewable, Life::Renewed),
        row("OCI instance's access token, renewed", INSTANCE, by_instance.renewable, Life::Renewed),
        row("OCI instance to a stateless access token", INSTANCE, by_instance.stateless, Life::Used),
        Crossing::new("OKE pod to an access token", of_pod(), "/oke/admin", Shown::ResourceServer(Life::Used))
            .within(engine::CLUSTER, engine::ADMIN),
        Crossing::new("AWS machine to an access token", from_aws(), "/aws/machine", Shown::ResourceServer(Life::Used)),
        Crossing::new("OCI user to Infisical to a secret", to_infisical("oci", USER), infisical::IDENTITY, secret),
        Crossing::new(
            "OKE pod to Infisical to a secret",
            pod_to_infisical(infisical::AUDIENCE),
            infisical::IDENTITY,
            secret,
        )
        .within(engine::CLUSTER, engine::ADMIN),
    ]
}

/// What Infisical must refuse.
pub(super) fn bent() -> Vec<Bent> {
    let call = Call::InfisicalSecret(SECRET);
    let elsewhere = pod_to_infisical("https://somebody.else");
    vec![
        Bent::new(
            Crossing::new("a pod's token for another party, at Infisical", elsewhere, "", call)
                .within(engine::CLUSTER, engine::ADMIN),
            "review",
        ),
        Bent::new(
            Crossing::new("an AWS machine that is not allowed, at Infisical", aws_to_infisical(), "", call),
            "principal",
        ),
    ]
}

/// What the authority must refuse.
pub(super) fn denials() -> Vec<Denial> {
    let login = |name, clause, mistake| Denial::new(name, clause, Bend::Login(mistake));
    let token = |name, clause, source, rule, misuse| Denial::new(name, clause, Bend::Token { source, rule, misuse });
    let (user, instance) = (USER_RULES, INSTANCE_RULES);
    vec![
        token("OCI user's access token, used once more", "uses", USER, user.counted, Misuse::OnceMore),
        token("OCI instance's access token, used once more", "uses", INSTANCE, instance.counted, Misuse::OnceMore),
        token("OCI user's access token in a foreign network", "network", USER, user.network, Misuse::Elsewhere),
        token(
            "OCI instance's access token in a foreign network",
            "network",
            INSTANCE,
            instance.network,
            Misuse::Elsewhere,
        ),
        token("OCI user's access token after its renewal", "revoked", USER, user.renewable, Misuse::AfterRenewal),
        token(
            "OCI instance's access token after its renewal",
            "revoked",
            INSTANCE,
            instance.renewable,
            Misuse::AfterRenewal,
        ),
        token("OCI user's access token, revoked", "revoked", USER, user.renewable, Misuse::Revoked),
        token("OCI instance's access token, revoked", "revoked", INSTANCE, instance.renewable, Misuse::Revoked),
        token("a stateless access token, revoked", "revoked", INSTANCE, instance.stateless, Misuse::Revoked),
        login("a login by signed request, recorded and sent again", "replay", Mistake::Replay),
        login("a login by signed request for another authority", "audience", Mistake::Audience),
        login("a login by signed request for another rule", "rule", Mistake::Rule),
        login("a login by signed request, sent for another host", "host", Mistake::Host),
        login("a login by signed request of six minutes ago", "date", Mistake::Old),
        login("a login in the name of somebody else", "signer", Mistake::OtherUser),
        login("a login by signed request, bent on its way", "signature", Mistake::Bent),
    ]
}

/// What is wrong with a login of the user.
#[derive(Clone, Copy)]
pub(super) enum Mistake {
    /// It was used before.
    Replay,
    /// It was signed for somebody else.
    Audience,
    /// It was signed for a rule that is not its own.
    Rule,
    /// Its host is none of Oracle's.
    Host,
    /// Its date is six minutes ago.
    Old,
    /// It names a user who has not signed it.
    OtherUser,
    /// Its signed nonce is another.
    Bent,
}

/// Logs in with the mistake; the error is the refusal.
pub(super) async fn mistaken(stage: &Stage, domain: &Domain, mistake: Mistake) -> Result<(), Error> {
    let mut context = stage.context(None)?;
    let route = stage::route(&format!("version = 1\n[route.demo]\n{USER}\n"), &context)?;
    let user = route.run(&context).await.map_err(Error::from)?.credential;
    let mut audience = format!("{}#{}", domain.issuer, USER_RULES.renewable);
    match mistake {
        Mistake::Audience => "https://somebody.else".clone_into(&mut audience),
        Mistake::Rule => audience = format!("{}#{}", domain.issuer, INSTANCE_RULES.renewable),
        Mistake::Old => context.clock = Arc::new(Late(context.now())),
        _ => {}
    }
    let mut login = signed(&context, &user, &audience)?;
    let mut set = |pointer: &str, value: &str| {
        if let Some(place) = login.pointer_mut(pointer) {
            *place = json!(value);
        }
    };
    match mistake {
        Mistake::Host => set("/headers/host", "identity.somebody.else"),
        Mistake::OtherUser => set("/user", oci::SERVICE_USER),
        Mistake::Bent => set("/headers/x-carnet-nonce", "0000000000000000"),
        _ => {}
    }
    if matches!(mistake, Mistake::Replay) {
        let first = send(&context, domain, &login).await;
        first.map_err(|error| Error::internal("log in the first time").because(error))?;
    }
    send(&context, domain, &login).await
}

/// Gets a token by this source and rule and misuses it; the error is the refusal.
pub(super) async fn misuse(
    stage: &Stage,
    domain: &Domain,
    source: &str,
    rule: &str,
    misuse: Misuse,
) -> Result<(), Error> {
    let context = stage.context(None)?;
    let route = login(source, rule);
    let route = stage::route(&format!("version = 1\n[route.demo]\n{route}\n"), &context)?;
    let run = route.run(&context).await;
    let token = run.map_err(|failure| Error::internal("get an access token").because(Error::from(failure)))?.credential;
    tokens::misuse(domain, &context, &token, misuse).await
}

/// A clock that stands six minutes before this time.
#[derive(Debug)]
struct Late(Timestamp);

impl Clock for Late {
    fn now(&self) -> Timestamp {
        self.0.saturating_sub(SignedDuration::from_mins(6)).unwrap_or(self.0)
    }
}

/// The login as JSON, and what is wanted.
fn signed(context: &Context, user: &Credential, audience: &str) -> Result<Value, Error> {
    let login = sign_login(context, user, audience, Some(oci::REGION))?;
    let mut login = serde_json::to_value(login).map_err(|error| Error::internal("write a login").because(error))?;
    if let Some(members) = login.as_object_mut() {
        members.insert("audience".to_owned(), json!([AUDIENCE]));
    }
    Ok(login)
}

async fn send(context: &Context, domain: &Domain, login: &Value) -> Result<(), Error> {
    let url = format!("{}/v1/auth/oci/login", domain.issuer);
    let url = url.parse().map_err(|error| Error::internal("name the login").because(error))?;
    let request = Request::post_json(url, login)
        .header(http::header::ACCEPT, HeaderValue::from_static("application/json"))
        .destination(Destination::Configured);
    let response = context.http.send(request).await?;
    if response.status.is_success() {
        return Ok(());
    }
    let answer: Value = response.json("the answer to the login")?;
    let text = |name: &str| safe_text(answer.get(name).and_then(Value::as_str).unwrap_or_default());
    Err(Error::new(ErrorKind::Refused, text("error_description")).code(text("error")))
}

/// The login at the authority by this rule, with what the source finds.
fn login(source: &str, rule: &str) -> String {
    login_with(source, rule, "")
}

fn login_with(source: &str, rule: &str, more: &str) -> String {
    format!(
        "{source}\nthrough = [{{ carnet = {{ url = \"${{{AUTHORITY}}}\", audience = \"{AUDIENCE}\", rule = \"{rule}\"{more} }} }}]"
    )
}

fn of_pod() -> String {
    login(&engine::session(), POD_RULE)
}

fn from_aws() -> String {
    let more = format!(", account = \"{}\", region = \"{}\"", infisical::AWS_ACCOUNT, aws::REGION);
    login_with(MACHINE, AWS_RULE, &more)
}

fn aws_to_infisical() -> String {
    to_infisical(&format!("aws\", region = \"{}", aws::REGION), MACHINE)
}

fn pod_to_infisical(audience: &str) -> String {
    engine::account(&infisical("kubernetes", &format!(", audience = \"{audience}\"")))
}

fn to_infisical(method: &str, source: &str) -> String {
    format!("{source}\nthrough = [{}]", infisical(method, ""))
}

fn infisical(method: &str, more: &str) -> String {
    format!("{{ infisical = {{ method = \"{method}\", identity_id = \"{}\"{more} }} }}", infisical::IDENTITY)
}
