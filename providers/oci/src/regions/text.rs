//! Which texts can be a region or a domain.

use carnet_core::{Error, safe_text};

/// Longest region or domain text that is looked at.
const MAX_LENGTH: usize = 253;

/// Longest part of a host name between dots (RFC 1035, 2.3.4).
const MAX_LABEL: usize = 63;

/// What to do about a text that is no region.
pub(super) const HINT: &str = "a region is an identifier such as us-ashburn-1 or a short code such as iad";

/// What may stand in a host name. A region comes from files, variables and the metadata service, and ends up in the
/// host that a signed request is sent to, so nothing else gets through.
pub(super) fn host_part(text: &str) -> Result<String, Error> {
    let name = text.trim().to_ascii_lowercase();
    let good = name.len() <= MAX_LENGTH
        && name.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= MAX_LABEL
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        });
    if good { Ok(name) } else { Err(no_region(text)) }
}

/// A region, alone or with its domain: the text must not be an address, nor anything else with dots in it, such as a token.
pub(super) fn region_part(text: &str) -> Result<String, Error> {
    let name = host_part(text)?;
    let good = name.split_once('.').is_none_or(|(region, domain)| {
        let top = domain.rsplit('.').next().unwrap_or_default();
        looks_like_a_region(region) && top.starts_with(|c: char| c.is_ascii_lowercase())
    });
    if good { Ok(name) } else { Err(no_region(text)) }
}

/// Whether it is built as every identifier of the table is: two letters, words and a number, with hyphens between.
pub(super) fn looks_like_a_region(label: &str) -> bool {
    let words: Vec<&str> = label.split('-').collect();
    match words.as_slice() {
        [area, places @ .., number] => {
            area.len() == 2
                && !places.is_empty()
                && [*area].iter().chain(places).all(|word| word.bytes().all(|byte| byte.is_ascii_lowercase()))
                && !number.is_empty()
                && number.bytes().all(|byte| byte.is_ascii_digit())
        }
        _ => false,
    }
}

fn no_region(text: &str) -> Error {
    Error::configuration(format!("use {} as a region", shown(text))).hint(HINT)
}

/// The text for people, in quotes. As it was given, since small letters hide what tells a token.
pub(super) fn shown(text: &str) -> String {
    let shown: String = safe_text(text).chars().take(60).collect();
    format!("{shown:?}")
}

#[cfg(test)]
mod tests {
    use carnet_core::test_context;

    use crate::regions::Region;

    #[test]
    fn refuses_addresses_and_tokens_that_have_dots_as_a_region_with_its_domain_has() {
        for text in
            ["127.0.0.1", "us-a-1.0", "us-a-1.x.0x7f", "eyJhbGciOi.eyJzdWIi.MARK", "example.org", "us-1.example.org"]
        {
            assert!(Region::resolve(&test_context(), text).is_err(), "{text}");
            let mut mistakes = Vec::new();
            Region::check("region", Some(&text.to_owned()), &mut mistakes);
            assert_eq!(mistakes.len(), 1, "{text}");
        }
        Region::resolve(&test_context(), "us-gov-ashburn-1.example.org").unwrap();
    }

    #[test]
    fn a_token_in_place_of_a_region_is_not_shown() {
        for text in ["eyJhbGciOi.eyJzdWIi.MARK", "eyJMARK_x", "EYJ eyJMARK", &format!("eyJ{}", "MARK".repeat(20))] {
            let mut mistakes = Vec::new();
            Region::check("region", Some(&text.to_owned()), &mut mistakes);
            let error = Region::resolve(&test_context(), text).unwrap_err();
            let said = format!("{error} {error:?} {mistakes:?}").to_ascii_lowercase();
            assert!(!said.contains("mark") && said.contains("[redacted]"), "{said}");
        }
    }
}
