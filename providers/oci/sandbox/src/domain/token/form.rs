//! The form of a token request.

use std::{collections::BTreeMap, fmt};

use super::TokenError;

/// Parameters of a token request, decoded. Those that nobody asks for are passed over; Oracle's own set-up sample sends
/// several of them.
#[derive(Clone, PartialEq, Eq)]
pub struct Form(BTreeMap<String, String>);

/// A form that cannot be read. It names parameters and never shows a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// A percent sign is not followed by two hexadecimal digits, or the bytes are not UTF-8.
    #[error("A parameter is not encoded as a form.")]
    Encoding,
    /// RFC 6749, 3.2: "Request and response parameters MUST NOT be included more than once."
    #[error("The parameter {0} is included more than once.")]
    Repeated(String),
    /// More than [`Form::MAX_PARAMETERS`].
    #[error("There are too many parameters.")]
    TooMany,
}

impl Form {
    /// Most parameters that are read.
    pub const MAX_PARAMETERS: usize = 64;

    /// Reads a body of `application/x-www-form-urlencoded`. Empty parameters count as absent (RFC 6749, 3.2).
    ///
    /// # Errors
    /// When it is not encoded as one, or has a parameter twice.
    pub fn parse(body: &[u8]) -> Result<Self, FormError> {
        let mut parameters = BTreeMap::new();
        for pair in body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            if parameters.len() >= Self::MAX_PARAMETERS {
                return Err(FormError::TooMany);
            }
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let name = decode(halves.next().unwrap_or_default())?;
            let value = decode(halves.next().unwrap_or_default())?;
            if parameters.contains_key(&name) {
                return Err(FormError::Repeated(name.chars().filter(|c| !c.is_control()).take(40).collect()));
            }
            parameters.insert(name, value);
        }
        Ok(Self(parameters))
    }

    /// The value of a parameter that is there and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub(super) fn required(&self, name: &str) -> Result<&str, TokenError> {
        self.get(name).ok_or_else(|| TokenError::request(format!("The parameter {name} is required.")))
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Strict: what is damaged is refused and not guessed at.
fn decode(text: &[u8]) -> Result<String, FormError> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || bytes.next().and_then(|byte| char::from(*byte).to_digit(16));
                let (Some(high), Some(low)) = (digit(), digit()) else { return Err(FormError::Encoding) };
                u8::try_from(high.wrapping_mul(16).wrapping_add(low)).map_err(|_out_of_range| FormError::Encoding)?
            }
            other => *other,
        });
    }
    String::from_utf8(decoded).map_err(|_not_text| FormError::Encoding)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_clients_send() {
        let form =
            Form::parse(b"grant_type=urn:ietf:a&public_key=MII%2Bx%2F%3D%3D&scope=a+b&Sec-Fetch-Mode=cors&empty=&flag")
                .unwrap();
        assert_eq!(form.get("grant_type"), Some("urn:ietf:a"));
        assert_eq!(form.get("public_key"), Some("MII+x/=="));
        assert_eq!(form.get("scope"), Some("a b"));
        assert_eq!((form.get("empty"), form.get("flag"), form.get("absent")), (None, None, None));
        assert!(!format!("{form:?}").contains("MII"));
    }

    #[test]
    fn refuses_what_is_damaged() {
        assert_eq!(Form::parse(b"a=1&a=2"), Err(FormError::Repeated("a".to_owned())));
        for body in [&b"a=%"[..], b"a=%2", b"a=%zz", b"a=%ff", b"\xff=a"] {
            assert_eq!(Form::parse(body), Err(FormError::Encoding));
        }
        let many: Vec<String> = (0..70).map(|n| format!("p{n}=1")).collect();
        assert_eq!(Form::parse(many.join("&").as_bytes()), Err(FormError::TooMany));
    }

    proptest! {
        #[test]
        fn never_panics(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Form::parse(&body);
        }

        #[test]
        fn reads_back_what_is_encoded(value in ".{1,60}") {
            let body = url::form_urlencoded::Serializer::new(String::new()).append_pair("a", &value).finish();
            let form = Form::parse(body.as_bytes()).unwrap();
            prop_assert_eq!(form.get("a"), Some(value.as_str()));
        }
    }
}
