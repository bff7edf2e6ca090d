//! The token file of workload identity, and the variables beside it.

use std::{path::PathBuf, sync::Arc};

use carnet_core::{
    BoxFuture, Context, Credential, Delivered, Delivery, DeliveryConfig, Error, Kind, Kinds, Material, Mistake,
    NewFile, Secret,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::cloud::{AUTHORITY_VARIABLE, check_url};

/// The subject token in a file that every Azure library reads (`WorkloadIdentityCredential`), which makes the exchange itself. It
/// has no newline at its end, because the libraries send the file as it is. They read it again after ten minutes at most.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AzureTokenFile {
    /// The file. Folders that are missing are made, for the owner only.
    pub path: PathBuf,
    /// The tenant, for `AZURE_TENANT_ID`.
    pub tenant: String,
    /// The client id, for `AZURE_CLIENT_ID`.
    pub client_id: String,
    /// The authority, for `AZURE_AUTHORITY_HOST`; the libraries take https only. By default not set.
    #[serde(default)]
    pub authority: Option<String>,
}

impl DeliveryConfig for AzureTokenFile {
    const NAME: &'static str = "azure-token-file";
    const ABOUT: &'static str = "the token file and the variables that Azure's libraries read";
    const TAKES: Kinds = Kinds::of(&[Kind::Jwt]);

    fn build(self) -> Result<Arc<dyn Delivery>, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        if self.path.file_name().is_none() {
            mistakes.push(Mistake::new("path", "names no file"));
        }
        super::check_who(&self.tenant, &self.client_id, &mut mistakes);
        match self.authority.as_deref().map(|text| check_url("authority", text)) {
            Some(Ok(url)) if url.scheme() != "https" => {
                let mistake = Mistake::new("authority", "is not https, and the libraries refuse it");
                mistakes.push(mistake.hint("use https, on this machine too"));
            }
            Some(Err(mistake)) => mistakes.push(mistake),
            Some(Ok(_)) | None => {}
        }
        if mistakes.is_empty() { Ok(Arc::new(self)) } else { Err(mistakes) }
    }
}

impl Delivery for AzureTokenFile {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn takes(&self) -> Kinds {
        Self::TAKES
    }

    fn deliver<'a>(
        &'a self,
        context: &'a Context,
        credential: &'a Credential,
    ) -> BoxFuture<'a, Result<Delivered, Error>> {
        Box::pin(async move {
            let Material::Jwt(token) = &credential.material else {
                return Err(Error::internal(format!("write a token file of kind {}", credential.kind())));
            };
            context.files.replace(&[NewFile::new(&self.path, token.expose())])?;
            let path = self.path.to_string_lossy();
            let variables = [
                ("AZURE_FEDERATED_TOKEN_FILE", Some(&*path)),
                ("AZURE_TENANT_ID", Some(self.tenant.as_str())),
                ("AZURE_CLIENT_ID", Some(self.client_id.as_str())),
                (AUTHORITY_VARIABLE, self.authority.as_deref()),
            ];
            let environment = variables
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), Secret::new(value?))))
                .collect();
            Ok(Delivered { environment, files: vec![self.path.clone()], ..Delivered::default() })
        })
    }
}
