//! What a request is about.

use percent_encoding::percent_decode_str;

use super::DOMAIN;

/// Longest name of a blob, in characters ("Naming and referencing containers, blobs, and metadata").
const MAX_NAME: usize = 1024;

/// What a URL of the service names.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the names in the URL")]
pub enum Place {
    /// The account.
    Service { account: String },
    /// A container.
    Container { account: String, container: String },
    /// A blob.
    Blob { account: String, container: String, blob: String },
}

impl Place {
    /// Reads host name (without port) and path.
    pub fn parse(host: &str, path: &str) -> Option<Self> {
        let host = host.to_ascii_lowercase();
        let path = path.strip_prefix('/').unwrap_or(path);
        let (account, rest) = match host.strip_suffix(DOMAIN) {
            Some(account) => (account, path),
            None => path.split_once('/').unwrap_or((path, "")),
        };
        let account = account.to_owned();
        if account.is_empty() || !account.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
            return None;
        }
        let decode = |text: &str| percent_decode_str(text).decode_utf8().ok().map(std::borrow::Cow::into_owned);
        let (container, blob) = rest.split_once('/').unwrap_or((rest, ""));
        let container = decode(container)?;
        if container.is_empty() {
            return blob.is_empty().then_some(Self::Service { account });
        }
        if blob.is_empty() {
            return Some(Self::Container { account, container });
        }
        let blob = decode(blob)?;
        (blob.chars().count() <= MAX_NAME).then_some(Self::Blob { account, container, blob })
    }

    /// The account.
    pub fn account(&self) -> &str {
        match self {
            Self::Service { account } | Self::Container { account, .. } | Self::Blob { account, .. } => account,
        }
    }
}

/// 3 to 63 lower-case letters, digits and single dashes, letters or digits at both ends.
pub(crate) fn is_container_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (3..=63).contains(&name.len())
        && name.bytes().all(|byte| plain(byte) || byte == b'-')
        && name.bytes().next().is_some_and(plain)
        && name.bytes().last().is_some_and(plain)
        && !name.contains("--")
}

/// Why there is no range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeMistake {
    /// The text is none of `bytes=FIRST-LAST` and `bytes=FIRST-`.
    Form,
    /// It begins behind the end of the content.
    Outside,
}

/// The first and the last byte of `bytes=FIRST-LAST` or `bytes=FIRST-` in a content of this length.
///
/// # Errors
/// A text of another form, and a range that begins behind the end.
pub fn parse_range(text: &str, length: usize) -> Result<(usize, usize), RangeMistake> {
    let (first, last) =
        text.trim().strip_prefix("bytes=").and_then(|range| range.split_once('-')).ok_or(RangeMistake::Form)?;
    let number = |text: &str| -> Result<usize, RangeMistake> {
        let digits = !text.is_empty() && text.len() <= 18 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|_| digits).ok_or(RangeMistake::Form)
    };
    let first = number(first)?;
    let end = length.saturating_sub(1);
    let last = if last.is_empty() { end } else { number(last)?.min(end) };
    if first >= length {
        return Err(RangeMistake::Outside);
    }
    if last < first { Err(RangeMistake::Form) } else { Ok((first, last)) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_account_is_in_the_host_or_in_the_path() {
        let blob = Place::Blob { account: "a1".to_owned(), container: "c-d".to_owned(), blob: "e/f g".to_owned() };
        assert_eq!(Place::parse("A1.blob.core.windows.net", "/c-d/e%2Ff%20g"), Some(blob.clone()));
        assert_eq!(Place::parse("127.0.0.1", "/a1/c-d/e/f%20g"), Some(blob));
        let service = Place::Service { account: "a1".to_owned() };
        for path in ["/a1", "/a1/"] {
            assert_eq!(Place::parse("127.0.0.1", path), Some(service.clone()));
        }
        let container = Place::Container { account: "a1".to_owned(), container: "c".to_owned() };
        for path in ["/c", "/c/"] {
            assert_eq!(Place::parse("a1.blob.core.windows.net", path), Some(container.clone()));
        }
    }

    #[test]
    fn rejects_places_bent_in_one_place() {
        let long = format!("/a1/c/{}", "x".repeat(1025));
        for path in ["", "/", "/A1/c", "/a_1/c", "/a1//b", "/a1/%ff/b", "/a1/c/%ff", &long] {
            assert_eq!(Place::parse("127.0.0.1", path), None, "{path}");
        }
    }

    #[test]
    fn container_names_follow_the_rules() {
        for (name, expected) in [
            ("abc", true),
            ("a-1", true),
            ("ab", false),
            ("-ab", false),
            ("ab-", false),
            ("a--b", false),
            ("Abc", false),
        ] {
            assert_eq!(is_container_name(name), expected, "{name}");
        }
    }

    #[test]
    fn ranges_are_cut_at_the_end() {
        for (text, expected) in [
            ("bytes=0-4", Ok((0, 4))),
            ("bytes=0-33554431", Ok((0, 9))),
            ("bytes=9-", Ok((9, 9))),
            ("bytes=10-", Err(RangeMistake::Outside)),
            ("bytes=4-3", Err(RangeMistake::Form)),
            ("bytes=-3", Err(RangeMistake::Form)),
            ("bytes=+1-2", Err(RangeMistake::Form)),
            ("0-4", Err(RangeMistake::Form)),
        ] {
            assert_eq!(parse_range(text, 10), expected, "{text}");
        }
        assert_eq!(parse_range("bytes=0-9", 0), Err(RangeMistake::Outside));
    }

    proptest! {
        #[test]
        fn any_range_lies_inside(text in "bytes=[0-9]{0,20}-[0-9]{0,20}", length in 0_usize..100) {
            if let Ok((first, last)) = parse_range(&text, length) {
                prop_assert!(first <= last && last < length);
            }
        }

        #[test]
        fn any_place_is_answered(host in ".{0,30}", path in ".{0,60}") {
            drop(Place::parse(&host, &path));
        }
    }
}
