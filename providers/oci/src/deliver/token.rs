//! `oci-token`: token and key as two files, for programs that load them themselves.

use std::sync::Arc;

use carnet_core::{
    BoxFuture, Context, Credential, Delivered, Delivery, DeliveryConfig, Error, Kind, Kinds, Mistake, NewFile, Secret,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::folder::{check_path, path, session};

/// Writes a session as two files of any name: the raw token without a newline, the key as PKCS#8 PEM. Both are complete before
/// the first is replaced, but they are replaced one after the other; `oci-profile` replaces them as one.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenDeliveryConfig {
    /// The file for the token. Absolute, or beginning with `~/`.
    pub token_file: String,
    /// The file for the private key. Absolute, or beginning with `~/`.
    pub key_file: String,
}

impl DeliveryConfig for TokenDeliveryConfig {
    const NAME: &'static str = "oci-token";
    const ABOUT: &'static str = "the session token and its private key as two files";
    const TAKES: Kinds = Kinds::of(&[Kind::OciSession]);

    fn build(self) -> Result<Arc<dyn Delivery>, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        check_path("token_file", &self.token_file, &mut mistakes);
        check_path("key_file", &self.key_file, &mut mistakes);
        if self.token_file == self.key_file {
            mistakes.push(Mistake::new("key_file", "must be another file than token_file"));
        }
        if mistakes.is_empty() {
            Ok(Arc::new(TokenFiles { token_file: self.token_file, key_file: self.key_file }))
        } else {
            Err(mistakes)
        }
    }
}

/// See [`TokenDeliveryConfig`].
#[derive(Debug)]
struct TokenFiles {
    token_file: String,
    key_file: String,
}

impl Delivery for TokenFiles {
    fn name(&self) -> &'static str {
        TokenDeliveryConfig::NAME
    }

    fn takes(&self) -> Kinds {
        TokenDeliveryConfig::TAKES
    }

    fn deliver<'a>(
        &'a self,
        context: &'a Context,
        credential: &'a Credential,
    ) -> BoxFuture<'a, Result<Delivered, Error>> {
        Box::pin(async move { self.write(context, credential) })
    }
}

impl TokenFiles {
    fn write(&self, context: &Context, credential: &Credential) -> Result<Delivered, Error> {
        let (session, key) = session(credential)?;
        let (token_file, key_file) = (path(context, &self.token_file)?, path(context, &self.key_file)?);
        context.files.replace(&[
            NewFile::new(&token_file, session.token.expose()),
            NewFile::new(&key_file, key.to_pkcs8_pem()?.expose()),
        ])?;
        let mut variables = vec![
            ("OCI_CLI_AUTH", "security_token".to_owned()),
            ("OCI_CLI_SECURITY_TOKEN_FILE", token_file.display().to_string()),
            ("OCI_CLI_KEY_FILE", key_file.display().to_string()),
            ("OCI_CLI_FINGERPRINT", key.oci_fingerprint()),
        ];
        variables.extend(session.tenancy.clone().map(|tenancy| ("OCI_CLI_TENANCY", tenancy)));
        variables.extend(session.region.clone().map(|region| ("OCI_CLI_REGION", region)));
        let environment = variables.into_iter().map(|(name, value)| (name.to_owned(), Secret::new(value))).collect();
        Ok(Delivered { environment, files: vec![token_file, key_file], ..Delivered::default() })
    }
}

#[cfg(test)]
mod tests {
    use carnet_core::{MemoryFiles, test_context};

    use super::*;
    use crate::testing;

    #[tokio::test]
    async fn token_and_key_are_written_raw() {
        let files = Arc::new(MemoryFiles::default());
        let context = Context { files: files.clone(), ..test_context() };
        let config = TokenDeliveryConfig { token_file: "~/upst".to_owned(), key_file: "/run/k.pem".to_owned() };
        let delivered = config.build().unwrap().deliver(&context, &testing::session()).await.unwrap();
        let carnet_core::Material::OciSession(session) = testing::session().material else { panic!("another kind") };
        assert_eq!(files.get("/home/user/upst").unwrap(), session.token.expose().as_bytes());
        assert_eq!(files.get("/run/k.pem").unwrap(), testing::pem(&testing::key()).as_bytes());
        let names: Vec<_> = delivered.environment.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "OCI_CLI_AUTH",
                "OCI_CLI_SECURITY_TOKEN_FILE",
                "OCI_CLI_KEY_FILE",
                "OCI_CLI_FINGERPRINT",
                "OCI_CLI_TENANCY",
                "OCI_CLI_REGION"
            ]
        );
    }

    #[test]
    fn refuses_relative_paths_and_one_file_for_both() {
        let fields = |token_file: &str, key_file: &str| {
            let config = TokenDeliveryConfig { token_file: token_file.to_owned(), key_file: key_file.to_owned() };
            config.build().unwrap_err().into_iter().map(|mistake| mistake.field).collect::<Vec<_>>()
        };
        assert_eq!(fields("a", "b"), ["token_file", "key_file"]);
        assert_eq!(fields("/a", "/a"), ["key_file"]);
    }
}
