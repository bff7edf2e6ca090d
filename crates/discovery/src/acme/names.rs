//! What may be asked of an authority, looked at before it is.

use std::net::IpAddr;

use carnet_core::{Mistake, safe_text};

use crate::settings::plain_domain;

/// Longest host name (RFC 1035, 2.3.4, without the dot at its end).
const MAX_NAME: usize = 253;
/// Longest part of one.
const MAX_LABEL: usize = 63;

/// The names of a certificate as they are compared and asked for, each once: lower-case, in ASCII.
///
/// # Errors
/// Each that is no host name, that is an address, or that has a wildcard: those are proved by DNS only, which is not offered
/// here (RFC 8555, 7.1.3); and that there is none.
pub fn check_names(field: &str, names: &[String]) -> Result<Vec<String>, Vec<Mistake>> {
    let (mut good, mut mistakes) = (Vec::new(), Vec::new());
    if names.is_empty() {
        mistakes.push(Mistake::new(field, "a certificate is for at least one name"));
    }
    for name in names {
        match check_name(field, name) {
            Ok(name) if good.contains(&name) => {}
            Ok(name) => good.push(name),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    if mistakes.is_empty() { Ok(good) } else { Err(mistakes) }
}

fn check_name(field: &str, text: &str) -> Result<String, Mistake> {
    let name = plain_domain(field, text)?;
    let wrong = |what: &str| Mistake::new(field, format!("`{}` {what}", safe_text(text)));
    if name.contains('*') {
        return Err(wrong("has a wildcard").hint("names with a wildcard are proved by DNS only: name each host"));
    }
    if name.starts_with('[') || name.parse::<IpAddr>().is_ok() {
        return Err(wrong("is an address").hint("certificates by ACME are for host names here"));
    }
    if !is_host_name(&name) {
        return Err(wrong("is not a host name").hint("it has letters, digits, hyphens and dots, and no dot at its end"));
    }
    Ok(name)
}

/// Whom the authority writes to: one address that stands in a `mailto:` URL as it is (RFC 8555, 7.3).
///
/// # Errors
/// When it is no such address.
pub fn check_email(field: &str, text: &str) -> Result<(), Mistake> {
    // What RFC 5322, 3.2.3, and RFC 6068, 2, let stand without quotes or percent signs.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!$'*+-._~".contains(&byte);
    let good = text.split_once('@').is_some_and(|(user, host)| {
        !user.is_empty() && user.bytes().all(plain) && is_host_name(&host.to_ascii_lowercase())
    });
    let wrong = || Mistake::new(field, format!("`{}` is not an e-mail address", safe_text(text)));
    if good { Ok(()) } else { Err(wrong().hint("write one address, such as ops@example.org, without `mailto:`")) }
}

/// Letters, digits and hyphens between dots (RFC 1123, 2.1), lower-case.
fn is_host_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let good = |label: &str| {
        (1..=MAX_LABEL).contains(&label.len())
            && label.bytes().all(plain)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= MAX_NAME && name.split('.').all(good)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(texts: &[&str]) -> Result<Vec<String>, Vec<Mistake>> {
        check_names("domains", &texts.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn accepts_names_in_any_form_and_gives_each_once() {
        let good = names(&["OIDC.Example.ORG", "bücher.example", "oidc.example.org", "localhost"]).unwrap();
        assert_eq!(good, ["oidc.example.org", "xn--bcher-kva.example", "localhost"]);
    }

    #[test]
    fn rejects_what_no_certificate_by_acme_is_for() {
        let long = format!("{}.example", "a".repeat(64));
        for text in [
            "",
            "https://x/",
            "*.example.org",
            "a*.example.org",
            "a.example:443",
            "192.0.2.7",
            "[2001:db8::7]",
            "a_b.example",
            "a.example.",
            "-a.example",
            "a-.example",
            "a..example",
            "a b.example",
            "a@b.example",
            &long,
        ] {
            let mistakes = names(&["a.example", text]).unwrap_err();
            assert_eq!(mistakes.len(), 1, "{text}");
            assert_eq!(mistakes[0].field, "domains");
        }
        assert_eq!(names(&[]).unwrap_err().len(), 1);
        assert_eq!(names(&["https://x/", "*.example.org"]).unwrap_err().len(), 2, "all at once");
    }

    #[test]
    fn an_email_is_one_address() {
        for good in ["ops@example.org", "o.p-s+acme@Example.ORG", "root@localhost"] {
            assert!(check_email("email", good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "nobody",
            "@example.org",
            "ops@",
            "mailto:ops@example.org",
            "a@example.org,b@example.org",
            "a@b@example.org",
            "a@example.org?cc=b",
            "a b@example.org",
            "ops@example.org ",
            "a@exa mple.org",
            "a%40b@example.org",
            "ö@example.org",
            "<ops@example.org>",
            "a\n@example.org",
        ] {
            assert_eq!(check_email("email", bad).unwrap_err().field, "email", "{bad}");
        }
    }
}
