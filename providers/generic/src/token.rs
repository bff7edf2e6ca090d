//! From bytes to a credential.

use carnet_core::{
    AccessToken, Context, Credential, Error, Kind, Kinds, Material, Mistake, Secret, Want, check_token, safe_text,
};
use carnet_jose::SubjectToken;
use schemars::JsonSchema;
use serde::Deserialize;

/// Largest text that is read as a token or as JSON with a token in it, in bytes. Tokens are a few kilobytes; the largest
/// seen (with many groups) some tens.
pub(crate) const MAX_BYTES: usize = 256 * 1024;

/// How a token lies in a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// The text is the token; blanks and newlines around it are dropped.
    #[default]
    Text,
    /// The text is a JSON object and the token one of its members.
    Json,
}

/// What a token is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TokenKind {
    /// A token that only its issuer reads.
    AccessToken,
    /// A JSON Web Token, whose issuer, audience and end are read and checked.
    Jwt,
}

/// What to do about three parts that are none.
const WHOLE_JWT: &str = "look whether it was cut off on its way: a JWT is three parts of base64url; for any other token set `kind = \"access-token\"`";

/// How a source reads its token, checked.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    format: Format,
    field: String,
    kind: Option<TokenKind>,
}

/// The member when `field` is not given: what token endpoints answer with (RFC 6749, 5.1).
const DEFAULT_FIELD: &str = "access_token";

impl Reader {
    pub(crate) fn check(
        format: Format,
        field: Option<String>,
        kind: Option<TokenKind>,
        mistakes: &mut Vec<Mistake>,
    ) -> Self {
        match (&field, format) {
            (Some(_), Format::Text) => mistakes.push(
                Mistake::new("field", "has no meaning for text").hint("set `format = \"json\"`, or leave `field` out"),
            ),
            (Some(field), Format::Json) if field.is_empty() || field.split('.').any(str::is_empty) => mistakes.push(
                Mistake::new("field", "is empty")
                    .hint("name the member that holds the token, for instance `access_token`"),
            ),
            _ => {}
        }
        Self { format, field: field.unwrap_or_else(|| DEFAULT_FIELD.to_owned()), kind }
    }

    /// The kinds that may come out.
    pub(crate) fn gives(&self) -> Kinds {
        match self.kind {
            Some(TokenKind::AccessToken) => Kinds::of(&[Kind::AccessToken]),
            Some(TokenKind::Jwt) => Kinds::of(&[Kind::Jwt]),
            None => Kinds::of(&[Kind::Jwt, Kind::AccessToken]),
        }
    }

    /// What should be there.
    fn wanted(&self) -> String {
        match self.format {
            Format::Text => {
                "wanted is the token and nothing else; for JSON around it set `format` and `field`".to_owned()
            }
            Format::Json => format!(
                "wanted is a JSON object with the token as the text `{}`; `field` names another member",
                safe_text(&self.field)
            ),
        }
    }

    /// The credential in `bytes`. `what` names where they come from, for instance `the token in /run/token`.
    pub(crate) fn read(&self, bytes: &[u8], what: &str, context: &Context, want: &Want) -> Result<Credential, Error> {
        let token = parse_token(bytes, self.format, &self.field)
            .map_err(|wrong| Error::configuration(format!("read {what}: {wrong}")).hint(self.wanted()))?;
        let is_jwt = match self.kind {
            Some(kind) => kind == TokenKind::Jwt,
            None => looks_like_jwt(token.expose()),
        };
        if !is_jwt {
            let material = Material::AccessToken(AccessToken { token, token_type: "Bearer".to_owned() });
            return Ok(Credential::new(material));
        }
        let token = SubjectToken::parse(token).map_err(|error| {
            Error::configuration(format!("read {what}: it is not a JWT")).because(error).hint(WHOLE_JWT)
        })?;
        token.refuse_expired(what, context.now())?;
        token.refuse_other_audience(what, want.audience.as_deref()).map_err(|error| {
            error
                .hint("have it made for the audience that is needed")
                .hint("or, if the other side accepts the audience it has, say so in the next step of the route (`subject_audience`)")
        })?;
        Ok(token.into_credential())
    }
}

/// Takes the token out of a text. `field` is the member for [`Format::Json`]; dots go into nested objects.
///
/// # Errors
/// What is wrong with the text; never a part of it.
pub fn parse_token(bytes: &[u8], format: Format, field: &str) -> Result<Secret, String> {
    if bytes.len() > MAX_BYTES {
        return Err(format!("it is larger than {MAX_BYTES} bytes"));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| format!("it is not UTF-8 (byte {})", error.valid_up_to()))?;
    // A byte order mark is what some editors and PowerShell put at the start of a file.
    let text = text.trim_start_matches('\u{feff}').trim();
    let token = match format {
        Format::Text => Secret::new(text),
        Format::Json => member(text, field)?,
    };
    check_token(&token).map_err(|wrong| {
        let json = token.expose().starts_with('{');
        let advice = if json { ": this looks like JSON, so set `format = \"json\"` and `field`" } else { "" };
        format!("{wrong}{advice}")
    })?;
    Ok(token)
}

fn member(text: &str, field: &str) -> Result<Secret, String> {
    // serde_json's own message can quote a value, so only the place is kept.
    let mut value: serde_json::Value = serde_json::from_str(text)
        .map_err(|error| format!("it is not JSON (line {}, column {})", error.line(), error.column()))?;
    let name = safe_text(field);
    for part in field.split('.') {
        value = match value.get_mut(part) {
            Some(inner) => inner.take(),
            None => return Err(format!("the JSON has no member `{name}`")),
        };
    }
    match value {
        serde_json::Value::String(token) => Ok(Secret::new(token.trim())),
        _ => Err(format!("the member `{name}` is not a text")),
    }
}

/// Three parts of which the first begins like the base64url of a JSON object. Opaque tokens may have dots too.
fn looks_like_jwt(token: &str) -> bool {
    token.starts_with("eyJ") && token.split('.').count() == 3
}

#[cfg(test)]
mod tests;
