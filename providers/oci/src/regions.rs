//! Regions, realms and the host names of services.
//!
//! The table is the one of Oracle's Go SDK (`common/regions.go`, June 2026). A region that is not in it is looked up
//! in the places where the SDKs look, in their order; nothing is read before it is needed.

use carnet_core::{Context, Error, Mistake};
use serde::Deserialize;
use url::Url;

use text::{HINT, host_part, region_part, shown};

mod text;

/// A realm: its key, its second-level domain, and its regions as pairs of short code and identifier.
type Realm = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// Largest `regions-config.json` that is read, in bytes. The whole table of the SDK is a tenth of it.
const MAX_REGIONS_FILE: usize = 256 * 1024;

/// The second-level domain that SDKs assume for a region that nothing describes.
const DEFAULT_DOMAIN: &str = "oraclecloud.com";

#[rustfmt::skip]
const REALMS: &[Realm] = &[
    ("oc1", "oraclecloud.com", &[
        ("ams", "eu-amsterdam-1"), ("aga", "us-saltlake-2"), ("arn", "eu-stockholm-1"), ("auh", "me-abudhabi-1"),
        ("bog", "sa-bogota-1"), ("bom", "ap-mumbai-1"), ("cdg", "eu-paris-1"), ("cwl", "uk-cardiff-1"),
        ("dxb", "me-dubai-1"), ("fra", "eu-frankfurt-1"), ("gru", "sa-saopaulo-1"), ("hsg", "ap-batam-1"),
        ("hyd", "ap-hyderabad-1"), ("iad", "us-ashburn-1"), ("icn", "ap-seoul-1"), ("jbp", "ap-kulai-2"),
        ("jed", "me-jeddah-1"), ("jnb", "af-johannesburg-1"), ("kix", "ap-osaka-1"), ("lej", "af-casablanca-1"),
        ("lhr", "uk-london-1"), ("lin", "eu-milan-1"), ("mad", "eu-madrid-1"), ("mel", "ap-melbourne-1"),
        ("mrs", "eu-marseille-1"), ("mtz", "il-jerusalem-1"), ("mty", "mx-monterrey-1"), ("nrq", "eu-turin-1"),
        ("nrt", "ap-tokyo-1"), ("onm", "ap-delhi-1"), ("ord", "us-chicago-1"), ("orf", "eu-madrid-3"),
        ("phx", "us-phoenix-1"), ("qro", "mx-queretaro-1"), ("ruh", "me-riyadh-1"), ("scl", "sa-santiago-1"),
        ("sin", "ap-singapore-1"), ("sjc", "us-sanjose-1"), ("syd", "ap-sydney-1"), ("vap", "sa-valparaiso-1"),
        ("vcp", "sa-vinhedo-1"), ("xsp", "ap-singapore-2"), ("yny", "ap-chuncheon-1"), ("yul", "ca-montreal-1"),
        ("yyz", "ca-toronto-1"), ("zrh", "eu-zurich-1"),
    ]),
    ("oc2", "oraclegovcloud.com", &[("lfi", "us-langley-1"), ("luf", "us-luke-1")]),
    ("oc3", "oraclegovcloud.com", &[
        ("ric", "us-gov-ashburn-1"), ("pia", "us-gov-chicago-1"), ("tus", "us-gov-phoenix-1"),
    ]),
    ("oc4", "oraclegovcloud.uk", &[("ltn", "uk-gov-london-1"), ("brs", "uk-gov-cardiff-1")]),
    ("oc8", "oraclecloud8.com", &[("nja", "ap-chiyoda-1"), ("ukb", "ap-ibaraki-1")]),
    ("oc9", "oraclecloud9.com", &[("mct", "me-dcc-muscat-1"), ("ibr", "me-ibri-1")]),
    ("oc10", "oraclecloud10.com", &[("wga", "ap-dcc-canberra-1")]),
    ("oc14", "oraclecloud14.com", &[
        ("bgy", "eu-dcc-milan-1"), ("mxp", "eu-dcc-milan-2"), ("snn", "eu-dcc-dublin-2"), ("dtm", "eu-dcc-rating-2"),
        ("dus", "eu-dcc-rating-1"), ("ork", "eu-dcc-dublin-1"),
    ]),
    ("oc15", "oraclecloud15.com", &[("dac", "ap-dcc-gazipur-1")]),
    ("oc19", "oraclecloud.eu", &[("vll", "eu-madrid-2"), ("str", "eu-frankfurt-2")]),
    ("oc20", "oraclecloud20.com", &[("beg", "eu-jovanovac-1")]),
    ("oc21", "oraclecloud21.com", &[("doh", "me-dcc-doha-1"), ("vve", "me-alrayyan-1")]),
    ("oc23", "oraclecloud23.com", &[("ebb", "us-somerset-1"), ("ebl", "us-thames-1")]),
    ("oc24", "oraclecloud24.com", &[("avz", "eu-dcc-zurich-1"), ("avf", "eu-crissier-1")]),
    ("oc26", "oraclecloud26.com", &[("ahu", "me-abudhabi-3"), ("rba", "me-alain-1")]),
    ("oc29", "oraclecloud29.com", &[("rkt", "me-abudhabi-2"), ("shj", "me-abudhabi-4")]),
    ("oc35", "oraclecloud35.com", &[("dtz", "ap-seoul-2"), ("dln", "ap-suwon-1"), ("bno", "ap-chuncheon-2")]),
    ("oc42", "oraclecloud42.com", &[("yxj", "us-ashburn-2"), ("pgc", "us-newark-1")]),
    ("oc51", "oraclecloud51.com", &[("jsk", "eu-budapest-1")]),
    ("oc52", "oraclecloud52.com", &[("hnw", "sa-riodejaneiro-1")]),
];

