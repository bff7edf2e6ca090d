//! `oci-profile`: a profile that Oracle's CLI, SDKs, Terraform provider and Ansible collection read.
//!
//! What each of them needs is in Oracle's Go SDK (`common/configuration.go`), Python SDK (`oci/config.py`) and CLI
//! (`cli_util.py`). Go and Terraform want `tenancy` and `fingerprint` even beside a token, take `user` as a sign of an API
//! key, and do not trim the token.

use std::{path::Path, sync::Arc};

use carnet_core::{
    BoxFuture, Context, Credential, Delivered, Delivery, DeliveryConfig, Error, Held, Kind, Kinds, Mistake, NewFile,
    Secret,
    ini::{put_profile, with_section},
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::folder::{REGION_HINT, TENANCY_HINT, check_path, needed, path, session};
use crate::regions::Region;

/// The profile's name unless the configuration says another.
const DEFAULT_PROFILE: &str = "CARNET";
/// The names of the files in the folder.
const TOKEN: &str = "token";
const KEY: &str = "session_key.pem";
const CONFIG: &str = "config";

/// Writes a session as a profile: `directory/current/{config,token,session_key.pem}`, replaced as one. The folder `current` is a
/// symbolic link, so a reader never meets a token beside another token's key.
///
/// Oracle's Go SDK and Terraform read the token anew for each request but keep the key in memory. So keep one key for
/// as long as such a program runs: that is what `session_key.reuse` of the exchange does.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProfileDeliveryConfig {
    /// The folder for the files. Absolute, or beginning with `~/`.
    pub directory: String,
    /// The name of the profile. Default: `CARNET`.
    #[serde(default)]
    pub profile: Option<String>,
    /// A configuration file that gets the profile too, for instance `~/.oci/config`, which is the only one that Terraform
    /// reads. The rest of the file stays as it is, and so does a symbolic link: the file that it leads to is changed.
    #[serde(default)]
    pub merge_into: Option<String>,
    /// The region of the profile, if not that of the session.
    #[serde(default)]
    pub region: Option<String>,
    /// The tenancy of the profile, if the session's token does not name it.
    #[serde(default)]
    pub tenancy: Option<String>,
}

impl DeliveryConfig for ProfileDeliveryConfig {
    const NAME: &'static str = "oci-profile";
    const ABOUT: &'static str = "a profile for the OCI CLI, SDKs, Terraform and Ansible";
    const TAKES: Kinds = Kinds::of(&[Kind::OciSession]);

    fn build(self) -> Result<Arc<dyn Delivery>, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        check_path("directory", &self.directory, &mut mistakes);
        Region::check("region", self.region.as_ref(), &mut mistakes);
        if let Some(file) = &self.merge_into {
            check_path("merge_into", file, &mut mistakes);
        }
        let profile = self.profile.unwrap_or_else(|| DEFAULT_PROFILE.to_owned());
        let good = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if profile.is_empty() || !profile.chars().all(good) {
            mistakes.push(Mistake::new("profile", "must be letters, digits, dots, dashes and underscores"));
        } else if profile == "DEFAULT" && self.merge_into.is_some() {
            mistakes.push(
                Mistake::new("profile", "must not be DEFAULT when it is merged into a file that others use")
                    .hint("other profiles inherit from DEFAULT; choose a name of its own"),
            );
        }
        if let Some(tenancy) = &self.tenancy
            && !tenancy.starts_with("ocid1.tenancy.")
        {
            mistakes.push(Mistake::new("tenancy", "is not the OCID of a tenancy"));
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let Self { directory, merge_into, region, tenancy, .. } = self;
        Ok(Arc::new(Profile { name: profile, directory, merge_into, region, tenancy }))
    }
}

/// See [`ProfileDeliveryConfig`].
#[derive(Debug)]
struct Profile {
    name: String,
    directory: String,
    merge_into: Option<String>,
    region: Option<String>,
    tenancy: Option<String>,
}

