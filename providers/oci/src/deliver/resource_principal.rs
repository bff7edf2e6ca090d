//! `oci-resource-principal`: a session as a resource principal of version 2.2, the one form that every SDK reads again by
//! itself when the token ends.

use std::sync::Arc;

use carnet_core::{
    BoxFuture, Context, Credential, Delivered, Delivery, DeliveryConfig, Error, Kind, Kinds, Mistake, NewFile, Secret,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::folder::{REGION_HINT, check_path, needed, path, session};
use crate::regions::Region;

const TOKEN: &str = "rpst";
const KEY: &str = "private.pem";

/// Writes a session as a resource principal 2.2: `directory/current/{rpst,private.pem}`, replaced as one, and the variables that
/// point there. SDKs read both files again when the token has ended, so this suits long-running programs.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResourcePrincipalDeliveryConfig {
    /// The folder for the files. Absolute, or beginning with `~/`.
    pub directory: String,
    /// The region, if not that of the session.
    #[serde(default)]
    pub region: Option<String>,
}

impl DeliveryConfig for ResourcePrincipalDeliveryConfig {
    const NAME: &'static str = "oci-resource-principal";
    const ABOUT: &'static str =
        "files and variables of a resource principal, which every OCI SDK reads again by itself";
    const TAKES: Kinds = Kinds::of(&[Kind::OciSession]);

    fn build(self) -> Result<Arc<dyn Delivery>, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        check_path("directory", &self.directory, &mut mistakes);
        Region::check("region", self.region.as_ref(), &mut mistakes);
        if mistakes.is_empty() {
            Ok(Arc::new(ResourcePrincipal { directory: self.directory, region: self.region }))
        } else {
            Err(mistakes)
        }
    }
}

/// See [`ResourcePrincipalDeliveryConfig`].
#[derive(Debug)]
struct ResourcePrincipal {
    directory: String,
    region: Option<String>,
}

impl Delivery for ResourcePrincipal {
    fn name(&self) -> &'static str {
        ResourcePrincipalDeliveryConfig::NAME
    }

    fn takes(&self) -> Kinds {
        ResourcePrincipalDeliveryConfig::TAKES
    }

    fn deliver<'a>(
        &'a self,
        context: &'a Context,
        credential: &'a Credential,
    ) -> BoxFuture<'a, Result<Delivered, Error>> {
        Box::pin(self.write(context, credential))
    }
}

impl ResourcePrincipal {
    async fn write(&self, context: &Context, credential: &Credential) -> Result<Delivered, Error> {
        let (session, key) = session(credential)?;
        let region = match &self.region {
            Some(text) => Some(Region::resolve(context, text)?.identifier().to_owned()),
            None => session.region.clone(),
        };
        let region = needed(region.as_ref(), "the resource principal", "region", REGION_HINT)?;
        let directory = path(context, &self.directory)?;
        // Without a newline: Python takes every byte as part of the token.
        let new = [NewFile::new(TOKEN, session.token.expose()), NewFile::new(KEY, key.to_pkcs8_pem()?.expose())];
        context.files.replace_directory(&directory, &new).await?;
        let [token, key] = [TOKEN, KEY].map(|name| directory.join("current").join(name));
        let variables = [
            ("OCI_RESOURCE_PRINCIPAL_VERSION", "2.2".to_owned()),
            ("OCI_RESOURCE_PRINCIPAL_RPST", token.display().to_string()),
            ("OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM", key.display().to_string()),
            ("OCI_RESOURCE_PRINCIPAL_REGION", region),
            ("OCI_CLI_AUTH", "resource_principal".to_owned()),
        ];
        let environment = variables.into_iter().map(|(name, value)| (name.to_owned(), Secret::new(value))).collect();
        Ok(Delivered { environment, files: vec![token, key], ..Delivered::default() })
    }
}

#[cfg(test)]
mod tests {
    use carnet_core::test_context;

    use super::*;
    use crate::testing;

    #[tokio::test]
    async fn files_and_variables_are_those_that_the_sdks_read() {
        let files = Arc::new(carnet_core::MemoryFiles::default());
        let context = Context { files: files.clone(), ..test_context() };
        let config = ResourcePrincipalDeliveryConfig { directory: "/run/rp".to_owned(), region: None };
        let delivered = config.build().unwrap().deliver(&context, &testing::session()).await.unwrap();
        let shown: Vec<_> =
            delivered.environment.iter().map(|(name, value)| format!("{name}={}", value.expose())).collect();
        assert_eq!(
            shown,
            [
                "OCI_RESOURCE_PRINCIPAL_VERSION=2.2",
                "OCI_RESOURCE_PRINCIPAL_RPST=/run/rp/current/rpst",
                "OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM=/run/rp/current/private.pem",
                "OCI_RESOURCE_PRINCIPAL_REGION=us-ashburn-1",
                "OCI_CLI_AUTH=resource_principal",
            ]
        );
        let token = files.get("/run/rp/current/rpst").unwrap();
        assert_eq!(token.last().map(u8::is_ascii_alphanumeric), Some(true), "no newline");
        assert!(files.get("/run/rp/current/private.pem").unwrap().starts_with(b"-----BEGIN PRIVATE KEY-----\n"));
    }

    #[test]
    fn refuses_a_relative_folder() {
        let config = ResourcePrincipalDeliveryConfig { directory: "rp".to_owned(), region: None };
        assert_eq!(config.build().unwrap_err()[0].field, "directory");
    }

    #[test]
    fn rejects_a_region_that_is_none() {
        let region = Some("us ashburn!".to_owned());
        let config = ResourcePrincipalDeliveryConfig { directory: "/run/rp".to_owned(), region };
        assert_eq!(config.build().unwrap_err()[0].field, "region");
    }

    #[tokio::test]
    async fn refuses_a_session_whose_region_nobody_knows() {
        let mut credential = testing::session();
        if let carnet_core::Material::OciSession(session) = &mut credential.material {
            session.region = None;
        }
        let config = ResourcePrincipalDeliveryConfig { directory: "/run/rp".to_owned(), region: None };
        let error = config.build().unwrap().deliver(&test_context(), &credential).await.unwrap_err();
        assert!(error.to_string().contains("region"), "{error}");
    }
}
