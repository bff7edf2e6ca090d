//! The answer of an executable that Google's libraries run for a subject token ("executable-sourced credentials").

use std::{path::PathBuf, sync::Arc};

use carnet_core::{
    BoxFuture, Context, Credential, Delivered, Delivery, DeliveryConfig, Error, Kind, Kinds, Material, Mistake,
    NewFile, Output, SecretBytes, chain, redacted,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    resource::{DEFAULT_UNIVERSE, ProviderResource},
    wire::SubjectTokenType,
};

/// Only version there is; libraries refuse higher ones.
const VERSION: u32 = 1;
/// What the library tells the executable. (The Rust library tells it nothing.)
const AUDIENCE: &str = "GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE";
const TOKEN_TYPE: &str = "GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE";
const OUTPUT_FILE: &str = "GOOGLE_EXTERNAL_ACCOUNT_OUTPUT_FILE";

/// The subject token as one JSON object on standard output, for `credential_source.executable` of a credential file.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GcpExecutable {
    /// The provider that the token is for (`//iam.googleapis.com/projects/…`). If the library asks for another, the answer
    /// is a failure. By default not compared.
    #[serde(default)]
    pub audience: Option<String>,
    /// How the token is announced, unless the library says it: `jwt` (default) or `id-token`.
    #[serde(default)]
    pub subject_token_type: SubjectTokenType,
}

impl DeliveryConfig for GcpExecutable {
    const NAME: &'static str = "gcp-executable";
    const ABOUT: &'static str = "the answer of an executable that Google's libraries run";
    const TAKES: Kinds = Kinds::of(&[Kind::Jwt]);

    fn build(self) -> Result<Arc<dyn Delivery>, Vec<Mistake>> {
        // Other universes are fine here: the name is only compared.
        if let Some(audience) = self.audience.as_deref().filter(|audience| audience.contains(DEFAULT_UNIVERSE)) {
            ProviderResource::parse(audience, DEFAULT_UNIVERSE).map_err(|mistake| vec![mistake])?;
        }
        Ok(Arc::new(self))
    }
}

impl Delivery for GcpExecutable {
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
        context: &'a Context,
        credential: &'a Credential,
    ) -> BoxFuture<'a, Result<Delivered, Error>> {
        Box::pin(async move {
            let Material::Jwt(token) = &credential.material else {
                return Err(Error::internal(format!("answer with a credential of kind {}", credential.kind())));
            };
            self.check_audience(context)?;
            let answer = Answer {
                version: VERSION,
                success: true,
                token_type: self.token_type(context)?.urn(),
                id_token: token.expose(),
                expiration_time: credential.expires_at.map(jiff::Timestamp::as_second),
            };
            let answer = write(&answer)?;
            let mut files = Vec::new();
            // The executable itself writes the cache that the library reads before it runs the executable again.
            if let Some(path) = context.env(OUTPUT_FILE).map(PathBuf::from) {
                if answer_has_no_end(credential) {
                    return Err(Error::configuration("write the output file: the token does not say when it ends")
                        .hint("leave `output_file` out of the credential file"));
                }
                context.files.replace(&[NewFile::new(&path, answer.expose())])?;
                files.push(path);
            }
            Ok(Delivered { output: Some(answer), files, ..Delivered::default() })
        })
    }
}

fn answer_has_no_end(credential: &Credential) -> bool {
    credential.expires_at.is_none()
}

impl GcpExecutable {
    fn check_audience(&self, context: &Context) -> Result<(), Error> {
        match (&self.audience, context.env(AUDIENCE)) {
            (Some(ours), Some(asked)) if *ours != asked => Err(Error::configuration(format!(
                "answer for {}: this route is for {ours}",
                carnet_core::safe_text(&asked)
            ))
            .clause("target")
            .hint("`audience` in the credential file and in the route must be the same")),
            _ => Ok(()),
        }
    }

    fn token_type(&self, context: &Context) -> Result<SubjectTokenType, Error> {
        match context.env(TOKEN_TYPE) {
            None => Ok(self.subject_token_type),
            Some(asked) => SubjectTokenType::from_urn(&asked).ok_or_else(|| {
                Error::configuration(format!("answer with a token of type {}", carnet_core::safe_text(&asked)))
                    .hint("`subject_token_type` in the credential file must be the one for jwt or id_token")
            }),
        }
    }
}

#[derive(Serialize)]
struct Answer<'a> {
    version: u32,
    success: bool,
    token_type: &'static str,
    id_token: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration_time: Option<i64>,
}