/// A region and the domain under which its services live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    identifier: String,
    /// Empty when the identifier holds it.
    domain: String,
    realm: Option<String>,
}

/// How a region is described in `regions-config.json`, in `OCI_REGION_METADATA` and by the metadata service.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RegionMetadata {
    realm_key: String,
    realm_domain_component: String,
    region_key: String,
    region_identifier: String,
}

impl Region {
    /// Looks in the built-in table, by identifier or by short code, whatever the case.
    pub fn built_in(text: &str) -> Option<Self> {
        let text = text.trim();
        REALMS.iter().find_map(|(realm, domain, regions)| {
            let (_, identifier) = regions
                .iter()
                .find(|(key, identifier)| text.eq_ignore_ascii_case(key) || text.eq_ignore_ascii_case(identifier))?;
            Some(Self {
                identifier: (*identifier).to_owned(),
                domain: (*domain).to_owned(),
                realm: Some((*realm).to_owned()),
            })
        })
    }

    /// A mistake for a configured text that no region can have; whether there is such a region is seen when it is used.
    pub(crate) fn check(field: &str, text: Option<&String>, mistakes: &mut Vec<Mistake>) {
        if let Some(text) = text
            && region_part(text).is_err()
        {
            mistakes.push(Mistake::new(field, format!("{} is no region", shown(text))).hint(HINT));
        }
    }

    /// Whether the text can be a region.
    ///
    /// # Errors
    /// [`carnet_core::ErrorKind::Configuration`] when it cannot be part of a host name.
    pub(crate) fn plausible(text: &str) -> Result<(), Error> {
        region_part(text).map(drop)
    }

    /// The region that the environment variable `name` holds, whose name an error tells.
    pub(crate) fn of_variable(context: &Context, name: &str) -> Result<Option<Self>, Error> {
        let Some(text) = context.env(name) else { return Ok(None) };
        Self::resolve(context, &text)
            .map(Some)
            .map_err(|error| Error::configuration(format!("use the environment variable {name}")).because(error))
    }

    /// Finds a region in the order of the SDKs: the built-in table, `~/.oci/regions-config.json`,
    /// `OCI_REGION_METADATA`, a text with a dot taken as the domain part itself (Go `common/regions.go`, Python
    /// `oci/regions.py`), `OCI_DEFAULT_REALM`, and else the commercial realm.
    ///
    /// # Errors
    /// [`carnet_core::ErrorKind::Configuration`] when the text cannot be part of a host name, or when one of those
    /// places is there but malformed.
    pub fn resolve(context: &Context, text: &str) -> Result<Self, Error> {
        if let Some(region) = Self::built_in(text) {
            return Ok(region);
        }
        let name = region_part(text)?;
        if let Some(region) = from_file(context, &name)? {
            return Ok(region);
        }
        if let Some(region) = from_environment(context, &name)? {
            return Ok(region);
        }
        if name.contains('.') {
            // Whole, as the SDKs want to read it again: cut at the dot, it would mean a region of the commercial realm.
            return Ok(Self { identifier: name, domain: String::new(), realm: None });
        }
        let domain = match context.env("OCI_DEFAULT_REALM") {
            Some(domain) => host_part(&domain).map_err(|error| {
                Error::configuration("read the environment variable OCI_DEFAULT_REALM")
                    .because(error)
                    .hint("it holds the second-level domain of a realm, for instance oraclecloud.com")
            })?,
            None => DEFAULT_DOMAIN.to_owned(),
        };
        Ok(Self { identifier: name, domain, realm: None })
    }

