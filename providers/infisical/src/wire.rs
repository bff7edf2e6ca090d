//! Bodies of Infisical's API ("Machine identities", "Secrets": infisical.com/docs/api-reference).

use carnet_core::Secret;
use serde::Deserialize;

/// The answer of a login or a renewal.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Issued {
    /// The token. Opaque by contract; in truth a JWT.
    pub access_token: Secret,
    /// Seconds that are configured, and not those that it will live: 0 where the server's own limit holds.
    #[serde(default)]
    pub expires_in: i64,
    /// Seconds from the login that renewals cannot pass. 0: none.
    #[serde(default, rename = "accessTokenMaxTTL")]
    pub access_token_max_ttl: i64,
    /// `Bearer`.
    #[serde(default)]
    pub token_type: String,
}

/// A secret as it is read.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RawSecret {
    /// Its name.
    pub secret_key: String,
    /// Its value; a masked one when `secret_value_hidden`.
    pub secret_value: Secret,
    /// The folder that it is in, in answers with several.
    #[serde(default)]
    pub secret_path: Option<String>,
    /// Whether the identity may see the name only.
    #[serde(default)]
    pub secret_value_hidden: bool,
}

/// A list of secrets with what is imported into their folder.
#[derive(Clone, Debug, Deserialize)]
pub struct Listed {
    /// The folder's own.
    pub secrets: Vec<RawSecret>,
    /// Those of other folders, later ones over earlier ones.
    #[serde(default)]
    pub imports: Vec<Imported>,
}

/// What is imported from one folder.
#[derive(Clone, Debug, Deserialize)]
pub struct Imported {
    /// Its secrets.
    pub secrets: Vec<RawSecret>,
}

#[derive(Deserialize)]
struct One {
    secret: RawSecret,
}

/// Reads the answer to a login or a renewal.
///
/// # Errors
/// What is wrong with it, without quoting it.
pub fn parse_issued(body: &[u8]) -> Result<Issued, &'static str> {
    let issued: Issued = serde_json::from_slice(body).map_err(|_quoting| "it is not the JSON of a login")?;
    if issued.access_token.is_empty() {
        return Err("the token is empty");
    }
    if issued.expires_in < 0 || issued.access_token_max_ttl < 0 {
        return Err("the life of the token is negative");
    }
    if !issued.token_type.is_empty() && !issued.token_type.eq_ignore_ascii_case("bearer") {
        return Err("the type of the token is not `Bearer`");
    }
    Ok(issued)
}

/// Reads a list of secrets.
///
/// # Errors
/// What is wrong with it, without quoting it.
pub fn parse_list(body: &[u8]) -> Result<Listed, &'static str> {
    serde_json::from_slice(body).map_err(|_quoting| "it is not the JSON of a list of secrets")
}

/// Reads one secret.
///
/// # Errors
/// What is wrong with it, without quoting it.
pub fn parse_one(body: &[u8]) -> Result<RawSecret, &'static str> {
    let one: One = serde_json::from_slice(body).map_err(|_quoting| "it is not the JSON of a secret")?;
    Ok(one.secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_read() {
        let body = br#"{"accessToken":"eyJ.x.y","expiresIn":2592000,"accessTokenMaxTTL":2592000,"tokenType":"Bearer"}"#;
        let issued = parse_issued(body).unwrap();
        assert_eq!((issued.expires_in, issued.access_token_max_ttl), (2_592_000, 2_592_000));
    }

    #[test]
    fn rejects_answers_that_are_none() {
        for (body, wanted) in [
            ("<html>", "it is not the JSON of a login"),
            ("{}", "it is not the JSON of a login"),
            (r#"{"accessToken":""}"#, "the token is empty"),
            (r#"{"accessToken":"x","expiresIn":-1}"#, "the life of the token is negative"),
            (r#"{"accessToken":"x","tokenType":"DPoP"}"#, "the type of the token is not `Bearer`"),
        ] {
            assert_eq!(parse_issued(body.as_bytes()).unwrap_err(), wanted, "{body}");
        }
        assert!(parse_list(b"{}").is_err() && parse_one(b"{}").is_err());
    }

    #[test]
    fn secrets_are_read_with_and_without_what_is_optional() {
        let list = br#"{"secrets":[{"id":"i","secretKey":"A","secretValue":"a","version":1}]}"#;
        let list = parse_list(list).unwrap();
        assert_eq!((list.secrets[0].secret_value.expose(), list.imports.len()), ("a", 0));
        let one =
            br#"{"secret":{"secretKey":"A","secretValue":"<hidden>","secretValueHidden":true,"secretPath":"/x"}}"#;
        assert!(parse_one(one).unwrap().secret_value_hidden);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_can_come(body: Vec<u8>, text: String) {
            let login = serde_json::json!({ "accessToken": text, "expiresIn": i64::MAX }).to_string();
            for body in [body, login.into_bytes()] {
                let _whatever = (parse_issued(&body), parse_list(&body), parse_one(&body));
            }
        }
    }
}
