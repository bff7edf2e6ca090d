//! Token type identifiers (RFC 8693, 3).

use carnet_core::{Kind, Mistake};
use url::Url;

pub(crate) const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
pub(crate) const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
pub(crate) const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// Short names that a configuration may use.
const SHORT: [(&str, &str); 3] = [("access-token", ACCESS_TOKEN), ("id-token", ID_TOKEN), ("jwt", JWT)];

/// Longest identifier that is taken, in bytes.
const MAX_LENGTH: usize = 256;

/// The identifier that a field of the configuration means: a short name, or a URI as it is.
pub(crate) fn check(field: &str, text: &str) -> Result<String, Mistake> {
    if let Some((_, uri)) = SHORT.iter().find(|(short, _)| *short == text) {
        return Ok((*uri).to_owned());
    }
    let is_uri =
        text.len() <= MAX_LENGTH && text.bytes().all(|byte| byte.is_ascii_graphic()) && Url::parse(text).is_ok();
    if is_uri {
        return Ok(text.to_owned());
    }
    Err(Mistake::new(field, "is not a token type")
        .hint("give `access-token`, `id-token`, `jwt`, or the URI that the other side's manual names (urn:…)"))
}

/// How a credential of this kind is announced unless the configuration says otherwise.
pub(crate) fn of_kind(kind: Kind) -> &'static str {
    match kind {
        Kind::AccessToken => ACCESS_TOKEN,
        _ => JWT,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_short_names_and_uris() {
        assert_eq!(check("x", "id-token").unwrap(), ID_TOKEN);
        assert_eq!(check("x", "urn:carnet:token-type:jwt-svid").unwrap(), "urn:carnet:token-type:jwt-svid");
    }

    #[test]
    fn rejects_what_is_no_uri() {
        for text in ["", "access_token", "urn:a b", &format!("urn:{}", "a".repeat(300))] {
            assert_eq!(check("x", text).unwrap_err().message, "is not a token type", "{text}");
        }
    }
}
