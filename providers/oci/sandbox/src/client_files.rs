//! Files and variables that point Oracle's SDKs at the services.

use std::path::{Path, PathBuf};

use carnet_core::Error;
use carnet_sandbox_kit::Urls;
use jiff::SignedDuration;

use crate::{
    OciState,
    auth::{self, SessionGrant, resource_claims, session_jwk},
    compute::RESOURCES,
    imds, object_storage, seed,
};

/// The OCI configuration with the administrator's API key in its profile `DEFAULT`.
const CONFIG: &str = "oci/config";
const ADMIN_KEY: &str = "oci/admin.pem";
const FUNCTION_TOKEN: &str = "oci/function/rpst";
const FUNCTION_KEY: &str = "oci/function/private.pem";

/// Life of the function's token in the file. Nobody replaces it as the platform would, so it lasts a working day.
const FUNCTION_TOKEN_LIFETIME: SignedDuration = SignedDuration::from_hours(12);

/// The files; makes the administrator's and the function's key.
pub(crate) fn files(state: &OciState, folder: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>, Error> {
    let admin = state.admin_key()?;
    let function = state.compute().function_key()?;
    let config = format!(
        "[DEFAULT]\nuser={}\nfingerprint={}\nkey_file={}\ntenancy={}\nregion={}\n",
        seed::ADMIN_USER,
        admin.oci_fingerprint(),
        folder.join(ADMIN_KEY).display(),
        seed::TENANCY,
        seed::REGION,
    );
    let [resource, ..] = RESOURCES;
    let token = state.auth().mint_session(SessionGrant {
        service: auth::NAME,
        claims: resource_claims(resource),
        key: &session_jwk(&function.public_key()?, None),
        lifetime: FUNCTION_TOKEN_LIFETIME,
    })?;
    Ok(vec![
        (PathBuf::from(CONFIG), config.into_bytes()),
        // The label keeps Oracle's SDKs from warning about a key without one.
        (PathBuf::from(ADMIN_KEY), format!("{}OCI_API_KEY\n", admin.to_pkcs8_pem()?.expose()).into_bytes()),
        // Python's parser fails on a newline behind the token.
        (PathBuf::from(FUNCTION_TOKEN), token.expose().as_bytes().to_vec()),
        (PathBuf::from(FUNCTION_KEY), function.to_pkcs8_pem()?.expose().as_bytes().to_vec()),
    ])
}

/// The variables.
pub(crate) fn environment(urls: &Urls, folder: &Path) -> Vec<(String, String)> {
    let file = |name: &str| folder.join(name).display().to_string();
    let mut variables: Vec<(&str, String)> = vec![
        ("OCI_CONFIG_FILE", file(CONFIG)),
        ("OCI_CLI_CONFIG_FILE", file(CONFIG)),
        ("OCI_RESOURCE_PRINCIPAL_VERSION", "2.2".to_owned()),
        ("OCI_RESOURCE_PRINCIPAL_RPST", file(FUNCTION_TOKEN)),
        ("OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM", file(FUNCTION_KEY)),
        ("OCI_RESOURCE_PRINCIPAL_REGION", seed::REGION.to_owned()),
    ];
    let origin = |name: &str| urls.get(name).map(carnet_sandbox_kit::ServiceUrls::plain_origin);
    if let Some(imds) = origin(imds::NAME) {
        variables.push(("OCI_METADATA_BASE_URL", format!("{imds}/opc/v2")));
    }
    if let Some(auth) = origin(auth::NAME) {
        variables.push(("OCI_CLI_FEDERATION_ENDPOINT", format!("{auth}/v1/x509")));
        variables.push(("OCI_SDK_AUTH_CLIENT_REGION_URL", auth));
    }
    if let (Some(identity), Some(storage)) = (origin(crate::identity::NAME), origin(object_storage::NAME)) {
        let hosts = format!("oci_identity.IdentityClient={identity};oci_object_storage.ObjectStorageClient={storage}");
        variables.push(("TF_VAR_CLIENT_HOST_OVERRIDES", hosts));
    }
    variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
