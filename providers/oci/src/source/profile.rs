//! `oci-config`: a profile of `~/.oci/config`.
//!
//! Oracle, "SDK and CLI Configuration File" (docs.oracle.com, API/Concepts/sdkconfig.htm), and what its Go and Python
//! SDKs and its CLI make of it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use carnet_core::{
    BoxFuture, Context, Credential, Error, Found, Kind, Kinds, Material, Mistake, OciApiKey, Secret, SecretBytes,
    Source, SourceConfig, Want, file_text,
    ini::{Ini, IniError, Section},
};
use carnet_jose::private_key_from_pem;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    regions::Region,
    signer::parse_key,
    token::{MAX_KEY, MAX_TOKEN, SessionToken},
};

/// Largest configuration file that is read, in bytes.
const MAX_CONFIG: usize = 1 << 20;
/// The section whose values hold for every profile that has none of its own.
const DEFAULT: &str = "DEFAULT";
/// The keys that make up who a profile is. They are taken from one section, never mixed of two.
const IDENTITY: [&str; 6] = ["user", "fingerprint", "key_file", "pass_phrase", "passphrase", "security_token_file"];

/// A profile of the OCI configuration file: an API signing key, or a session token with its key.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProfileConfig {
    /// The file. Default: `OCI_CLI_CONFIG_FILE`, `OCI_CONFIG_FILE`, `~/.oci/config`, `~/.oraclebmc/config`. `~/` stands
    /// for the home folder. (Oracle's SDKs look at `OCI_CONFIG_FILE` only when `~/.oci/config` is missing.)
    #[serde(default)]
    pub file: Option<String>,
    /// The profile. Default: `OCI_CLI_PROFILE`, `OCI_CONFIG_PROFILE`, `DEFAULT`.
    #[serde(default)]
    pub profile: Option<String>,
}

impl SourceConfig for ProfileConfig {
    const NAME: &'static str = "oci-config";
    const ABOUT: &'static str = "a profile of ~/.oci/config: an API signing key or a session token";

    fn build(self) -> Result<Arc<dyn Source>, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        for (field, value) in [("file", &self.file), ("profile", &self.profile)] {
            if value.as_ref().is_some_and(|value| value.trim().is_empty()) {
                mistakes.push(Mistake::new(field, "must not be empty"));
            }
        }
        if mistakes.is_empty() { Ok(Arc::new(ProfileSource { config: self })) } else { Err(mistakes) }
    }
}

/// See [`ProfileConfig`].
#[derive(Debug)]
struct ProfileSource {
    config: ProfileConfig,
}

impl Source for ProfileSource {
    fn name(&self) -> &'static str {
        ProfileConfig::NAME
    }

    fn gives(&self) -> Kinds {
        Kinds::of(&[Kind::OciApiKey, Kind::OciSession])
    }

    fn find<'a>(&'a self, context: &'a Context, _: &'a Want) -> BoxFuture<'a, Result<Found, Error>> {
        Box::pin(async move { self.read(context) })
    }
}

impl ProfileSource {
    fn read(&self, context: &Context) -> Result<Found, Error> {
        let (path, text) = match self.file(context)? {
            Ok(found) => found,
            Err(reason) => return Ok(Found::NotHere(reason)),
        };
        let cannot = |error: IniError| {
            Error::configuration(format!("read {} line {}", path.display(), error.line))
                .because(error)
                .hint("mend that line: Oracle's SDKs differ in what they make of it")
        };
        let ini = Ini::parse(&text).map_err(cannot)?;
        let (name, explicit) = self.profile_name(context);
        let Some(own) = ini.section(&name) else {
            let message = format!("{} has no profile [{}]", path.display(), carnet_core::safe_text(&name));
            if !explicit {
                return Ok(Found::NotHere(message));
            }
            let names: Vec<String> = ini.names().map(carnet_core::safe_text).collect();
            let list = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            let error = Error::configuration(format!("use the profile: {message}"));
            return Err(error.hint(format!("the profiles in it are: {list}")));
        };
        own.check().map_err(cannot)?;
        let default = ini.section(DEFAULT).filter(|default| *default != own);
        if let Some(default) = default {
            default.check().map_err(cannot)?;
        }
        let profile = Profile { context, path: &path, name: &name, own, default };
        profile.refuse_what_is_not_ours()?;
        profile.credential().map(Found::credential)
    }

