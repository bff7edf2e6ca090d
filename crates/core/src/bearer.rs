//! What a bearer token is made of, and where one may be sent.

use std::net::IpAddr;

use url::{Host, Url};

use crate::{Secret, is_loopback};

/// Largest token, in bytes: no header of any service takes a longer one.
const MAX_TOKEN: usize = 64 * 1024;

/// Whether a text can be a token: one word of visible ASCII, at most 64 KiB. The syntax of RFC 6750, 2.1 is narrower, and some
/// issuers do not keep to it; but no token has a blank, a line break or another control character, and what has one would end
/// the header that carries it and begin another.
///
/// # Errors
/// What is wrong, as a sentence about the token; never a part of it.
///
/// ```
/// use carnet_core::{Secret, check_token};
///
/// check_token(&Secret::new("ya29.a0~+/=")).unwrap();
/// assert!(check_token(&Secret::new("abc\r\nX-Evil: 1")).is_err());
/// ```
pub fn check_token(token: &Secret) -> Result<(), &'static str> {
    if token.is_empty() {
        return Err("there is nothing in it");
    }
    if token.len() > MAX_TOKEN {
        return Err("it is larger than 64 KiB, so it is no token");
    }
    let is_word = token.expose().bytes().all(|byte| byte.is_ascii_graphic());
    if is_word { Ok(()) } else { Err("it is not one word of visible ASCII") }
}

/// Whether what is sent to a URL stays between this machine and the server, so that tokens may go there: `https`, or `http` to
/// this machine or to the address of a metadata service, which is one hop away and speaks nothing else. Names are not resolved.
pub fn may_carry_tokens(url: &Url) -> bool {
    let is_near = || match url.host() {
        Some(Host::Ipv4(address)) => is_metadata_address(address.into()),
        Some(Host::Ipv6(address)) => is_metadata_address(address.into()),
        Some(Host::Domain(_)) | None => false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && (is_loopback(url) || is_near()))
}

/// Names that mean a metadata service or this machine wherever they resolve as their owners meant them: Google documents its
/// metadata server under the first (Compute Engine, "View and query VM metadata"), the second is `localhost` (RFC 6761, 6.3).
const NEAR: [&str; 2] = ["metadata.google.internal", "localhost"];

/// Whether a URL is `http` to a name that stands for a metadata service or for this machine, with or without the dot at its
/// end. A name proves nothing: tokens may go there in plain text only with [`crate::Destination::Metadata`], which looks at
/// the address when it is dialled and takes no proxy.
pub fn is_near_by_name(url: &Url) -> bool {
    let name = url.domain().map(|name| name.strip_suffix('.').unwrap_or(name));
    url.scheme() == "http" && name.is_some_and(|name| NEAR.contains(&name))
}

/// Whether a metadata service may live at an address: loopback, link-local (`169.254.0.0/16`, `fe80::/10`) or
/// unique-local (`fd00::/8`, where OCI has `fd00:c1::a9fe:a9fe`, Google `fd20:ce::254` and AWS `fd00:ec2::254`).
pub fn is_metadata_address(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unicast_link_local() || v6.octets().first() == Some(&0xfd),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_word_of_visible_ascii() {
        check_token(&Secret::new("!~a.b-c_d+/=")).unwrap();
        check_token(&Secret::new("t".repeat(MAX_TOKEN))).unwrap();
        assert_eq!(check_token(&Secret::new("")), Err("there is nothing in it"));
        assert!(check_token(&Secret::new("t".repeat(MAX_TOKEN + 1))).unwrap_err().contains("larger"));
        for between in [" ", "\t", "\r\n", "\n", "\0", "\u{7f}", "\u{85}", "\u{a0}", "\u{202e}", "\u{feff}", "é"] {
            let bent = check_token(&Secret::new(format!("abc{between}def")));
            assert_eq!(bent, Err("it is not one word of visible ASCII"), "{between:?}");
        }
    }

    #[test]
    fn tokens_go_in_plain_text_to_this_machine_and_to_metadata_services_only() {
        for (url, may) in [
            ("https://a.example", true),
            ("http://127.0.0.1:7/t", true),
            ("http://localhost/t", true),
            ("http://[::1]/t", true),
            ("http://169.254.169.254/t", true),
            ("http://[fd00:ec2::254]/t", true),
            ("http://[fe80::a9fe:a9fe]/t", true),
            ("http://a.example", false),
            ("http://localhost.example", false),
            ("http://10.0.0.1", false),
            ("http://169.253.169.254", false),
            ("http://[2001:db8::1]", false),
            ("ftp://127.0.0.1", false),
        ] {
            assert_eq!(may_carry_tokens(&url.parse().unwrap()), may, "{url}");
        }
    }

    #[test]
    fn few_names_stand_for_what_is_near() {
        for (url, near) in [
            ("http://metadata.google.internal/computeMetadata/v1/", true),
            ("http://METADATA.google.internal.:80/", true),
            ("http://localhost./t", true),
            ("http://localhost/t", true),
            ("https://metadata.google.internal/", false),
            ("http://metadata.google.internal../", false),
            ("http://metadata.google.internal.example/", false),
            ("http://a.metadata.google.internal/", false),
            ("http://metadata/", false),
            ("http://a.localhost/", false),
            ("http://169.254.169.254/", false),
        ] {
            assert_eq!(is_near_by_name(&url.parse().unwrap()), near, "{url}");
        }
        let by_name = "http://metadata.google.internal/".parse().unwrap();
        assert!(!may_carry_tokens(&by_name), "nobody looks where it resolves to");
    }
}
