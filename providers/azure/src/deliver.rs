//! Credentials in the forms that Microsoft's libraries and tools read.

mod cli;
mod env;
mod token_file;

use carnet_core::{Mistake, Secret, SecretBytes};

pub use self::{cli::AzureCli, env::AzureEnv, token_file::AzureTokenFile};
use crate::config::{check_client, check_tenant};

/// `export NAME='VALUE'` lines. In single quotes only the quote itself is special (POSIX, 2.2.2).
fn export_lines(variables: &[(String, Secret)]) -> SecretBytes {
    let mut lines = String::new();
    for (name, value) in variables {
        let value = Secret::new(value.expose().replace('\'', r"'\''"));
        lines.extend(["export ", name, "='", value.expose(), "'\n"]);
    }
    SecretBytes::new(lines)
}

/// Tenant and client of a section.
fn check_who(tenant: &str, client_id: &str, mistakes: &mut Vec<Mistake>) {
    check_tenant("tenant", tenant, mistakes);
    check_client("client_id", client_id, mistakes);
}

#[cfg(test)]
mod tests;