    /// The file's text, or why there is none.
    fn file(&self, context: &Context) -> Result<Result<(PathBuf, String), String>, Error> {
        let named = match &self.config.file {
            Some(path) => Some((path.clone(), None)),
            None => ["OCI_CLI_CONFIG_FILE", "OCI_CONFIG_FILE"]
                .into_iter()
                .find_map(|name| context.env(name).map(|path| (path, Some(name)))),
        };
        if let Some((text, variable)) = named {
            let path = expand(context, &text)?;
            if let Some(text) = read_text(context, &path, MAX_CONFIG)? {
                return Ok(Ok((path, text)));
            }
            let message = format!("read {}: it does not exist", path.display());
            return Err(match variable {
                Some(name) => Error::configuration(format!("{message}; {name} names it"))
                    .hint(format!("correct {name}, or unset it to use ~/.oci/config")),
                None => Error::configuration(message).hint("correct `file`, or leave it out to use ~/.oci/config"),
            });
        }
        let Some(home) = context.files.home() else { return Ok(Err("there is no home folder".to_owned())) };
        let usual = home.join(".oci").join("config");
        for path in [usual.clone(), home.join(".oraclebmc").join("config")] {
            if let Some(text) = read_text(context, &path, MAX_CONFIG)? {
                return Ok(Ok((path, text)));
            }
        }
        Ok(Err(format!("{} does not exist", usual.display())))
    }

    /// The profile, and whether somebody asked for it.
    fn profile_name(&self, context: &Context) -> (String, bool) {
        let named = self.config.profile.clone();
        let named = named.or_else(|| context.env("OCI_CLI_PROFILE")).or_else(|| context.env("OCI_CONFIG_PROFILE"));
        match named {
            Some(name) => (name.trim().to_owned(), true),
            None => (DEFAULT.to_owned(), false),
        }
    }
}

/// How a session in a profile comes back.
const RENEW_SESSION: &str =
    "get a new session: `oci session authenticate`, or the carnet route that writes this profile";

/// One profile of one file.
struct Profile<'a> {
    context: &'a Context,
    path: &'a Path,
    name: &'a str,
    own: &'a Section,
    default: Option<&'a Section>,
}

