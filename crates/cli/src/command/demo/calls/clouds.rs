//! Calls at Azure, Vault, AWS and the relying parties of the catalogue.

use carnet_core::{AccessToken, Context, Credential, Error, Material, Request, Response};
use carnet_sandbox::{aws, azure, infisical};
use carnet_sigv4::{Scope, sign};
use http::{HeaderName, HeaderValue, Method, header};
use serde_json::Value;

use super::{Called, parse, shown};

/// The version of Blob Storage's protocol.
const STORAGE_VERSION: &str = "2025-11-05";
/// The container that the demo writes into.
const CONTAINER: &str = "logs";

/// Writes a blob and lists those beside it.
pub(super) async fn azure_blobs(context: &Context, credential: &Credential) -> Result<Called, Error> {
    let token = access(credential)?;
    let container = format!("https://{}.blob.core.windows.net/{CONTAINER}", azure::ACCOUNT);
    let ask = |method, url: &str| -> Result<Request, Error> {
        let request = Request::new(method, parse(url)?)
            .header(HeaderName::from_static("x-ms-version"), HeaderValue::from_static(STORAGE_VERSION))
            .header(HeaderName::from_static("x-ms-blob-type"), HeaderValue::from_static("BlockBlob"));
        request.bearer(&token.token)
    };
    let put = ask(Method::PUT, &format!("{container}/from-demo.txt"))?.body("written by carnet demo");
    let response = context.http.send(put).await?;
    if !response.status.is_success() {
        return Err(refused("write a blob", &response));
    }
    let list = ask(Method::GET, &format!("{container}?restype=container&comp=list"))?;
    send(context, list, "list the blobs", |response| {
        let text = response.text().unwrap_or_default();
        Ok(between(text, "<Name>", "</Name>").join(", "))
    })
    .await
}

/// Reads a secret of the KV engine at `secret/`, with the token and at the server of the login.
pub(super) async fn vault_secret(context: &Context, credential: &Credential, path: &str) -> Result<Called, Error> {
    let address = credential.facts.get("address").map(String::as_str).unwrap_or_default();
    let mut token = HeaderValue::from_str(access(credential)?.token.expose())
        .map_err(|error| Error::internal("send the Vault token").because(error))?;
    token.set_sensitive(true);
    let request = Request::get(parse(&format!("{address}/v1/secret/data/{path}"))?)
        .header(HeaderName::from_static("x-vault-token"), token);
    send(context, request, "read the secret", |response| {
        let answer: Value = response.json("the secret")?;
        let secret = answer.pointer("/data/data").and_then(Value::as_object);
        // Names only: a secret is a secret in a demo, too.
        Ok(secret.map(|secret| secret.keys().cloned().collect::<Vec<_>>().join(", ")).unwrap_or_default())
    })
    .await
}

/// Reads a secret of the project, with the token and at the server of the login.
pub(super) async fn infisical_secret(context: &Context, credential: &Credential, name: &str) -> Result<Called, Error> {
    let address = credential.facts.get("address").map(String::as_str).unwrap_or_default();
    let place = format!("workspaceId={}&environment={}&secretPath=/", infisical::PROJECT, infisical::ENVIRONMENT);
    let url = parse(&format!("{address}/api/v3/secrets/raw/{name}?{place}"))?;
    let request = Request::get(url)
        .header(header::ACCEPT, HeaderValue::from_static("application/json"))
        .bearer(&access(credential)?.token)?;
    send(context, request, "read the secret", |response| {
        let answer: Value = response.json("the secret")?;
        // As with Vault's: its name only.
        Ok(answer.pointer("/secret/secretKey").and_then(Value::as_str).unwrap_or_default().to_owned())
    })
    .await
}

/// Lists the buckets of the account.
pub(super) async fn aws_buckets(context: &Context, credential: &Credential) -> Result<Called, Error> {
    let Material::AwsKeys(keys) = &credential.material else {
        return Err(Error::internal(format!("list AWS's buckets with a credential of kind {}", credential.kind())));
    };
    let url = parse(&format!("https://s3.{}.amazonaws.com/", aws::REGION))?;
    let scope = Scope { time: context.now(), region: aws::REGION, service: "s3" };
    let request = sign(Request::get(url), keys, &scope)?;
    send(context, request, "list the buckets", |response| {
        Ok(between(response.text().unwrap_or_default(), "<Name>", "</Name>").join(", "))
    })
    .await
}

/// Shows the token to the resource of a relying party, which says whose it is.
pub(super) async fn party(
    context: &Context,
    credential: &Credential,
    method: Method,
    url: &str,
) -> Result<Called, Error> {
    let request = Request::new(method, parse(url)?)
        .header(header::ACCEPT, HeaderValue::from_static("application/json"))
        .bearer(&access(credential)?.token)?;
    send(context, request, "show the token", |response| {
        let answer: Value = response.json("what the relying party says")?;
        Ok(answer.get("principal").and_then(Value::as_str).unwrap_or_default().to_owned())
    })
    .await
}

fn access(credential: &Credential) -> Result<&AccessToken, Error> {
    match &credential.material {
        Material::AccessToken(access) => Ok(access),
        _ => Err(Error::internal(format!("show a credential of kind {} as an access token", credential.kind()))),
    }
}

async fn send(
    context: &Context,
    request: Request,
    what: &str,
    answer: impl FnOnce(&Response) -> Result<String, Error>,
) -> Result<Called, Error> {
    let (method, url) = (request.method.to_string(), shown(&request.url));
    let response = context.http.send(request).await?;
    if !response.status.is_success() {
        return Err(refused(what, &response));
    }
    Ok(Called { method, url, status: response.status.as_u16(), answer: answer(&response)? })
}

fn refused(what: &str, response: &Response) -> Error {
    Error::refused(format!("{what}: HTTP {}", response.status.as_u16())).code(response.status.as_str()).clause("policy")
}

/// What stands between two tags, each time.
fn between<'t>(text: &'t str, start: &str, end: &str) -> Vec<&'t str> {
    text.split(start).skip(1).filter_map(|rest| rest.split_once(end)).map(|(found, _)| found).collect()
}