#[derive(Serialize)]
struct Failure {
    version: u32,
    success: bool,
    code: String,
    message: String,
    /// Google's Rust library wants it even here.
    token_type: &'static str,
}

/// The answer when there is no token: the helper prints it on standard output, nothing on standard error, and exits
/// with 0, so that the library shows the message.
pub fn executable_failure(error: &Error) -> SecretBytes {
    let code = error.provider_code().map_or_else(|| error.kind().exit_code().to_string(), ToOwned::to_owned);
    let mut message = chain(error).join(": ");
    for hint in error.hints() {
        message.push_str("; ");
        message.push_str(hint);
    }
    // This goes to standard output, past the filter of everything that is said on standard error.
    let failure = Failure {
        version: VERSION,
        success: false,
        code: redacted(&code).into_owned(),
        message: redacted(&message).into_owned(),
        token_type: SubjectTokenType::default().urn(),
    };
    SecretBytes::new(serde_json::to_vec(&failure).unwrap_or_default())
}

fn write(answer: &impl Serialize) -> Result<SecretBytes, Error> {
    /// Larger than any token, so that no half of one stays behind in a buffer that was outgrown.
    const ROOM: usize = 96 * 1024;
    let mut bytes = Vec::with_capacity(ROOM);
    serde_json::to_writer(&mut bytes, answer).map_err(|error| Error::internal("write JSON").because(error))?;
    Ok(SecretBytes::new(bytes))
}

#[cfg(test)]
mod tests {
    use carnet_core::{ErrorKind, ScriptedHttp};
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{NOW, PROVIDER, deliver, subject, subject_token, world};

    const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

    fn answer(variables: &[(&str, &str)], section: Value) -> Result<Value, Error> {
        let done = deliver::<GcpExecutable>(section, &subject(), &world(ScriptedHttp::default(), variables))?;
        Ok(serde_json::from_slice(done.output.unwrap().expose()).unwrap())
    }

    #[test]
    fn answers_with_one_object() {
        let variables = [(AUDIENCE, PROVIDER), (TOKEN_TYPE, JWT)];
        assert_eq!(
            answer(&variables, json!({ "audience": PROVIDER })).unwrap(),
            json!({ "version": 1, "success": true, "token_type": JWT, "id_token": subject_token().expose(), "expiration_time": NOW + 300 })
        );
    }

    #[test]
    fn answers_with_the_type_that_is_asked_for() {
        let id_token = "urn:ietf:params:oauth:token-type:id_token";
        assert_eq!(answer(&[(TOKEN_TYPE, id_token)], json!({})).unwrap()["token_type"], id_token);
        assert_eq!(answer(&[], json!({ "subject_token_type": "id-token" })).unwrap()["token_type"], id_token);
    }

    #[test]
    fn keeps_the_answer_in_the_output_file() {
        let world = world(ScriptedHttp::default(), &[(OUTPUT_FILE, "/run/out")]);
        let done = deliver::<GcpExecutable>(json!({}), &subject(), &world).unwrap();
        assert_eq!(world.files.get("/run/out").unwrap(), done.output.unwrap().expose());
    }

    #[test]
    fn rejects_other_audience() {
        let error = answer(&[(AUDIENCE, "//iam.googleapis.com/other")], json!({ "audience": PROVIDER })).unwrap_err();
        assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Configuration, Some("target")));
    }

    #[test]
    fn rejects_saml() {
        let saml = "urn:ietf:params:oauth:token-type:saml2";
        assert_eq!(answer(&[(TOKEN_TYPE, saml)], json!({})).unwrap_err().kind(), ErrorKind::Configuration);
    }

    #[test]
    fn a_failure_has_code_message_and_type() {
        let error = Error::refused("exchange it").code("invalid_grant").hint("look");
        let answer: Value = serde_json::from_slice(executable_failure(&error).expose()).unwrap();
        assert_eq!(
            answer,
            json!({ "version": 1, "success": false, "code": "invalid_grant", "message": "exchange it; look", "token_type": JWT })
        );
    }

    #[test]
    fn no_text_of_a_failure_shows_a_token() {
        let token = subject_token();
        let token = token.expose();
        let error = Error::refused(format!("read {token}"))
            .because(Error::refused(format!("open /run/{token}: File name too long")))
            .code(token)
            .hint(format!("is {token} a path?"));
        let answer: Value = serde_json::from_slice(executable_failure(&error).expose()).unwrap();
        assert_eq!(answer["code"], "[redacted]");
        assert_eq!(
            answer["message"],
            "read [redacted]: open /run/[redacted]: File name too long; is [redacted] a path?"
        );
    }
}
