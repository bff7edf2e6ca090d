//! The catalogue of relying parties: what each of them wants to be asked, and how it answers.
//!
//! The entries are data, one file each in `catalogue/`, with the address of the page behind every statement. They are part
//! of the program as text, and only the one that a configuration names is read. A file that says anything that is not
//! understood is an error, because half of a rule about tokens is worse than none.

mod check;
mod party;

pub(crate) use self::party::{
    Answer, AudienceRule, Dialect, Encoding, Lifetime, Method, Party, Place, RefusalKind, Rule, Setting,
};

/// The entries by name. The name of a file is the name of its entry.
const ENTRIES: [(&str, &str); 13] = [
    ("claude", include_str!("../catalogue/claude.toml")),
    ("crates-io", include_str!("../catalogue/crates-io.toml")),
    ("databricks", include_str!("../catalogue/databricks.toml")),
    ("databricks-account", include_str!("../catalogue/databricks-account.toml")),
    ("hcp", include_str!("../catalogue/hcp.toml")),
    ("infisical", include_str!("../catalogue/infisical.toml")),
    ("npm", include_str!("../catalogue/npm.toml")),
    ("octo-sts", include_str!("../catalogue/octo-sts.toml")),
    ("openai", include_str!("../catalogue/openai.toml")),
    ("openrouter", include_str!("../catalogue/openrouter.toml")),
    ("pypi", include_str!("../catalogue/pypi.toml")),
    ("snowflake", include_str!("../catalogue/snowflake.toml")),
    ("tailscale", include_str!("../catalogue/tailscale.toml")),
];

/// The names of all entries, in alphabetical order.
pub fn parties() -> impl Iterator<Item = &'static str> {
    ENTRIES.iter().map(|(name, _)| *name)
}

/// The entry of this name, read anew; `None` if there is none.
///
/// # Errors
/// What is wrong with the file: a fault of this program, which its tests rule out.
pub(crate) fn find(name: &str) -> Option<Result<Party, String>> {
    ENTRIES.iter().find(|(known, _)| *known == name).map(|(known, text)| read(known, text))
}

/// Reads one entry.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn read(name: &str, text: &str) -> Result<Party, String> {
    let party: Party = toml::from_str(text).map_err(|error| format!("catalogue/{name}.toml: {error}"))?;
    check::check(&party, name).map_err(|wrong| format!("catalogue/{name}.toml: {wrong}"))?;
    Ok(party)
}

#[cfg(test)]
mod tests;
