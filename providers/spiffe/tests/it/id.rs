use carnet_spiffe::{IdError, SpiffeId, TrustDomain};
use proptest::prelude::*;

#[test]
fn accepts_every_good_vector() {
    for (text, domain, path) in [
        ("spiffe://a", "a", ""),
        ("spiffe://a/b", "a", "/b"),
        ("spiffe://1.2.3.4/x", "1.2.3.4", "/x"),
        ("spiffe://a_b-c.d/A.b_C-9", "a_b-c.d", "/A.b_C-9"),
        ("spiffe://a/...", "a", "/..."),
        ("spiffe://a/.b/c.", "a", "/.b/c."),
    ] {
        let id: SpiffeId = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!((id.trust_domain().as_str(), id.path(), id.as_str()), (domain, path, text));
        assert_eq!(id.is_root(), path.is_empty());
    }
}

#[test]
fn rejects_every_bad_vector() {
    let domain = |character| IdError::TrustDomainCharacter { character };
    let path = |character| IdError::PathCharacter { character };
    for (text, error) in [
        ("", IdError::Scheme),
        ("http://a/b", IdError::Scheme),
        ("SPIFFE://a/b", IdError::Scheme),
        ("spiffe:a/b", IdError::Scheme),
        (" spiffe://a", IdError::Scheme),
        ("spiffe://", IdError::NoTrustDomain),
        ("spiffe:///x", IdError::NoTrustDomain),
        ("spiffe://A/b", domain('A')),
        ("spiffe://a:1/b", domain(':')),
        ("spiffe://u@a/b", domain('@')),
        ("spiffe://a?q", domain('?')),
        ("spiffe://a#f", domain('#')),
        ("spiffe://[::1]/b", domain('[')),
        ("spiffe://b\u{fc}cher/b", domain('\u{fc}')),
        ("spiffe://a/", IdError::TrailingSlash),
        ("spiffe://a/b/", IdError::TrailingSlash),
        ("spiffe://a//b", IdError::EmptySegment),
        ("spiffe://a//", IdError::EmptySegment),
        ("spiffe://a/./b", IdError::DotSegment),
        ("spiffe://a/../b", IdError::DotSegment),
        ("spiffe://a/b/..", IdError::DotSegment),
        ("spiffe://a/b?q", path('?')),
        ("spiffe://a/b#f", path('#')),
        ("spiffe://a/%61", path('%')),
        ("spiffe://a/b\n", path('\n')),
        ("spiffe://a/b c", path(' ')),
    ] {
        assert_eq!(text.parse::<SpiffeId>(), Err(error), "{text:?}");
    }
}

#[test]
fn the_whole_may_have_2048_bytes_and_no_more() {
    let text = |length: usize| format!("spiffe://a/{}", "x".repeat(length - "spiffe://a/".len()));
    assert_eq!(text(2048).parse::<SpiffeId>().unwrap().as_str().len(), 2048);
    assert_eq!(text(2049).parse::<SpiffeId>(), Err(IdError::Long { length: 2049 }));
    let domain: TrustDomain = "a".parse().unwrap();
    assert_eq!(SpiffeId::new(&domain, &text(2049)["spiffe://a".len()..]), Err(IdError::Long { length: 2049 }));
}

#[test]
fn a_trust_domain_may_have_255_bytes_and_no_more() {
    assert!("a".repeat(255).parse::<TrustDomain>().is_ok());
    assert_eq!("a".repeat(256).parse::<TrustDomain>(), Err(IdError::LongTrustDomain { length: 256 }));
    assert!(format!("spiffe://{}/b", "a".repeat(256)).parse::<SpiffeId>().is_err());
}

#[test]
fn a_trust_domain_is_named_without_scheme_and_path() {
    assert_eq!("spiffe://a".parse::<TrustDomain>(), Err(IdError::SchemeInName));
    assert_eq!("a/b".parse::<TrustDomain>(), Err(IdError::TrustDomainCharacter { character: '/' }));
    assert_eq!("".parse::<TrustDomain>(), Err(IdError::NoTrustDomain));
    assert_eq!(TrustDomain::from_own_id("spiffe://a").unwrap().as_str(), "a");
    assert_eq!(TrustDomain::from_own_id("spiffe://a/b"), Err(IdError::HasPath));
    assert_eq!("a".parse::<TrustDomain>().unwrap().id().as_str(), "spiffe://a");
}

#[test]
fn an_id_is_put_together_from_a_domain_and_a_path() {
    let domain: TrustDomain = "example.org".parse().unwrap();
    let id = SpiffeId::new(&domain, "/ns/pay").unwrap();
    assert_eq!(id.as_str(), "spiffe://example.org/ns/pay");
    assert_eq!(id, "spiffe://example.org/ns/pay".parse().unwrap());
    assert_eq!(SpiffeId::new(&domain, "").unwrap(), domain.id());
    assert_eq!(SpiffeId::new(&domain, "ns"), Err(IdError::PathStart));
    assert_eq!(SpiffeId::new(&domain, "/a/../b"), Err(IdError::DotSegment));
}

#[test]
fn an_id_belongs_to_its_own_domain_only() {
    let id: SpiffeId = "spiffe://example.org/a".parse().unwrap();
    assert!(id.is_of(&"example.org".parse().unwrap()));
    for other in ["example.or", "example.orga", "xample.org", "org"] {
        assert!(!id.is_of(&other.parse().unwrap()), "{other}");
    }
}

#[test]
fn ids_are_strings_in_json() {
    let id: SpiffeId = serde_json::from_str("\"spiffe://a/b\"").unwrap();
    assert_eq!(serde_json::to_string(&id).unwrap(), "\"spiffe://a/b\"");
    let error = serde_json::from_str::<SpiffeId>("\"spiffe://a/b/\"").unwrap_err().to_string();
    assert!(error.starts_with("the path ends with \"/\""), "{error}");
}

proptest! {
    #[test]
    fn reading_never_panics_and_what_is_read_prints_as_it_was(text in any::<String>()) {
        if let Ok(id) = text.parse::<SpiffeId>() {
            prop_assert_eq!(id.to_string(), text);
        }
    }

    #[test]
    fn near_misses_never_panic(text in "spiffe://[a-zA-Z0-9.:/@%?#_-]{0,40}") {
        if let Ok(id) = text.parse::<SpiffeId>() {
            prop_assert_eq!(id.as_str(), text.as_str());
            prop_assert!(!id.path().contains("//") && !id.path().ends_with('/'));
            prop_assert_eq!(SpiffeId::new(&id.trust_domain(), id.path()).unwrap(), id);
        }
    }

    #[test]
    fn every_id_comes_back(domain in "[a-z0-9._-]{1,60}", segments in proptest::collection::vec("[a-zA-Z0-9_-][a-zA-Z0-9._-]{0,20}", 0..6)) {
        let path = segments.iter().fold(String::new(), |path, segment| path + "/" + segment);
        let domain: TrustDomain = domain.parse().unwrap();
        let id = SpiffeId::new(&domain, &path).unwrap();
        let again: SpiffeId = id.as_str().parse().unwrap();
        prop_assert_eq!((again.trust_domain(), again.path()), (domain, path.as_str()));
        prop_assert_eq!(again, id);
    }
}
