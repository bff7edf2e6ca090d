//! A Vault token, and the secrets it opens, in the forms that Vault's clients and others read.

mod secrets;
mod token;

pub use self::{
    secrets::{SecretItem, VaultSecrets},
    token::{VaultEnv, VaultTokenFile, VaultTokenHelper},
};

use carnet_core::{Secret, SecretBytes};

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
mod tests;
