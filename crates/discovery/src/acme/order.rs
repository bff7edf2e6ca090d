//! One certificate, from the account to the chain.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use carnet_core::{Error, Secret, safe_text};
use carnet_jose::{Algorithm, SigningKey};
use carnet_x509::RequestProfile;
use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, ChallengeHandle, ChallengeType, Identifier, NewAccount, NewOrder,
    Order, OrderStatus, RetryPolicy,
};
use url::Url;

use super::{
    Acme, AcmeChallenge,
    http::Http,
    proofs::{self, Placed},
};

/// How long the authority may take to look at the proofs, and to sign.
const PATIENCE: Duration = Duration::from_mins(2);
/// Largest file of roots, in bytes.
const MAX_ROOTS: usize = 1 << 20;

/// A certificate chain and its key in PEM.
pub(super) async fn certificate(acme: &Acme) -> Result<Secret, Error> {
    let account = account(acme).await?;
    let names: Vec<Identifier> = acme.settings.domains.iter().cloned().map(Identifier::Dns).collect();
    let mut order =
        account.new_order(&NewOrder::new(&names)).await.map_err(|error| failed("order a certificate", error))?;
    let mut placed = Vec::new();
    let outcome = prove_and_finish(acme, &mut order, &mut placed).await;
    let mut proofs = acme.lock_proofs();
    for one in &placed {
        proofs.withdraw(one);
    }
    outcome
}

async fn prove_and_finish(acme: &Acme, order: &mut Order, placed: &mut Vec<Placed>) -> Result<Secret, Error> {
    prove(acme, order, placed).await?;
    let retries = RetryPolicy::new().timeout(PATIENCE);
    wait_for_proofs(order, &retries).await.map_err(|error| {
        error.hint(match acme.settings.challenge {
            AcmeChallenge::Http01(_) => {
                "each of `domains` must lead to this process on port 80, from wherever the authority looks"
            }
            AcmeChallenge::TlsAlpn01 => {
                "each of `domains` must lead to this process on port 443, with nothing before it that ends TLS"
            }
        })
    })?;
    let (key, request) = new_request(acme)?;
    order.finalize_csr(&request).await.map_err(|error| failed("ask for the certificate", error))?;
    let chain = order.poll_certificate(&retries).await.map_err(|error| failed("fetch the certificate", error))?;
    let key = key.to_pkcs8_pem().map_err(|error| Error::internal("write the key of a certificate").because(error))?;
    Ok(Secret::new(format!("{}\n{}", chain.trim_end(), key.expose())))
}

async fn wait_for_proofs(order: &mut Order, retries: &RetryPolicy) -> Result<(), Error> {
    let what = "prove to the authority that the names are ours";
    let status = order.poll_ready(retries).await.map_err(|error| failed(what, error))?;
    if status == OrderStatus::Ready {
        return Ok(());
    }
    let why = reason(order).await;
    Err(Error::refused(what).because(Error::refused(why)))
}

/// Puts a proof in place for each name that is not proved yet, and says so.
async fn prove(acme: &Acme, order: &mut Order, placed: &mut Vec<Placed>) -> Result<(), Error> {
    let kind = match acme.settings.challenge {
        AcmeChallenge::Http01(_) => ChallengeType::Http01,
        AcmeChallenge::TlsAlpn01 => ChallengeType::TlsAlpn01,
    };
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.map_err(|error| failed("read what is to be proved", error))?;
        match authorization.status {
            AuthorizationStatus::Valid => continue,
            AuthorizationStatus::Pending => {}
            other => return Err(Error::refused(format!("prove a name to the authority: it is {other:?} already"))),
        }
        let mut challenge = authorization.challenge(kind.clone()).ok_or_else(|| {
            let name = acme.settings.challenge.name();
            Error::refused(format!("prove a name to the authority: it takes no `{name}`")).hint(
                "take the other challenge; names with a wildcard can be proved by DNS only, which is not offered here",
            )
        })?;
        placed.push(place(acme, &challenge)?);
        challenge.set_ready().await.map_err(|error| failed("tell the authority that a proof is there", error))?;
    }
    Ok(())
}

