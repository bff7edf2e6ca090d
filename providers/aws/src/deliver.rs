//! Credentials in the forms that AWS's SDKs and tools read.

mod process;
mod profile;
mod web_identity_file;

pub use self::{process::AwsProcess, profile::AwsProfile, web_identity_file::AwsWebIdentityFile};

use std::path::Path;

use carnet_core::{AwsKeys, Credential, Error, Material, Mistake};

fn keys(credential: &Credential) -> Result<&AwsKeys, Error> {
    match &credential.material {
        Material::AwsKeys(keys) => Ok(keys),
        _ => Err(Error::internal(format!("deliver a credential of kind {} to AWS's tools", credential.kind()))),
    }
}

fn check_path(field: &str, path: &Path, mistakes: &mut Vec<Mistake>) {
    if !path.is_absolute() {
        mistakes.push(Mistake::new(field, "is not an absolute path").hint("begin it with `/`"));
    }
}

/// The name of a profile stands in brackets on a line of its own.
fn check_profile(name: &str, mistakes: &mut Vec<Mistake>) {
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) {
        mistakes.push(Mistake::new("profile", "must be letters, digits, dots, dashes and underscores"));
    }
}
