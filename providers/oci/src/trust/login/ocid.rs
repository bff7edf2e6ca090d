//! The names of things ("Resource Identifiers": `ocid1.TYPE.REALM.[REGION][.FUTURE USE].UNIQUE`).

/// Longest name, in bytes (the same page).
const MAX_LENGTH: usize = 255;

/// A name whose form is right. What it is part of, a path for instance, it does not leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ocid<'a> {
    /// `user`, `tenancy`, `instance` …
    pub kind: &'a str,
    /// `oc1` …
    pub realm: &'a str,
}

impl<'a> Ocid<'a> {
    /// Reads a name: five or six parts of lower-case letters, digits, dashes and underscores, of which only the region may be
    /// empty.
    pub fn parse(text: &'a str) -> Option<Self> {
        let parts: Vec<&str> = text.split('.').collect();
        let (version, kind, realm, rest) = match parts.as_slice() {
            [version, kind, realm, rest @ ..] if matches!(rest.len(), 2 | 3) => (version, kind, realm, rest),
            _ => return None,
        };
        let plain = |part: &&str| {
            part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_'))
        };
        let whole = text.len() <= MAX_LENGTH
            && *version == "ocid1"
            && parts.iter().all(plain)
            && !kind.is_empty()
            && realm.strip_prefix("oc").is_some_and(|number| !number.is_empty())
            && rest.iter().skip(1).all(|part| !part.is_empty());
        whole.then_some(Self { kind, realm })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_its_type_and_realm() {
        for (text, kind, realm) in [
            ("ocid1.user.oc1..aaaa", "user", "oc1"),
            ("ocid1.instance.oc1.iad.anuwcljt", "instance", "oc1"),
            ("ocid1.workload.oc19.nrt.ccgtvp5s4ca.aaaa", "workload", "oc19"),
        ] {
            assert_eq!(Ocid::parse(text), Some(Ocid { kind, realm }), "{text}");
        }
    }

    #[test]
    fn rejects_what_would_lead_elsewhere() {
        for text in [
            "",
            "ocid1.user.oc1..",
            "ocid1.user.oc1",
            "ocid1.user.oc1..a/../../groups/b",
            "ocid1.user.oc1..a?b",
            "ocid1.user.oc1..a#b",
            "ocid1.user.oc1..a%2eb",
            "ocid1.user.oc1..A",
            "ocid1.user.oc1..a ",
            " ocid1.user.oc1..a",
            "ocid2.user.oc1..a",
            "ocid1..oc1..a",
            "ocid1.user.xx..a",
            "ocid1.user.oc..a",
            "ocid1.user.oc1.a.b.c.d",
        ] {
            assert_eq!(Ocid::parse(text), None, "{text}");
        }
        assert_eq!(Ocid::parse(&format!("ocid1.user.oc1..{}", "a".repeat(256))), None);
    }
}