impl Delivery for Profile {
    fn name(&self) -> &'static str {
        ProfileDeliveryConfig::NAME
    }

    fn takes(&self) -> Kinds {
        ProfileDeliveryConfig::TAKES
    }

    fn deliver<'a>(
        &'a self,
        context: &'a Context,
        credential: &'a Credential,
    ) -> BoxFuture<'a, Result<Delivered, Error>> {
        Box::pin(self.write(context, credential))
    }
}

impl Profile {
    async fn write(&self, context: &Context, credential: &Credential) -> Result<Delivered, Error> {
        let (session, key) = session(credential)?;
        let region = match &self.region {
            Some(text) => Some(Region::resolve(context, text)?.identifier().to_owned()),
            None => session.region.clone(),
        };
        let region = needed(region.as_ref(), "the profile", "region", REGION_HINT)?;
        let tenancy =
            needed(session.tenancy.as_ref().or(self.tenancy.as_ref()), "the profile", "tenancy", TENANCY_HINT)?;
        let directory = path(context, &self.directory)?;
        let current = directory.join("current");
        let [token_file, key_file, config_file] = [TOKEN, KEY, CONFIG].map(|name| current.join(name));
        let fingerprint = key.oci_fingerprint();
        let (token_path, key_path) = (token_file.display().to_string(), key_file.display().to_string());
        // No `user`: Go would then sign as an API key. The fingerprint must be there although the server does not look.
        let entries = [
            ("tenancy", tenancy.as_str()),
            ("region", region.as_str()),
            ("fingerprint", fingerprint.as_str()),
            ("key_file", key_path.as_str()),
            ("security_token_file", token_path.as_str()),
        ];
        let cannot = |error| Error::internal("write a profile into an empty file").because(error);
        let config = with_section("", &self.name, &entries).map_err(cannot)?;
        let (merged, _held) = self.merged(context, &entries).await?;
        let new = [
            // Without a newline: Go and Python take every byte as part of the token.
            NewFile::new(TOKEN, session.token.expose()),
            NewFile::new(KEY, key.to_pkcs8_pem()?.expose()),
            NewFile::new(CONFIG, config),
        ];
        context.files.replace_directory(&directory, &new).await?;
        let files = vec![config_file.clone(), token_file, key_file];
        let mut shared = Vec::new();
        if let Some(file) = merged {
            context.files.replace(std::slice::from_ref(&file))?;
            shared.push(file.path);
        }
        Ok(Delivered { output: None, environment: self.environment(&config_file, &region), files, shared })
    }

    /// The shared file with the profile in it, if it has to change; it is held until it is written, because every
    /// other profile in it may be somebody's credential.
    async fn merged(
        &self,
        context: &Context,
        entries: &[(&str, &str)],
    ) -> Result<(Option<NewFile>, Option<Held>), Error> {
        let Some(text) = &self.merge_into else { return Ok((None, None)) };
        put_profile(context, &path(context, text)?, &self.name, entries).await
    }

    fn environment(&self, config: &Path, region: &str) -> Vec<(String, Secret)> {
        let config = config.display().to_string();
        let mut variables = vec![
            ("OCI_CLI_CONFIG_FILE", config.as_str()),
            ("OCI_CONFIG_FILE", config.as_str()),
            ("OCI_CLI_PROFILE", self.name.as_str()),
            ("OCI_CONFIG_PROFILE", self.name.as_str()),
            ("OCI_CLI_AUTH", "security_token"),
            ("OCI_ANSIBLE_AUTH_TYPE", "security_token"),
            ("OCI_REGION", region),
        ];
        if self.merge_into.is_some() {
            // The provider reads `~/.oci/config` and nothing else, so without the merge these would point nowhere.
            variables.extend([
                ("TF_VAR_auth", "SecurityToken"),
                ("TF_VAR_config_file_profile", self.name.as_str()),
                ("TF_VAR_region", region),
            ]);
        }
        variables.into_iter().map(|(name, value)| (name.to_owned(), Secret::new(value))).collect()
    }
}

#[cfg(test)]
mod tests;
