//! An access token in variables.

use std::sync::Arc;

use carnet_core::{
    BoxFuture, Context, Credential, Delivered, Delivery, DeliveryConfig, Error, Kind, Kinds, Material, Mistake, Output,
    Secret, SecretBytes, check_token,
};
use schemars::JsonSchema;
use serde::Deserialize;

/// What reads an access token from the environment: gcloud, gsutil and bq (`CLOUDSDK_AUTH_ACCESS_TOKEN`), Terraform's
/// provider (`GOOGLE_OAUTH_ACCESS_TOKEN`).
const TOKEN_VARIABLES: [&str; 2] = ["CLOUDSDK_AUTH_ACCESS_TOKEN", "GOOGLE_OAUTH_ACCESS_TOKEN"];
/// What reads a project from the environment: the client libraries, gcloud.
const PROJECT_VARIABLES: [&str; 2] = ["GOOGLE_CLOUD_PROJECT", "CLOUDSDK_CORE_PROJECT"];

/// The access token in the variables that gcloud and Terraform read; as `export` lines on standard output.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GcpEnv {
    /// The project for the same tools.
    #[serde(default)]
    pub project: Option<String>,
}

impl DeliveryConfig for GcpEnv {
    const NAME: &'static str = "gcp-env";
    const ABOUT: &'static str = "the access token in the variables that gcloud and Terraform read";
    const TAKES: Kinds = Kinds::of(&[Kind::AccessToken]);

    fn build(self) -> Result<Arc<dyn Delivery>, Vec<Mistake>> {
        if let Some(project) = &self.project {
            check_project("project", project).map_err(|mistake| vec![mistake])?;
        }
        Ok(Arc::new(self))
    }
}

/// A project id as Google makes them, with the domain of older organisations.
pub(crate) fn check_project(field: &str, project: &str) -> Result<(), Mistake> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.' | ':');
    if !project.is_empty() && project.chars().all(fits) {
        return Ok(());
    }
    Err(Mistake::new(field, "is not a project id")
        .hint("lower-case letters, digits and dashes, as `gcloud projects list` shows it"))
}

impl Delivery for GcpEnv {
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
                return Err(Error::internal(format!("put a credential of kind {} into variables", credential.kind())));
            };
            check_token(&access.token)
                .map_err(|wrong| Error::internal(format!("put the token into variables: {wrong}")))?;
            let mut environment: Vec<(String, Secret)> =
                TOKEN_VARIABLES.map(|name| (name.to_owned(), access.token.clone())).into();
            if let Some(project) = &self.project {
                environment.extend(PROJECT_VARIABLES.map(|name| (name.to_owned(), Secret::new(project.as_str()))));
            }
            if let Some(project) = credential.facts.get("quota_project") {
                environment.push(("GOOGLE_CLOUD_QUOTA_PROJECT".to_owned(), Secret::new(project.as_str())));
            }
            Ok(Delivered { output: Some(export_lines(&environment)), environment, ..Delivered::default() })
        })
    }
}

/// `export NAME='VALUE'` lines. In single quotes only the quote itself is special (POSIX, 2.2.2).
fn export_lines(variables: &[(String, Secret)]) -> SecretBytes {
    let mut lines = String::new();
    for (name, value) in variables {
        let value = Secret::new(value.expose().replace('\'', r"'\''"));
        lines.extend(["export ", name, "='", value.expose(), "'\n"]);
    }
    SecretBytes::new(lines)
}

#[cfg(test)]
mod tests {
    use carnet_core::{AccessToken, ScriptedHttp};
    use serde_json::json;

    use super::*;
    use crate::testing::{deliver, world};

    #[test]
    fn gcloud_and_terraform_find_the_token() {
        let material = AccessToken { token: Secret::new("ya29.it's"), token_type: "Bearer".to_owned() };
        let credential = Credential::new(Material::AccessToken(material)).fact("quota_project", "billing");
        let done =
            deliver::<GcpEnv>(json!({ "project": "p" }), &credential, &world(ScriptedHttp::default(), &[])).unwrap();
        let output = String::from_utf8(done.output.unwrap().expose().to_vec()).unwrap();
        assert_eq!(
            output.lines().collect::<Vec<_>>(),
            [
                r"export CLOUDSDK_AUTH_ACCESS_TOKEN='ya29.it'\''s'",
                r"export GOOGLE_OAUTH_ACCESS_TOKEN='ya29.it'\''s'",
                "export GOOGLE_CLOUD_PROJECT='p'",
                "export CLOUDSDK_CORE_PROJECT='p'",
                "export GOOGLE_CLOUD_QUOTA_PROJECT='billing'",
            ]
        );
        assert_eq!(done.environment.len(), 5);
    }

    #[test]
    fn rejects_a_token_of_more_than_one_word() {
        let material = AccessToken { token: Secret::new("ya29.x\r\nX-Evil: 1"), token_type: "Bearer".to_owned() };
        let credential = Credential::new(Material::AccessToken(material));
        let error = deliver::<GcpEnv>(json!({}), &credential, &world(ScriptedHttp::default(), &[])).unwrap_err();
        assert_eq!(error.to_string(), "put the token into variables: it is not one word of visible ASCII");
    }

    #[test]
    fn rejects_project_that_is_no_id() {
        let mistakes = GcpEnv { project: Some("My Project".to_owned()) }.build().unwrap_err();
        assert_eq!(mistakes[0].field, "project");
    }
}