    /// The region that a metadata document describes.
    pub(crate) fn from_metadata(metadata: &RegionMetadata) -> Result<Self, Error> {
        Ok(Self {
            identifier: region_part(&metadata.region_identifier)?,
            domain: host_part(&metadata.realm_domain_component)?,
            realm: Some(metadata.realm_key.to_ascii_lowercase()),
        })
    }

    /// The identifier, for instance `us-ashburn-1`; with its domain behind it where nothing else tells the domain.
    pub fn identifier(&self) -> &str {
        &self.identifier
    }

    /// The realm's key, for instance `oc1`, when it is known.
    pub fn realm(&self) -> Option<&str> {
        self.realm.as_deref()
    }

    /// The host name of a service here, for instance `auth.us-ashburn-1.oraclecloud.com`.
    pub fn host(&self, service: &str) -> String {
        let dot = if self.domain.is_empty() { "" } else { "." };
        format!("{service}.{}{dot}{}", self.identifier, self.domain)
    }

    /// The URL of a service here, without a path.
    ///
    /// # Errors
    /// [`carnet_core::ErrorKind::Configuration`] when service and region do not make a host name.
    pub fn endpoint(&self, service: &str) -> Result<Url, Error> {
        let host = self.host(service);
        Url::parse(&format!("https://{host}"))
            .map_err(|error| Error::configuration(format!("make a URL of the host {host}")).because(error))
    }
}

fn from_file(context: &Context, name: &str) -> Result<Option<Region>, Error> {
    let Some(home) = context.files.home() else { return Ok(None) };
    let path = home.join(".oci").join("regions-config.json");
    let Some(bytes) = context.files.read(&path, MAX_REGIONS_FILE)? else { return Ok(None) };
    let known: Vec<RegionMetadata> = serde_json::from_slice(bytes.expose()).map_err(|error| {
        Error::configuration(format!("read {}", path.display()))
            .because(error)
            .hint("it is a JSON array of {realmKey, realmDomainComponent, regionKey, regionIdentifier}")
    })?;
    known.iter().find(|metadata| metadata.names(name)).map(Region::from_metadata).transpose()
}

fn from_environment(context: &Context, name: &str) -> Result<Option<Region>, Error> {
    let Some(text) = context.env("OCI_REGION_METADATA") else { return Ok(None) };
    let metadata: RegionMetadata = serde_json::from_str(&text).map_err(|error| {
        Error::configuration("read the environment variable OCI_REGION_METADATA")
            .because(error)
            .hint("it is JSON: {realmKey, realmDomainComponent, regionKey, regionIdentifier}")
    })?;
    if metadata.names(name) { Region::from_metadata(&metadata).map(Some) } else { Ok(None) }
}

