//! A credential as a raw token, a file, variables, a header, JSON or PEM.

mod json;
mod pem;
mod shell;
mod x509;

use std::{path::PathBuf, sync::Arc};

use carnet_core::{
    BoxFuture, Context, Credential, Delivered, Delivery, DeliveryConfig, Error, Kind, Kinds, Material, Mistake,
    NewFile, Output, Secret, SecretBytes, check_token, is_variable_name,
};
use schemars::JsonSchema;
use serde::Deserialize;

pub use self::json::Json;
pub(crate) use self::shell::export_lines;
pub use self::x509::X509Files;

/// What has a token that means something by itself.
const BEARERS: Kinds = Kinds::of(&[Kind::AccessToken, Kind::Jwt]);

/// The token and the word before it in an `Authorization` header. Whatever gave the token has checked it; this is the last place
/// where a line break in it can be kept from becoming another header or another command.
fn bearer(credential: &Credential) -> Result<(&Secret, &str), Error> {
    let (token, word) = match &credential.material {
        Material::AccessToken(access) => (&access.token, access.token_type.as_str()),
        Material::Jwt(token) => (token, "Bearer"),
        _ => {
            return Err(Error::internal(format!("deliver a credential of kind {} as a token", credential.kind())));
        }
    };
    check_word("the token", token)?;
    if word.is_empty() || !word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) {
        return Err(Error::internal("deliver the token: its type is not one word of letters and digits"));
    }
    Ok((token, word))
}

fn check_word(what: &str, value: &Secret) -> Result<(), Error> {
    check_token(value).map_err(|wrong| {
        Error::internal(format!("deliver {what}: {wrong}"))
            .hint("it came that way from the last step of the route: look at what answers there")
    })
}

/// The raw token on standard output, without a newline.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenOutput {}

impl DeliveryConfig for TokenOutput {
    const NAME: &'static str = "token";
    const ABOUT: &'static str = "the raw token on standard output";
    const TAKES: Kinds = BEARERS;

    fn build(self) -> Result<Arc<dyn Delivery>, Vec<Mistake>> {
        Ok(Arc::new(self))
    }
}

impl Delivery for TokenOutput {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn takes(&self) -> Kinds {
        Self::TAKES
    }

    fn output(&self) -> Output {
        Output::Whole
    }

    fn deliver<'a>(
        &'a self,
        _context: &'a Context,
        credential: &'a Credential,
    ) -> BoxFuture<'a, Result<Delivered, Error>> {
        Box::pin(async move {
            let (token, _) = bearer(credential)?;
            Ok(Delivered { output: Some(SecretBytes::new(token.expose())), ..Delivered::default() })
        })
    }
}

/// The raw token in a file of mode 0600, replaced whole, without a newline: some readers do not trim.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenFile {
    /// The file. Folders that are missing are made, for the owner only.
    pub path: PathBuf,
    /// A variable that names the file to the child of `carnet run`, for instance `AWS_WEB_IDENTITY_TOKEN_FILE`.
    #[serde(default)]
    pub variable: Option<String>,
}

impl DeliveryConfig for TokenFile {
    const NAME: &'static str = "token-file";
    const ABOUT: &'static str = "the raw token in a file";
    const TAKES: Kinds = BEARERS;

    fn build(self) -> Result<Arc<dyn Delivery>, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        if self.path.file_name().is_none() {
            mistakes.push(Mistake::new("path", "names no file"));
        }
        if self.variable.as_deref().is_some_and(|name| !is_variable_name(name)) {
            mistakes.push(Mistake::new("variable", "is not the name of a variable"));
        }
        if mistakes.is_empty() { Ok(Arc::new(self)) } else { Err(mistakes) }
    }
}

impl Delivery for TokenFile {
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
            let (token, _) = bearer(credential)?;
            context.files.replace(&[NewFile::new(&self.path, token.expose())])?;
            let path = Secret::new(self.path.to_string_lossy());
            let environment = self.variable.iter().map(|name| (name.clone(), path.clone())).collect();
            Ok(Delivered { environment, files: vec![self.path.clone()], ..Delivered::default() })
        })
    }
}

/// The header `Authorization: Bearer TOKEN` on standard output, without a newline; for instance for `curl -H @-`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Header {}

impl DeliveryConfig for Header {
    const NAME: &'static str = "header";
    const ABOUT: &'static str = "an Authorization header on standard output";
    const TAKES: Kinds = BEARERS;

    fn build(self) -> Result<Arc<dyn Delivery>, Vec<Mistake>> {
        Ok(Arc::new(self))
    }
}

impl Delivery for Header {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn takes(&self) -> Kinds {
        Self::TAKES
    }

    fn output(&self) -> Output {
        Output::Whole
    }

    fn deliver<'a>(
        &'a self,
        _context: &'a Context,
        credential: &'a Credential,
    ) -> BoxFuture<'a, Result<Delivered, Error>> {
        Box::pin(async move {
            let (token, word) = bearer(credential)?;
            let line = format!("Authorization: {word} {}", token.expose());
            Ok(Delivered { output: Some(SecretBytes::new(line)), ..Delivered::default() })
        })
    }
}

/// Variables: for the child of `carnet run`, and as `export` lines on standard output for a shell.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Env {
    /// The variable that takes the token. By default `CARNET_ACCESS_TOKEN` or `CARNET_ID_TOKEN` (a JWT). AWS keys always go
    /// by their own three names.
    #[serde(default)]
    pub variable: Option<String>,
}

impl DeliveryConfig for Env {
    const NAME: &'static str = "env";
    const ABOUT: &'static str = "environment variables, or export lines for a shell";
    const TAKES: Kinds = Kinds::of(&[Kind::AccessToken, Kind::AwsKeys, Kind::Jwt]);

    fn build(self) -> Result<Arc<dyn Delivery>, Vec<Mistake>> {
        if self.variable.as_deref().is_some_and(|name| !is_variable_name(name)) {
            return Err(vec![
                Mistake::new("variable", "is not the name of a variable").hint("letters, digits and `_`, without `$`"),
            ]);
        }
        Ok(Arc::new(self))
    }
}

impl Delivery for Env {
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
            let environment = self.variables(credential)?;
            Ok(Delivered { output: Some(export_lines(&environment)), environment, ..Delivered::default() })
        })
    }
}

impl Env {
    fn variables(&self, credential: &Credential) -> Result<Vec<(String, Secret)>, Error> {
        if let Material::AwsKeys(keys) = &credential.material {
            let mut variables = vec![
                ("AWS_ACCESS_KEY_ID".to_owned(), Secret::new(keys.access_key_id.as_str())),
                ("AWS_SECRET_ACCESS_KEY".to_owned(), keys.secret_access_key.clone()),
            ];
            variables.extend(keys.session_token.clone().map(|token| ("AWS_SESSION_TOKEN".to_owned(), token)));
            for (name, value) in &variables {
                check_word(name, value)?;
            }
            return Ok(variables);
        }
        let (token, _) = bearer(credential)?;
        let default = if credential.kind() == Kind::Jwt { "CARNET_ID_TOKEN" } else { "CARNET_ACCESS_TOKEN" };
        let name = self.variable.clone().unwrap_or_else(|| default.to_owned());
        Ok(vec![(name, token.clone())])
    }
}

#[cfg(test)]
mod tests;
