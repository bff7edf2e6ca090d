//! What AWS's own clients need to find the sandbox: files and variables.

use std::path::{Path, PathBuf};

use carnet_core::Error;
use carnet_jose::KeyError;
use carnet_sandbox_kit::Urls;

use crate::{container, iam, imds, issuer, pods, roles_anywhere, s3, seed, state::State, sts};

/// Keys of the user that sets things up, as a profile of the shared credentials file.
const CREDENTIALS: &str = "aws/credentials";
const CONFIG: &str = "aws/config";

/// The credentials file with the profile `builder`, tokens of the service account for web identity and pod identity,
/// the authorization of the container endpoint (none with a newline at its end, because clients send them as they are),
/// and the public key of identity documents.
pub(crate) fn files(state: &State) -> Result<Vec<(PathBuf, Vec<u8>)>, Error> {
    let failed = |error: KeyError| Error::internal("make the files of AWS's clients").because(error);
    let web = issuer::service_account_token(state, seed::AUDIENCE).map_err(failed)?;
    let pod = issuer::service_account_token(state, seed::POD_AUDIENCE).map_err(failed)?;
    let document = state.keys.document().and_then(|key| key.public_pem()).map_err(failed)?;
    let credentials = format!(
        "[{}]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
        seed::USER,
        seed::ACCESS_KEY_ID,
        seed::SECRET_ACCESS_KEY
    );
    let config = format!("[default]\nregion = {0}\n\n[profile {1}]\nregion = {0}\n", seed::REGION, seed::USER);
    let files = [
        (CREDENTIALS, credentials),
        (CONFIG, config),
        ("aws/web-identity-token", web.expose().to_owned()),
        ("aws/eks-pod-identity-token", pod.expose().to_owned()),
        ("aws/container-authorization", seed::CONTAINER_TOKEN.to_owned()),
        ("aws/instance-identity.pem", document),
    ];
    Ok(files.into_iter().map(|(path, content)| (PathBuf::from(path), content.into_bytes())).collect())
}

/// Region, endpoints and files. Nothing here gives a client an identity but the metadata service.
pub(crate) fn environment(urls: &Urls, folder: &Path) -> Vec<(String, String)> {
    let mut variables = vec![
        ("AWS_REGION".to_owned(), seed::REGION.to_owned()),
        // boto3 reads only this one.
        ("AWS_DEFAULT_REGION".to_owned(), seed::REGION.to_owned()),
        ("AWS_SHARED_CREDENTIALS_FILE".to_owned(), folder.join(CREDENTIALS).to_string_lossy().into_owned()),
        ("AWS_CONFIG_FILE".to_owned(), folder.join(CONFIG).to_string_lossy().into_owned()),
    ];
    for (service, name) in [
        (sts::SERVICE, "AWS_ENDPOINT_URL_STS"),
        (iam::SERVICE, "AWS_ENDPOINT_URL_IAM"),
        (s3::SERVICE, "AWS_ENDPOINT_URL_S3"),
        (roles_anywhere::SERVICE, "AWS_ENDPOINT_URL_ROLESANYWHERE"),
        (pods::AUTH_SERVICE, "AWS_ENDPOINT_URL_EKS_AUTH"),
        (imds::SERVICE, "AWS_EC2_METADATA_SERVICE_ENDPOINT"),
    ] {
        if let Some(urls) = urls.get(service) {
            variables.push((name.to_owned(), urls.plain_origin()));
        }
    }
    variables
}

/// What a container task (`ecs`) or a pod with pod identity (`eks`) sees.
pub(crate) fn job_environment(state: &State, job: &str, urls: &Urls) -> Option<Result<Vec<(String, String)>, Error>> {
    let (service, path) = match job {
        "ecs" => (container::SERVICE, seed::CONTAINER_PATH),
        "eks" => (pods::SERVICE, "/v1/credentials"),
        _ => return None,
    };
    let origin = urls.get(service)?.plain_origin();
    let token = match job {
        "ecs" => Ok(seed::CONTAINER_TOKEN.to_owned()),
        _ => issuer::service_account_token(state, seed::POD_AUDIENCE)
            .map(|token| token.expose().to_owned())
            .map_err(|error| Error::internal("make the token of a pod").because(error)),
    };
    Some(token.map(|token| {
        vec![
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI".to_owned(), format!("{origin}{path}")),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN".to_owned(), token),
            ("AWS_REGION".to_owned(), seed::REGION.to_owned()),
            ("AWS_DEFAULT_REGION".to_owned(), seed::REGION.to_owned()),
        ]
    }))
}
