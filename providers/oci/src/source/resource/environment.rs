//! The variables `OCI_RESOURCE_PRINCIPAL_*`, of a resource or of the leaf of nested ones.

use std::path::Path;

use carnet_core::{Context, Error, Secret, SecretBytes, file_text};
use carnet_jose::private_key_from_pem;
use url::Url;

use crate::{
    endpoint,
    regions::Region,
    token::{MAX_KEY, MAX_TOKEN},
};

const PREFIX: &str = "OCI_RESOURCE_PRINCIPAL_";

/// A value in the environment, or the file that it names.
pub(super) enum Given {
    /// An absolute path: the platform renews the file.
    Path(String),
    /// The thing itself.
    Value(Secret),
}

/// One set of variables.
pub(super) struct Variables<'a> {
    context: &'a Context,
    suffix: &'static str,
}

impl<'a> Variables<'a> {
    pub(super) fn of_resource(context: &'a Context) -> Self {
        Self { context, suffix: "" }
    }

    /// Version 3.0: the same variables for the leaf.
    pub(super) fn of_leaf(context: &'a Context) -> Self {
        Self { context, suffix: "_FOR_LEAF_RESOURCE" }
    }

    pub(super) fn name(&self, name: &str) -> String {
        format!("{PREFIX}{name}{}", self.suffix)
    }

    pub(super) fn version_name(&self) -> String {
        self.name("VERSION")
    }

    pub(super) fn version(&self) -> Option<String> {
        self.get("VERSION")
    }

    pub(super) fn required_version(&self) -> Result<String, Error> {
        self.required("VERSION")
    }

    pub(super) fn get(&self, name: &str) -> Option<String> {
        self.context.env(&self.name(name)).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    pub(super) fn required(&self, name: &str) -> Result<String, Error> {
        self.get(name).ok_or_else(|| missing(&self.name(name)))
    }

    /// An OCID that becomes part of a key id and a path: nothing but the characters of OCIDs gets through.
    pub(super) fn required_id(&self, name: &str) -> Result<String, Error> {
        let id = self.required(name)?;
        check_id(&id).map_err(|()| {
            Error::configuration(format!("use the environment variable {}: it is not an OCID", self.name(name)))
                .hint("the platform sets it; write ocid1.…")
        })?;
        Ok(id)
    }

    pub(super) fn url(&self, name: &str) -> Result<Option<Url>, Error> {
        endpoint::variable(self.context, &self.name(name))
    }

    pub(super) fn required_url(&self, name: &str) -> Result<Url, Error> {
        self.url(name)?.ok_or_else(|| missing(&self.name(name)))
    }

    pub(super) fn region(&self) -> Result<Option<Region>, Error> {
        Region::of_variable(self.context, &self.name("REGION"))
    }

    /// The path of the resource principal token: the variable or the default, with the id in it.
    pub(super) fn path(&self, default: &str, id: &str) -> Result<String, Error> {
        check_id(id).map_err(|()| Error::configuration("ask for a resource principal token: the id is not an OCID"))?;
        let path = self.get("RPT_PATH").unwrap_or_else(|| default.to_owned());
        if !path.starts_with('/') {
            let message = format!("use the environment variable {}: it must begin with /", self.name("RPT_PATH"));
            return Err(
                Error::configuration(message).hint("write a path such as /20180711/resourcePrincipalToken/{id}")
            );
        }
        Ok(path.replace("{id}", id))
    }

    pub(super) fn given(&self, name: &str) -> Option<Given> {
        self.get(name).map(|value| {
            if Path::new(&value).is_absolute() { Given::Path(value) } else { Given::Value(Secret::new(value)) }
        })
    }

    /// Where a thing comes from, for errors.
    pub(super) fn describe(&self, name: &str, given: &Given) -> String {
        match given {
            Given::Path(path) => format!("{path} ({})", self.name(name)),
            Given::Value(_) => self.name(name),
        }
    }

    pub(super) fn token(&self, name: &str, given: &Given) -> Result<String, Error> {
        let path = match given {
            Given::Value(value) => return Ok(value.expose().to_owned()),
            Given::Path(path) => path,
        };
        let bytes = self.read(name, path, MAX_TOKEN)?;
        file_text(Path::new(path), bytes.expose()).map(|text| text.trim().to_owned()).map_err(|error| {
            Error::configuration(format!("use the environment variable {}", self.name(name))).because(error)
        })
    }

    /// The private key with its passphrase. Both are values, or both are files.
    pub(super) fn private_key(&self) -> Result<SecretBytes, Error> {
        let name = self.name("PRIVATE_PEM");
        let pem = self.given("PRIVATE_PEM").ok_or_else(|| missing(&name))?;
        let passphrase = match (self.given("PRIVATE_PEM_PASSPHRASE"), &pem) {
            (None, _) => None,
            (Some(Given::Value(passphrase)), Given::Value(_)) => Some(passphrase),
            (Some(given @ Given::Path(_)), Given::Path(_)) => {
                Some(Secret::new(self.token("PRIVATE_PEM_PASSPHRASE", &given)?))
            }
            _ => {
                let other = self.name("PRIVATE_PEM_PASSPHRASE");
                return Err(Error::configuration(format!(
                    "read the private key: {name} and {other} must both be paths or both be values"
                ))
                .hint("write both as absolute paths, or both as they are"));
            }
        };
        let bytes = match &pem {
            Given::Path(path) => self.read("PRIVATE_PEM", path, MAX_KEY)?,
            Given::Value(value) => SecretBytes::new(value.expose().as_bytes().to_vec()),
        };
        private_key_from_pem(bytes.expose(), passphrase.as_ref()).map_err(|error| {
            Error::configuration(format!("read the private key in {}", self.describe("PRIVATE_PEM", &pem)))
                .because(error)
                .hint("it is a private key in PEM, or the absolute path of a file with one")
        })
    }

    fn read(&self, name: &str, path: &str, limit: usize) -> Result<SecretBytes, Error> {
        self.context.files.read(Path::new(path), limit)?.ok_or_else(|| {
            Error::configuration(format!("read {path}: it does not exist; {} names it", self.name(name)))
                .hint("the platform writes that file; outside of it, correct the variable or unset them all")
        })
    }
}

fn check_id(id: &str) -> Result<(), ()> {
    let good = id.len() <= 255 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if good && id != "." && id != ".." { Ok(()) } else { Err(()) }
}

/// A variable of nested principals, which has no suffix of its own.
pub(super) fn parent_url(context: &Context, name: &str) -> Result<Option<Url>, Error> {
    endpoint::variable(context, name)
}

pub(super) fn missing(name: &str) -> Error {
    Error::configuration(format!("use the resource principal: {name} is not set"))
        .hint("the platform sets these variables; if they were set by hand, set this one too, or unset OCI_RESOURCE_PRINCIPAL_VERSION")
}
