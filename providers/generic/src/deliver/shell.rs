//! Lines that a shell can evaluate.

use carnet_core::{Secret, SecretBytes};

/// `export NAME='VALUE'` lines for a POSIX shell. Inside single quotes nothing is special but the quote itself
/// (POSIX, 2.2.2), which is written as `'\''`.
pub(crate) fn export_lines(variables: &[(String, Secret)]) -> SecretBytes {
    let mut lines = String::new();
    for (name, value) in variables {
        lines.push_str("export ");
        lines.push_str(name);
        lines.push_str("='");
        lines.push_str(&value.expose().replace('\'', r"'\''"));
        lines.push_str("'\n");
    }
    SecretBytes::new(lines)
}
