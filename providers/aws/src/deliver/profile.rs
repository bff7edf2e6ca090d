//! A profile in a credentials file ("Shared config and credentials files", SDKs and tools guide).

use std::{path::PathBuf, sync::Arc};

use carnet_core::{
    BoxFuture, Context, Credential, Delivered, Delivery, DeliveryConfig, Error, Kind, Kinds, Mistake, NewFile, Secret,
    ini::{put_profile, with_section},
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{check_path, check_profile, keys};

/// The profile that programs take when nobody says which.
const DEFAULT: &str = "default";

/// A profile in a credentials file, and the variables that lead to it. The file is carnet's own and replaced as a whole,
/// unless `merge` says that others use it too.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AwsProfile {
    /// The file, for instance `/run/carnet/aws-credentials` or `~/.aws/credentials`. Absolute, or beginning with `~/`.
    pub path: PathBuf,
    /// Whether other profiles of the file stay: then only this one is replaced, and every other byte is left as it is. The
    /// profile must have a name of its own.
    #[serde(default)]
    pub merge: bool,
    /// The name of the profile. By default `default`, with `merge` `carnet`.
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
        if !self.path.starts_with("~") {
            check_path("path", &self.path, &mut mistakes);
        }
        check_profile(self.profile(), &mut mistakes);
        if self.merge && self.profile() == DEFAULT {
            mistakes.push(
                Mistake::new("profile", "must not be `default` in a file that others use").hint(
                    "it may be somebody's keys, and programs take it when nobody says which; choose another name",
                ),
            );
        }
        crate::config::check_region(self.region.as_deref(), &mut mistakes);
        if mistakes.is_empty() { Ok(Arc::new(self)) } else { Err(mistakes) }
    }
}

impl AwsProfile {
    fn profile(&self) -> &str {
        self.profile.as_deref().unwrap_or(if self.merge { "carnet" } else { DEFAULT })
    }

    fn file(&self, context: &Context) -> Result<PathBuf, Error> {
        let Ok(below) = self.path.strip_prefix("~") else { return Ok(self.path.clone()) };
        let home = context.files.home().ok_or_else(|| {
            Error::configuration(format!("find {}: there is no home folder", self.path.display()))
                .hint("write the path from `/`")
        })?;
        Ok(home.join(below))
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
            let mut entries =
                vec![("aws_access_key_id", keys.access_key_id.as_str()), ("aws_secret_access_key", secret)];
            entries.extend(token.map(|token| ("aws_session_token", token)));
            let file = self.file(context)?;
            let mut delivered = Delivered::default();
            if self.merge {
                let (changed, _held) = put_profile(context, &file, self.profile(), &entries).await?;
                if let Some(changed) = changed {
                    context.files.replace(std::slice::from_ref(&changed))?;
                    delivered.shared.push(changed.path);
                }
            } else {
                let text = with_section("", self.profile(), &entries)
                    .map_err(|error| Error::internal("write a profile into an empty file").because(error))?;
                context.files.replace(&[NewFile::new(&file, text)])?;
                delivered.files.push(file.clone());
            }
            let path = file.display().to_string();
            let mut environment = vec![
                ("AWS_SHARED_CREDENTIALS_FILE".to_owned(), Secret::new(path)),
                ("AWS_PROFILE".to_owned(), Secret::new(self.profile())),
            ];
            // botocore reads only the second, the others the first.
            if let Some(region) = self.region.as_ref().or_else(|| credential.facts.get("region")) {
                let names = ["AWS_REGION", "AWS_DEFAULT_REGION"];
                environment.extend(names.map(|name| (name.to_owned(), Secret::new(region.as_str()))));
            }
            Ok(Delivered { environment, ..delivered })
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
            "[default]\naws_access_key_id=ASIAX\naws_secret_access_key=secret/1\naws_session_token=session=\n"
        );
        assert_eq!(done.environment[0].1.expose(), "/run/c");
        assert_eq!(done.environment[3], ("AWS_DEFAULT_REGION".to_owned(), Secret::new("eu-central-1")));
    }

    #[test]
    fn the_other_profiles_of_a_shared_file_stay() {
        let world = world(ScriptedHttp::default(), &[]);
        let file = "/home/user/.aws/credentials";
        world.files.put(file, "[default]\naws_access_key_id = AKIA\n\n# ours\n[ci]\naws_access_key_id=OLD\n");
        let section = json!({"path": "~/.aws/credentials", "merge": true, "profile": "ci"});
        let done = deliver::<AwsProfile>(section, &crate::testing::keys(), &world).unwrap();
        let text = String::from_utf8(world.files.get(file).unwrap()).unwrap();
        assert!(
            text.starts_with("[default]\naws_access_key_id = AKIA\n\n# ours\n[ci]\naws_access_key_id=ASIAX\n"),
            "{text}"
        );
        assert_eq!((done.files.len(), done.shared.len(), done.environment[0].1.expose()), (0, 1, file));
    }

    #[test]
    fn rejects_default_in_a_shared_file() {
        let section = json!({"path": "/c", "merge": true, "profile": "default"});
        let mistakes = serde_json::from_value::<AwsProfile>(section).unwrap().build().unwrap_err();
        assert_eq!(mistakes[0].field, "profile");
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
