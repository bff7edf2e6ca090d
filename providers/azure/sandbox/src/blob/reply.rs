//! XML and headers.

use axum::response::Response;
use http::{HeaderName, StatusCode};
use jiff::Timestamp;

use crate::reply::{ApiError, seconds, typed};

pub(super) const XML: &str = "application/xml";

/// An error ("Status and error codes").
pub(super) fn error(now: Timestamp, status: StatusCode, code: &str, message: &str) -> ApiError {
    let body = error_xml(code, &format!("{message}\nTime:{}", seconds(now)));
    ApiError::text(status, XML, body).header(HeaderName::from_static("x-ms-error-code"), code)
}

pub(super) fn error_xml(code: &str, message: &str) -> String {
    format!("{HEAD}<Error><Code>{}</Code><Message>{}</Message></Error>", escape(code), escape(message))
}

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>";

/// 200 with a document.
pub(super) fn document(body: &str) -> Response {
    typed(StatusCode::OK, XML, format!("{HEAD}{body}"))
}

/// `Sat, 21 Nov 2026 12:00:00 GMT` (RFC 9110, 5.6.7).
pub(super) fn date(time: Timestamp) -> String {
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// A text inside an element or an attribute. Characters that XML cannot have are left out.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\r' => escaped.push_str("&#13;"),
            '\t' | '\n' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'.. => escaped.push(character),
            _ => {}
        }
    }
    escaped
}

/// `<NAME>TEXT</NAME>`
pub(super) fn element(document: &mut String, name: &str, text: &str) {
    for part in ["<", name, ">", &escape(text), "</", name, ">"] {
        document.push_str(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_breaks_out_of_its_element() {
        assert_eq!(escape("a<b>&\"c\u{0}\u{fffe}"), "a&lt;b&gt;&amp;&quot;c");
        let mut document = String::new();
        element(&mut document, "Name", "</Name>");
        assert_eq!(document, "<Name>&lt;/Name&gt;</Name>");
    }

    #[test]
    fn dates_are_those_of_http() {
        assert_eq!(date(Timestamp::from_second(1_795_262_400).unwrap()), "Sat, 21 Nov 2026 12:00:00 GMT");
    }
}
