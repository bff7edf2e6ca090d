//! An access token in a variable.

use std::sync::Arc;

use carnet_core::{
    BoxFuture, Context, Credential, Delivered, Delivery, DeliveryConfig, Error, Kind, Kinds, Material, Mistake, Output,
    is_variable_name,
};
use schemars::JsonSchema;
use serde::Deserialize;

/// The access token in a variable, for `curl` and scripts; as an `export` line on standard output. (Azure's libraries take no
/// access token from the environment: for them there is `azure-token-file`.)
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AzureEnv {
    /// The variable. By default `AZURE_ACCESS_TOKEN`.
    #[serde(default)]
    pub variable: Option<String>,
}

impl DeliveryConfig for AzureEnv {
    const NAME: &'static str = "azure-env";
    const ABOUT: &'static str = "the access token in a variable";
    const TAKES: Kinds = Kinds::of(&[Kind::AccessToken]);

    fn build(self) -> Result<Arc<dyn Delivery>, Vec<Mistake>> {
        if self.variable.as_deref().is_some_and(|name| !is_variable_name(name)) {
            return Err(vec![Mistake::new("variable", "is not the name of a variable")]);
        }
        Ok(Arc::new(self))
    }
}

impl Delivery for AzureEnv {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn takes(&self) -> Kinds {
        Self::TAKES
    }

    fn output(&self) -> Output {
        Output::Exports
    }

    fn deliver<'a>(
        &'a self,
        _context: &'a Context,
        credential: &'a Credential,
    ) -> BoxFuture<'a, Result<Delivered, Error>> {
        Box::pin(async move {
            let Material::AccessToken(access) = &credential.material else {
                return Err(Error::internal(format!("put a credential of kind {} into a variable", credential.kind())));
            };
            let name = self.variable.clone().unwrap_or_else(|| "AZURE_ACCESS_TOKEN".to_owned());
            let environment = vec![(name, access.token.clone())];
            Ok(Delivered { output: Some(super::export_lines(&environment)), environment, ..Delivered::default() })
        })
    }
}
