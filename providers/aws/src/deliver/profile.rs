//! A shared credentials file of carnet's own ("Shared config and credentials files", SDKs and tools guide).

use std::{path::PathBuf, sync::Arc};

use carnet_core::{
    BoxFuture, Context, Credential, Delivered, Delivery, DeliveryConfig, Error, Kind, Kinds, Mistake, NewFile, Secret,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{check_path, check_profile, keys};

/// A credentials file with one profile, replaced as a whole, and the variables that lead to it. Not for a file that others
/// write too.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AwsProfile {
    /// The file, for instance `/run/carnet/aws-credentials`.
    pub path: PathBuf,
    /// The name of the profile. By default `default`.
    #[serde(default)]
    pub profile: Option<String>,
    /// The region for the same programs. By default that of the route.
    #[serde(default)]
    pub region: Option<String>,
}

impl DeliveryConfig for AwsProfile {
    const NAME: &'static str = "aws-profile";
    const ABOUT: &'static str = "a shared credentials file with one profile, for AWS's SDKs and tools";
    const TAKES: Kinds = Kinds::of(&[Kind::AwsKeys]);

    fn build(self) -> Result<Arc<dyn Delivery>, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        check_path("path", &self.path, &mut mistakes);
        check_profile(self.profile(), &mut mistakes);
        crate::config::check_region(self.region.as_deref(), &mut mistakes);
        if mistakes.is_empty() { Ok(Arc::new(self)) } else { Err(mistakes) }
    }
}

impl AwsProfile {
    fn profile(&self) -> &str {
        self.profile.as_deref().unwrap_or("default")
    }
}

impl Delivery for AwsProfile {
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
            let keys = keys(credential)?;
            let secret = keys.secret_access_key.expose();
            let token = keys.session_token.as_ref().map(Secret::expose);
            if [Some(keys.access_key_id.as_str()), Some(secret), token]
                .iter()
                .flatten()
                .any(|text| text.contains(['\n', '\r']))
            {
                return Err(Error::unreachable("write a profile: the keys are not one line each"));
            }
            let mut text = format!("[{}]\naws_access_key_id = {}\n", self.profile(), keys.access_key_id);
            text.extend(["aws_secret_access_key = ", secret, "\n"]);
            if let Some(token) = token {
                text.extend(["aws_session_token = ", token, "\n"]);
            }
            context.files.replace(&[NewFile::new(&self.path, text)])?;
            let path = self.path.display().to_string();
            let mut environment = vec![
                ("AWS_SHARED_CREDENTIALS_FILE".to_owned(), Secret::new(path)),
                ("AWS_PROFILE".to_owned(), Secret::new(self.profile())),
            ];
            // botocore reads only the second, the others the first.
            if let Some(region) = self.region.as_ref().or_else(|| credential.facts.get("region")) {
                let names = ["AWS_REGION", "AWS_DEFAULT_REGION"];
                environment.extend(names.map(|name| (name.to_owned(), Secret::new(region.as_str()))));
            }
            Ok(Delivered { environment, files: vec![self.path.clone()], ..Delivered::default() })
        })
    }
}

#[cfg(test)]
mod tests {
    use carnet_core::ScriptedHttp;
    use serde_json::json;

    use super::*;
    use crate::testing::{deliver, world};

    #[test]
    fn the_file_has_one_profile_and_the_variables_lead_there() {
        let world = world(ScriptedHttp::default(), &[]);
        let done = deliver::<AwsProfile>(json!({"path": "/run/c"}), &crate::testing::keys(), &world).unwrap();
        let text = String::from_utf8(world.files.get("/run/c").unwrap()).unwrap();
        assert_eq!(
            text,
            "[default]\naws_access_key_id = ASIAX\naws_secret_access_key = secret/1\naws_session_token = session=\n"
        );
        assert_eq!(done.environment[0].1.expose(), "/run/c");
        assert_eq!(done.environment[3], ("AWS_DEFAULT_REGION".to_owned(), Secret::new("eu-central-1")));
    }

    #[test]
    fn rejects_sections_bent_in_one_place() {
        for (field, value) in [("path", "run/c"), ("profile", "a]\n[b"), ("region", "evil.example")] {
            let mut section = json!({"path": "/run/c"});
            section[field] = json!(value);
            assert_eq!(serde_json::from_value::<AwsProfile>(section).unwrap().build().unwrap_err()[0].field, field);
        }
    }
}