impl Profile<'_> {
    fn credential(&self) -> Result<Credential, Error> {
        let region = match self.value("region")? {
            Some(text) => {
                Some(Region::resolve(self.context, &text).map_err(|error| self.error("region").because(error))?)
            }
            None => Region::of_variable(self.context, "OCI_REGION")?,
        };
        let region = region.map(|region| region.identifier().to_owned());
        let key_path = expand(self.context, &self.required("key_file")?)?;
        let private_key = self.private_key(&key_path)?;
        let credential = match self.value("security_token_file")? {
            Some(file) => self.session(&file, private_key, region)?,
            None => self.api_key(private_key, region)?,
        };
        let credential = credential.fact("profile", carnet_core::safe_text(self.name));
        Ok(match readable_by_others(self.context, &key_path) {
            Some(warning) => credential.fact("warning", warning),
            None => credential,
        })
    }

    fn session(&self, file: &str, private_key: SecretBytes, region: Option<String>) -> Result<Credential, Error> {
        if self.value("user")?.is_some() {
            return Err(self.error("user stands beside security_token_file").hint(
                "remove user: Oracle's Go SDK and Terraform would sign as that user's API key and ignore the token",
            ));
        }
        let path = expand(self.context, file)?;
        let read = read_text(self.context, &path, MAX_TOKEN);
        let text = read.map_err(|error| self.error("security_token_file").because(error).hint(RENEW_SESSION))?;
        let text = text.ok_or_else(|| {
            self.error("security_token_file")
                .because(Error::configuration(format!("read {}: it does not exist", path.display())))
                .hint(RENEW_SESSION)
        })?;
        let what = format!("the token in {}", path.display());
        let token = SessionToken::parse(&text, &what)
            .map_err(|error| Error::configuration(format!("use {what}")).because(error).hint(RENEW_SESSION))?;
        token.refuse_expired(&what, self.context.now()).map_err(|error| {
            error.hint(
                "get a new session, for instance with oci session authenticate; session tokens live an hour at most",
            )
        })?;
        Ok(token.into_credential(private_key, region, self.value("tenancy")?))
    }

    fn api_key(&self, private_key: SecretBytes, region: Option<String>) -> Result<Credential, Error> {
        let user = self.ocid("user")?;
        let tenancy = self.ocid("tenancy")?;
        let fingerprint = self.required("fingerprint")?;
        if !is_fingerprint(&fingerprint) {
            return Err(self
                .error("fingerprint is not 16 lower-case hexadecimal pairs joined by colons")
                .hint("openssl rsa -in KEY.pem -pubout -outform DER | openssl md5 -c"));
        }
        // Oracle would answer a bare 401, as to a dozen other mistakes.
        let own = parse_key(&private_key).map_err(|error| self.error("key_file").because(error))?.oci_fingerprint();
        if fingerprint != own {
            return Err(self
                .error(&format!("fingerprint is {fingerprint}, but that of the key in key_file is {own}"))
                .clause("key")
                .hint(format!(
                    "write fingerprint={own} if that key was uploaded for the user, else correct key_file"
                )));
        }
        let facts = [("principal", user.clone()), ("tenancy", tenancy.clone()), ("fingerprint", fingerprint.clone())];
        let key = OciApiKey { tenancy, user, fingerprint, private_key, region: region.clone() };
        let mut credential = Credential::new(Material::OciApiKey(key));
        credential.facts.extend(facts);
        credential.facts.extend(region.map(|region| ("region", region)));
        Ok(credential)
    }

    fn private_key(&self, path: &Path) -> Result<SecretBytes, Error> {
        let pem = self.context.files.read(path, MAX_KEY)?.ok_or_else(|| {
            self.error("key_file")
                .because(Error::configuration(format!("read {}: it does not exist", path.display())))
                .hint("write the path of the private key that belongs to this profile")
        })?;
        let passphrase = match self.value("pass_phrase")? {
            Some(text) => Some(text),
            None => self.value("passphrase")?,
        };
        private_key_from_pem(pem.expose(), passphrase.map(Secret::new).as_ref()).map_err(|error| {
            Error::configuration(format!("read the private key {}", path.display())).because(error).hint(
                "key_file is a private key in PEM (PKCS#1 or PKCS#8), pass_phrase its passphrase if it is encrypted",
            )
        })
    }

    /// Ways to sign that stand in a profile but are not this source's.
    fn refuse_what_is_not_ours(&self) -> Result<(), Error> {
        if self.value("key_content")?.is_some() {
            return Err(self
                .error("key_content holds the key itself")
                .hint("put it into a file of mode 0600 and name that in key_file"));
        }
        if self.value("delegation_token_file")?.is_some() {
            return Err(self
                .error("delegation_token_file asks for delegation tokens, which carnet does not use")
                .hint("use a profile with a key or a session token, or the source oci-instance"));
        }
        match self.value("authentication_type")?.as_deref() {
            None => Ok(()),
            Some("instance_principal") => {
                Err(self.error("authentication_type is instance_principal").hint("use the source oci-instance instead"))
            }
            Some("resource_principal") => {
                Err(self.error("authentication_type is resource_principal").hint("use the source oci-resource instead"))
            }
            Some(other) => {
                let message = format!("authentication_type {} is not known", carnet_core::safe_text(other));
                Err(self.error(&message).hint("use a profile with a key or a session token"))
            }
        }
    }

    /// A value of this profile, or of `[DEFAULT]` where that is allowed.
    fn value(&self, key: &str) -> Result<Option<String>, Error> {
        // With `user` of one section and the key of another, every request would be refused without a reason.
        let inherits = !IDENTITY.contains(&key) || IDENTITY.iter().all(|key| self.own.get(key).is_none());
        let inherited = self.default.filter(|_| inherits).and_then(|default| default.get(key));
        let Some(entry) = self.own.get(key).or(inherited) else { return Ok(None) };
        entry.refuse_comment().map_err(|error| {
            Error::configuration(format!("read {} line {}", self.path.display(), error.line))
                .because(error)
                .hint("write the comment on a line of its own")
        })?;
        Ok(Some(entry.value().to_owned()))
    }

    fn required(&self, key: &str) -> Result<String, Error> {
        self.value(key)?.ok_or_else(|| self.error(&format!("{key} is missing")).hint(format!("add a line {key}=…")))
    }

    fn ocid(&self, key: &str) -> Result<String, Error> {
        let value = self.required(key)?;
        let good = value.starts_with("ocid1.")
            && value.len() <= 255
            && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        if good {
            Ok(value)
        } else {
            Err(self.error(&format!("{key} is not an OCID")).hint(format!("write {key}=ocid1.…")))
        }
    }

    fn error(&self, message: &str) -> Error {
        let name = carnet_core::safe_text(self.name);
        Error::configuration(format!("use the profile [{name}] of {}: {message}", self.path.display()))
    }
}

/// 16 pairs, as Oracle's SDKs check it.
fn is_fingerprint(text: &str) -> bool {
    text.len() == 47
        && text.bytes().enumerate().all(|(at, byte)| match at % 3 {
            2 => byte == b':',
            _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
        })
}

/// `~/` at the start stands for the home folder.
pub(crate) fn expand(context: &Context, text: &str) -> Result<PathBuf, Error> {
    let Some(rest) = text.strip_prefix("~/") else { return Ok(PathBuf::from(text)) };
    let home =
        context.files.home().ok_or_else(|| Error::configuration(format!("find {text}: there is no home folder")))?;
    Ok(home.join(rest))
}

/// The warning about a private key that other users may read.
pub(crate) fn readable_by_others(context: &Context, path: &Path) -> Option<String> {
    let open = context.files.others_may_read(path);
    open.then(|| format!("{} can be read by other users: run chmod 600 on it", path.display()))
}

fn read_text(context: &Context, path: &Path, limit: usize) -> Result<Option<String>, Error> {
    let Some(bytes) = context.files.read(path, limit)? else { return Ok(None) };
    file_text(path, bytes.expose()).map(|text| Some(text.to_owned()))
}

#[cfg(test)]
mod tests;
