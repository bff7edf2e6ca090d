//! A token file from which AWS's SDKs make the exchange themselves ("Assume role credential provider", SDKs and tools guide).

use std::{path::PathBuf, sync::Arc};

use carnet_core::{
    BoxFuture, Context, Credential, Delivered, Delivery, DeliveryConfig, Error, Kind, Kinds, Material, Mistake,
    NewFile, Secret,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::check_path;

/// The JWT in a file that is kept fresh, and the variables with which every AWS SDK finds it.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AwsWebIdentityFile {
    /// The token file.
    pub path: PathBuf,
    /// The role that the SDK assumes.
    pub role_arn: String,
    /// The name of the session. By default the SDK's.
    #[serde(default)]
    pub session_name: Option<String>,
    /// The region for the same programs.
    #[serde(default)]
    pub region: Option<String>,
}

impl DeliveryConfig for AwsWebIdentityFile {
    const NAME: &'static str = "aws-web-identity-file";
    const ABOUT: &'static str = "a token file from which AWS's SDKs assume a role themselves";
    const TAKES: Kinds = Kinds::of(&[Kind::Jwt]);

    fn build(self) -> Result<Arc<dyn Delivery>, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        check_path("path", &self.path, &mut mistakes);
        crate::config::check_role("role_arn", &self.role_arn, &mut mistakes);
        if let Some(name) = &self.session_name {
            crate::config::check_session_name("session_name", name, &mut mistakes);
        }
        crate::config::check_region(self.region.as_deref(), &mut mistakes);
        if mistakes.is_empty() { Ok(Arc::new(self)) } else { Err(mistakes) }
    }
}

impl Delivery for AwsWebIdentityFile {
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
                return Err(Error::internal(format!(
                    "write a credential of kind {} as a token file",
                    credential.kind()
                )));
            };
            // Without a newline: botocore sends every byte.
            context.files.replace(&[NewFile::new(&self.path, token.expose())])?;
            let path = self.path.display().to_string();
            let mut variables = vec![("AWS_WEB_IDENTITY_TOKEN_FILE", path.as_str()), ("AWS_ROLE_ARN", &self.role_arn)];
            variables.extend(self.session_name.iter().map(|name| ("AWS_ROLE_SESSION_NAME", name.as_str())));
            for name in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
                variables.extend(self.region.iter().map(|region| (name, region.as_str())));
            }
            let environment =
                variables.into_iter().map(|(name, value)| (name.to_owned(), Secret::new(value))).collect();
            Ok(Delivered { environment, files: vec![self.path.clone()], ..Delivered::default() })
        })
    }
}

#[cfg(test)]
mod tests {
    use carnet_core::ScriptedHttp;
    use serde_json::json;

    use super::*;
    use crate::testing::{ROLE, deliver, jwt, token_for, world};

    #[test]
    fn the_file_is_the_token_and_nothing_else() {
        let world = world(ScriptedHttp::default(), &[]);
        let section = json!({"path": "/run/t", "role_arn": ROLE});
        let done = deliver::<AwsWebIdentityFile>(section, &jwt(), &world).unwrap();
        assert_eq!(world.files.get("/run/t").unwrap(), token_for("sts.amazonaws.com").expose().as_bytes());
        assert_eq!(done.environment.len(), 2);
        assert_eq!(done.environment[1], ("AWS_ROLE_ARN".to_owned(), Secret::new(ROLE)));
    }

    #[test]
    fn rejects_arn_of_a_session() {
        let section = json!({"path": "/run/t", "role_arn": "arn:aws:sts::123456789012:assumed-role/R/s"});
        let built = serde_json::from_value::<AwsWebIdentityFile>(section).unwrap().build();
        assert_eq!(built.unwrap_err()[0].field, "role_arn");
    }
}
