//! What a Google library does with a credential file. Nothing here is shared with what wrote the file, so that a member with a
//! wrong meaning cannot pass: each is used as it stands there.

use std::path::PathBuf;

use carnet_core::{AccessToken, Context, Credential, Error, Material, Request, Response, Secret};
use serde_json::{Value, json};
use url::Url;

/// Largest file that is read, in bytes.
const MAX_FILE: usize = 1 << 16;
const CLOUD_PLATFORM: &str = "https://www.googleapis.com/auth/cloud-platform";

/// The access token of the service account that the file names: the subject token from its file, the token service, impersonation
/// (AIP-4117).
pub(super) async fn use_file(path: PathBuf, context: &Context) -> Result<Credential, Error> {
    let bytes = context.files.read(&path, MAX_FILE)?.ok_or_else(|| Error::internal("find the credential file"))?;
    let file: Value = serde_json::from_slice(bytes.expose())
        .map_err(|error| Error::internal("read the credential file as JSON").because(error))?;
    if text(&file, "/type")? != "external_account" {
        return Err(Error::internal("use the credential file: its type is not `external_account`"));
    }
    let subject_token = subject_token(&file, context)?;
    let form = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("audience", text(&file, "/audience")?),
        ("scope", CLOUD_PLATFORM),
        ("subject_token_type", text(&file, "/subject_token_type")?),
        ("subject_token", subject_token.expose()),
    ];
    let request = Request::post_form(url(&file, "/token_url")?, &form);
    let federated = member(&context.http.send(request).await?, "/access_token", "the token service")?;
    let request = Request::post_json(
        url(&file, "/service_account_impersonation_url")?,
        &json!({ "scope": [CLOUD_PLATFORM], "lifetime": "3600s" }),
    );
    let response = context.http.send(request.bearer(&federated)?).await?;
    let token = member(&response, "/accessToken", "the service account's credentials")?;
    Ok(Credential::new(Material::AccessToken(AccessToken { token, token_type: "Bearer".to_owned() })))
}

/// The subject token, in the form that the file says.
fn subject_token(file: &Value, context: &Context) -> Result<Secret, Error> {
    let path = PathBuf::from(text(file, "/credential_source/file")?);
    let bytes = context.files.read(&path, MAX_FILE)?.ok_or_else(|| Error::internal("find the subject token's file"))?;
    let malformed = || Error::internal("read the subject token: it is not in the form that the credential file says");
    match text(file, "/credential_source/format/type")? {
        "text" => std::str::from_utf8(bytes.expose()).map(Secret::new).map_err(|_not_text| malformed()),
        "json" => {
            let name = text(file, "/credential_source/format/subject_token_field_name")?;
            let token: Value = serde_json::from_slice(bytes.expose()).map_err(|_quotes_it| malformed())?;
            token.get(name).and_then(Value::as_str).map(Secret::new).ok_or_else(malformed)
        }
        _ => Err(malformed()),
    }
}

fn text<'a>(file: &'a Value, pointer: &str) -> Result<&'a str, Error> {
    file.pointer(pointer)
        .and_then(Value::as_str)
        .ok_or_else(|| Error::internal(format!("use the credential file: it has no text at {pointer}")))
}

fn url(file: &Value, pointer: &str) -> Result<Url, Error> {
    text(file, pointer)?
        .parse()
        .map_err(|error| Error::internal(format!("use the credential file: {pointer} is not a URL")).because(error))
}

/// A token in an answer.
fn member(response: &Response, pointer: &str, who: &str) -> Result<Secret, Error> {
    let answer: Value = response.json(who)?;
    if !response.status.is_success() {
        return Err(Error::refused(format!("use the credential file: {who} refused it")).code(response.status.as_str()));
    }
    let token = answer.pointer(pointer).and_then(Value::as_str);
    token.map(Secret::new).ok_or_else(|| Error::unreachable(format!("use the credential file: {who} gave no token")))
}

#[cfg(test)]
mod tests {
    use carnet_core::NewFile;
    use carnet_sandbox::{Issuer, MintRequest, gcp};

    use super::*;
    use crate::command::demo::{calls, stage::Stage};

    const IMPERSONATION: &str = "/service_account_impersonation_url";

    /// What becomes of a file with one member bent: the answer of a call with the token that it leads to.
    async fn with(stage: &Stage, pointer: &str, bent: Value) -> Result<(), Error> {
        let context = stage.context(None)?;
        let audience = gcp::audience(gcp::GITHUB);
        let token = stage.put_token("subject", &MintRequest::new(Issuer::Github, format!("https:{audience}")))?;
        let mut file = json!({
            "type": "external_account", "audience": audience,
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": "https://sts.googleapis.com/v1/token",
            "service_account_impersonation_url": format!(
                "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{}:generateAccessToken", gcp::READER
            ),
            "credential_source": { "file": token, "format": { "type": "text" } },
        });
        *file.pointer_mut(pointer).unwrap() = bent;
        let path = stage.folder().join("bent.json");
        context.files.replace(&[NewFile::new(&path, file.to_string())])?;
        let credential = use_file(path, &context).await?;
        calls::make(calls::Call::GoogleListBuckets, &context, &credential).await.map(drop)
    }

    #[tokio::test]
    async fn a_file_with_one_wrong_member_leads_nowhere() {
        let stage = Stage::open().await.unwrap();
        with(&stage, "/type", json!("external_account")).await.unwrap();
        let other = format!(
            "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{}:generateAccessToken",
            gcp::BUILDER
        );
        for (pointer, bent) in [
            ("/type", "authorized_user"),
            ("/audience", &*gcp::audience(gcp::ORACLE)),
            ("/subject_token_type", "urn:ietf:params:oauth:token-type:saml2"),
            ("/token_url", "https://sts.googleapis.com/v1/introspect"),
            (IMPERSONATION, &*other),
            (IMPERSONATION, "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/x:generateIdToken"),
            ("/credential_source/format/type", "json"),
            ("/credential_source/format/type", "xml"),
        ] {
            assert!(with(&stage, pointer, json!(bent)).await.is_err(), "{pointer} = {bent}");
        }
        stage.close().await;
    }
}