fn place(acme: &Acme, challenge: &ChallengeHandle<'_>) -> Result<Placed, Error> {
    let authorization = challenge.key_authorization();
    match acme.settings.challenge {
        AcmeChallenge::Http01(_) => Ok(acme.lock_proofs().place_token(&challenge.token, &authorization)),
        AcmeChallenge::TlsAlpn01 => {
            let Identifier::Dns(name) = challenge.identifier().identifier else {
                return Err(Error::refused("prove to the authority what is no host name"));
            };
            let proof = proofs::certificate(name, &authorization, acme.context.now())?;
            Ok(acme.lock_proofs().place_name(name, proof))
        }
    }
}

/// What the authority found wrong, from its authorizations.
async fn reason(order: &mut Order) -> String {
    let mut authorizations = order.authorizations();
    while let Some(Ok(authorization)) = authorizations.next().await {
        let problem = authorization.challenges.iter().find_map(|challenge| challenge.error.as_ref());
        if let Some(problem) = problem {
            return safe_text(&problem.to_string());
        }
    }
    "it did not say why".to_owned()
}

/// A new key for each certificate, and the request for it.
fn new_request(acme: &Acme) -> Result<(Arc<SigningKey>, Vec<u8>), Error> {
    let wrong = |error: String| Error::internal("make the request for a certificate").because(Error::internal(error));
    let key = Arc::new(SigningKey::generate(Algorithm::Es256).map_err(|error| wrong(error.0))?);
    let profile = RequestProfile { dns: acme.settings.domains.clone(), ..RequestProfile::default() };
    let request = profile.sign(&key).map_err(|error| wrong(error.0))?;
    Ok((key, request))
}

/// The account of the cache, or a new one.
async fn account(acme: &Acme) -> Result<Account, Error> {
    let builder = || Ok::<_, Error>(Account::builder_with_http(Box::new(client(acme)?)));
    if let Some(json) = acme.read_account()? {
        let credentials: AccountCredentials = serde_json::from_slice(json.expose()).map_err(|_may_quote_the_key| {
            Error::configuration("read the ACME account in the cache").hint("remove the file; a new account is made")
        })?;
        return builder()?.from_credentials(credentials).await.map_err(|error| failed("use the ACME account", error));
    }
    let contact = format!("mailto:{}", acme.settings.email);
    let external = acme.settings.external_account.as_ref().map(|external| external.read(&acme.context)).transpose()?;
    let account = NewAccount { contact: &[&contact], terms_of_service_agreed: true, only_return_existing: false };
    let (account, credentials) = builder()?
        .create(&account, acme.settings.directory_url.clone(), external.as_ref())
        .await
        .map_err(|error| refused_account(failed("make an ACME account", error), acme))?;
    let json = serde_json::to_vec(&credentials)
        .map_err(|_no_more_to_say| Error::internal("write the ACME account as JSON"))?;
    acme.write_account(json)?;
    Ok(account)
}

/// What to do where an authority gives accounts to those only that have one already (RFC 8555, 7.3.4).
fn refused_account(error: Error, acme: &Acme) -> Error {
    let wanted = error.provider_code().is_some_and(|code| code.ends_with(":externalAccountRequired"));
    match &acme.settings.external_account {
        None if wanted => {
            error.hint("set `external_account` to the key identifier and the HMAC key that the authority gave")
        }
        Some(external) => error.hint(format!(
            "look at `external_account`: {} must be the key of the identifier {}",
            external.key_file.display(),
            safe_text(&external.key_id)
        )),
        None => error,
    }
}

fn client(acme: &Acme) -> Result<Http, Error> {
    let url = Url::parse(&acme.settings.directory_url)
        .map_err(|error| Error::configuration("read the URL of the ACME directory").because(error))?;
    let ca_pem = match &acme.settings.ca_file {
        None => None,
        Some(path) => {
            let found = acme.context.files.read(path, MAX_ROOTS)?;
            let found =
                found.ok_or_else(|| Error::configuration(format!("read {}: it does not exist", path.display())))?;
            Some(Bytes::copy_from_slice(found.expose()))
        }
    };
    Ok(Http { send: Arc::clone(&acme.context.http), origin: url.origin(), ca_pem })
}

fn failed(what: &str, error: instant_acme::Error) -> Error {
    match error {
        instant_acme::Error::Api(problem) => {
            let code = problem.r#type.as_deref().map(safe_text).unwrap_or_default();
            Error::refused(what).because(Error::refused(safe_text(&problem.to_string()))).code(code)
        }
        // An answer is quoted in the message of the parser.
        instant_acme::Error::Json(_) => {
            Error::unreachable(what).because(Error::unreachable("the answer is not what ACME has there"))
        }
        other => Error::unreachable(what).because(other),
    }
}
