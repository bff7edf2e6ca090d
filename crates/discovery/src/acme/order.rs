//! One certificate, from the account to the chain.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use carnet_core::{Error, Secret, safe_text};
use carnet_jose::{Algorithm, SigningKey};
use carnet_x509::RequestProfile;
use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, ChallengeType, Identifier, NewAccount, NewOrder, Order,
    OrderStatus, RetryPolicy,
};
use url::Url;

use super::{Acme, http::Http};

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
    let mut tokens = Vec::new();
    let outcome = prove_and_finish(acme, &mut order, &mut tokens).await;
    let mut proofs = acme.lock_proofs();
    for token in tokens {
        proofs.remove(&token);
    }
    outcome
}

async fn prove_and_finish(acme: &Acme, order: &mut Order, tokens: &mut Vec<String>) -> Result<Secret, Error> {
    prove(acme, order, tokens).await?;
    let retries = RetryPolicy::new().timeout(PATIENCE);
    wait_for_proofs(order, &retries).await.map_err(|error| {
        error.hint("each of `domains` must lead to this process on port 80, from wherever the authority looks")
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
async fn prove(acme: &Acme, order: &mut Order, tokens: &mut Vec<String>) -> Result<(), Error> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.map_err(|error| failed("read what is to be proved", error))?;
        match authorization.status {
            AuthorizationStatus::Valid => continue,
            AuthorizationStatus::Pending => {}
            other => return Err(Error::refused(format!("prove a name to the authority: it is {other:?} already"))),
        }
        let mut challenge = authorization.challenge(ChallengeType::Http01).ok_or_else(|| {
            Error::refused("prove a name to the authority: it takes no `http-01`")
                .hint("names with a wildcard can be proved by DNS only, which is not offered here")
        })?;
        tokens.push(challenge.token.clone());
        acme.lock_proofs().insert(challenge.token.clone(), challenge.key_authorization().as_str().to_owned());
        challenge.set_ready().await.map_err(|error| failed("tell the authority that a proof is there", error))?;
    }
    Ok(())
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
    let account = NewAccount { contact: &[&contact], terms_of_service_agreed: true, only_return_existing: false };
    let (account, credentials) = builder()?
        .create(&account, acme.settings.directory_url.clone(), None)
        .await
        .map_err(|error| failed("make an ACME account", error))?;
    let json = serde_json::to_vec(&credentials)
        .map_err(|_no_more_to_say| Error::internal("write the ACME account as JSON"))?;
    acme.write_account(json)?;
    Ok(account)
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