impl RegionMetadata {
    fn names(&self, name: &str) -> bool {
        self.region_identifier.eq_ignore_ascii_case(name) || self.region_key.eq_ignore_ascii_case(name)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use carnet_core::{ErrorKind, MapEnvironment, MemoryFiles, test_context};
    use proptest::prelude::*;

    use super::*;

    const METADATA: &str = r#"{"realmKey":"OC77","realmDomainComponent":"oraclecloud77.com","regionKey":"XYZ","regionIdentifier":"xx-example-1"}"#;

    #[test]
    fn short_codes_and_identifiers_lead_to_the_same_host() {
        for (text, host) in [
            ("iad", "auth.us-ashburn-1.oraclecloud.com"),
            ("IAD", "auth.us-ashburn-1.oraclecloud.com"),
            ("us-ashburn-1\n", "auth.us-ashburn-1.oraclecloud.com"),
            ("ltn", "auth.uk-gov-london-1.oraclegovcloud.uk"),
            ("eu-madrid-2", "auth.eu-madrid-2.oraclecloud.eu"),
            ("hnw", "auth.sa-riodejaneiro-1.oraclecloud52.com"),
            ("us-langley-1", "auth.us-langley-1.oraclegovcloud.com"),
        ] {
            assert_eq!(Region::resolve(&test_context(), text).unwrap().host("auth"), host);
        }
    }

    #[test]
    fn every_identifier_of_the_table_looks_like_a_region() {
        for (_, _, regions) in REALMS {
            assert!(regions.iter().all(|(_, name)| text::looks_like_a_region(name)));
        }
    }

    #[test]
    fn no_code_or_identifier_stands_twice_in_the_table() {
        let mut names: Vec<&str> =
            REALMS.iter().flat_map(|(_, _, regions)| regions.iter().flat_map(|(key, name)| [*key, *name])).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn an_unknown_region_is_looked_up_in_the_order_of_the_sdks() {
        let mut context = test_context();
        let host = |context: &Context, text: &str| Region::resolve(context, text).unwrap().host("identity");
        assert_eq!(host(&context, "xx-example-1"), "identity.xx-example-1.oraclecloud.com");
        context.environment = Arc::new(MapEnvironment::of(&[("OCI_DEFAULT_REALM", "oraclecloud99.com")]));
        assert_eq!(host(&context, "xx-example-1"), "identity.xx-example-1.oraclecloud99.com");
        context.environment = Arc::new(MapEnvironment::of(&[
            ("OCI_DEFAULT_REALM", "oraclecloud99.com"),
            ("OCI_REGION_METADATA", METADATA),
        ]));
        assert_eq!(host(&context, "xyz"), "identity.xx-example-1.oraclecloud77.com");
        assert_eq!(host(&context, "xx-other-1"), "identity.xx-other-1.oraclecloud99.com");
        let files = MemoryFiles::default();
        files.put("/home/user/.oci/regions-config.json", format!("[{}]", METADATA.replace("77", "78")));
        context.files = Arc::new(files);
        assert_eq!(host(&context, "xyz"), "identity.xx-example-1.oraclecloud78.com");
        assert_eq!(host(&context, "xx-a-1.example.org"), "identity.xx-a-1.example.org");
    }

    #[test]
    fn refuses_what_cannot_be_part_of_a_host_name() {
        for text in ["", "evil/path", "a b", "x@y", "a..b", "-a", "a-", "x#y", "x:443", "é"] {
            let error = Region::resolve(&test_context(), text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration, "{text}");
        }
    }

    #[test]
    fn a_region_with_its_domain_keeps_it_for_those_who_read_it_again() {
        let region = Region::resolve(&test_context(), "us-secret-1.oraclecloud99.com").unwrap();
        assert_eq!(region.identifier(), "us-secret-1.oraclecloud99.com");
        assert_eq!(Region::resolve(&test_context(), region.identifier()).unwrap(), region);
        assert_eq!(region.host("auth"), "auth.us-secret-1.oraclecloud99.com");
    }

    #[test]
    fn rejects_a_region_of_a_variable_by_its_name() {
        let mut context = test_context();
        context.environment = Arc::new(MapEnvironment::of(&[("OCI_REGION", "us ashburn!")]));
        let error = Region::of_variable(&context, "OCI_REGION").unwrap_err();
        assert_eq!(error.to_string(), "use the environment variable OCI_REGION");
        assert_eq!(error.hints(), [HINT]);
    }

    #[test]
    fn refuses_malformed_metadata_and_names_the_place() {
        let mut context = test_context();
        context.environment = Arc::new(MapEnvironment::of(&[("OCI_REGION_METADATA", "{")]));
        assert!(Region::resolve(&context, "xx-example-1").unwrap_err().to_string().contains("OCI_REGION_METADATA"));
        let files = MemoryFiles::default();
        files.put("/home/user/.oci/regions-config.json", "{}");
        context.files = Arc::new(files);
        assert!(Region::resolve(&context, "xx-example-1").unwrap_err().to_string().contains("regions-config.json"));
        // A known region needs none of them.
        Region::resolve(&context, "fra").unwrap();
    }

    proptest! {
        #[test]
        fn any_text_gives_a_region_whose_host_is_the_host_of_its_url_or_an_error(text in "\\PC{0,80}") {
            if let Ok(region) = Region::resolve(&test_context(), &text) {
                let host = region.host("auth");
                if let Ok(url) = region.endpoint("auth") {
                    prop_assert_eq!(url.host_str(), Some(host.as_str()));
                    prop_assert_eq!(url.path(), "/");
                }
            }
        }
    }
}
