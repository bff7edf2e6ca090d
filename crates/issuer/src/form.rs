//! Reading `application/x-www-form-urlencoded`, strictly.

use std::borrow::Cow;

use crate::OAuthError;

/// Largest body that is read, in bytes: three tokens of 64 KB, escaped, and what belongs to them.
pub const MAX_FORM: usize = 256 * 1024;
/// Most parameters.
const MAX_PARAMETERS: usize = 64;

/// Name and value.
type Parameter<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The parameters in order, decoded. One without a value counts as left out (RFC 6749, 3.2).
///
/// # Errors
/// When it is too large, not ASCII, has escapes that are none, or decodes to something else than UTF-8.
pub(crate) fn parameters(body: &[u8]) -> Result<Vec<Parameter<'_>>, OAuthError> {
    if body.len() > MAX_FORM {
        return Err(OAuthError::request("the request is too large"));
    }
    let body = std::str::from_utf8(body).ok().filter(|body| body.is_ascii());
    let body = body.ok_or_else(|| OAuthError::request("the request is not a form of ASCII characters"))?;
    let mut parameters = Vec::new();
    for pair in body.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decode(name)?, decode(value)?);
        if value.is_empty() {
            continue;
        }
        if parameters.len() >= MAX_PARAMETERS {
            return Err(OAuthError::request("the request has too many parameters"));
        }
        parameters.push((name, value));
    }
    Ok(parameters)
}

/// Tokens need no escapes, and are borrowed.
fn decode(text: &str) -> Result<Cow<'_, str>, OAuthError> {
    let wrong = || OAuthError::request("the request has an escape that is none");
    let escaped = text.as_bytes();
    if !escaped.contains(&b'%') && !escaped.contains(&b'+') {
        return Ok(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(escaped.len());
    let mut bytes = escaped.iter().copied();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => match (bytes.next().and_then(digit), bytes.next().and_then(digit)) {
                (Some(high), Some(low)) => high << 4 | low,
                _ => return Err(wrong()),
            },
            plain => plain,
        });
    }
    String::from_utf8(decoded).map(Cow::Owned).map_err(|_not_utf8| wrong())
}

/// The value of a hexadecimal digit.
const fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(body: &str) -> Option<Vec<(String, String)>> {
        let parameters = parameters(body.as_bytes()).ok()?;
        Some(parameters.into_iter().map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    #[test]
    fn names_and_values_are_decoded() {
        let expected =
            [("a", "b c"), ("d", "e/é"), ("f", "=")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(read("a=b+c&d=e%2F%C3%A9&&f=%3d&empty=&none"), Some(expected.to_vec()));
    }

    #[test]
    fn rejects_escapes_that_are_none() {
        for body in ["a=%", "a=%4", "a=%zz", "a=%ff", "a=%+1", "a=é"] {
            assert_eq!(read(body), None, "{body}");
        }
    }

    #[test]
    fn rejects_too_much() {
        assert_eq!(read(&"a=b&".repeat(MAX_PARAMETERS + 1)), None);
        assert!(read(&"a=b&".repeat(MAX_PARAMETERS)).is_some());
        assert_eq!(read(&"a".repeat(MAX_FORM + 1)), None);
    }

    proptest! {
        #[test]
        fn agrees_with_another_writer(pairs in proptest::collection::vec(("[a-z]{1,5}", ".{1,20}"), 0..5)) {
            let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
            prop_assert_eq!(read(&body), Some(pairs));
        }
    }
}
