//! Which names are those of secrets.

/// What names of secrets have in them.
const SECRET: [&str; 11] = [
    "secret",
    "password",
    "passwd",
    "passphrase",
    "token",
    "assertion",
    "private_key",
    "api_key",
    "apikey",
    "authorization",
    "cookie",
];
/// How names of secrets end that are too short to be looked for in others.
const SECRET_END: [&str; 4] = ["pwd", "pin", "sig", "signature"];
/// Names that end like [`PLACE`] and are secrets: what a program logs in to Vault with, its AppRole's.
const SECRET_ID: &str = "secret_id";
/// How names of what is not the secret itself end.
const PLACE: [&str; 17] = [
    "_file",
    "_path",
    "_env",
    "_url",
    "_type",
    "_id",
    "_name",
    "_endpoint",
    "_dir",
    "_field",
    "_format",
    "_audience",
    "_lifetime",
    "_method",
    "_origin",
    "_review",
    "_seconds",
];
/// What stands before a route's name.
pub(super) const ROUTE: &str = "route.";
/// Tables of the configuration that are about tokens and hold none.
const TABLES: [&str; 4] = ["tokens", "join-token", "oci-token", "oci-signature"];

/// Whether a field of this name holds a secret itself, rather than the place of one.
pub(crate) fn sounds_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase().replace('-', "_");
    let is_secret = SECRET.iter().any(|word| key.contains(word))
        || key.rsplit('_').next().is_some_and(|end| SECRET_END.contains(&end));
    is_secret && (key.ends_with(SECRET_ID) || !PLACE.iter().any(|end| key.ends_with(end)))
}

/// Whether what comes after this word of a text is to be hidden. A word may be a dotted name: in a secret's table, as in
/// `client_secret.value`, all are secrets. So many of the tables that it is in are looked at, the innermost first.
pub(super) fn names_secret(word: &str, parents: usize) -> bool {
    let mut names = word.rsplit('.').peekable();
    let own = names.next().is_some_and(|name| sounds_secret(name) || is_headers(name));
    own || (0..parents).map_while(|_| names.next().map(|name| (name, names.peek().copied()))).any(|(name, parent)| {
        let is_secret = (sounds_secret(name) && !is_table(name)) || is_headers(name);
        // The names of routes are their users' own.
        is_secret && parent != Some("route")
    })
}

/// Whether this is the name of a section in which all are secrets. The names of routes are their users' own.
pub(super) fn names_section(name: &str) -> bool {
    let mut parents = name.rsplit('.').skip(1);
    names_secret(name, usize::MAX) && !is_table(name) && parents.next() != Some("route")
}

/// The name of a section without brackets, quotes and blanks. A route's name in quotes, which may have dots in it, is
/// their users' own: another, `a`, stands for it.
pub(super) fn bare_section(name: &str) -> String {
    let quotes = ['"', '\''];
    let name = name.replace(['[', ' ', '\t'], "");
    let route = name.strip_prefix(ROUTE).and_then(|rest| {
        let quote = rest.chars().next().filter(|letter| quotes.contains(letter))?;
        rest.strip_prefix(quote)?.split_once(quote)
    });
    match route {
        Some((_, fields)) => format!("{ROUTE}a{fields}").replace(quotes, ""),
        None => name.replace(quotes, ""),
    }
}

/// Whether this is the name of a table of headers, which may carry keys under any name.
fn is_headers(name: &str) -> bool {
    name.eq_ignore_ascii_case("headers")
}

/// Whether this is the name of a table that is looked into by the names in it.
pub(super) fn is_table(name: &str) -> bool {
    name.rsplit('.').next().is_some_and(|name| TABLES.contains(&name))
}

/// Whether the whole text is one `${NAME}`.
pub(crate) fn is_reference(text: &str) -> bool {
    text.strip_prefix("${").and_then(|text| text.strip_suffix('}')).is_some_and(carnet_core::is_variable_name)
}
