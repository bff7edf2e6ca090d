//! What X509-SVIDs and the certificates of their authorities say.

use carnet_jose::Algorithm;
use carnet_x509::{AuthorityProfile, LeafProfile};
use jiff::Timestamp;

use crate::{SpiffeId, TrustDomain};

/// The organisation in subjects. Some servers refuse an empty subject or tell callers apart by it; SPIFFE looks at none.
const ORGANIZATION: &str = "SPIFFE";

/// A leaf for this workload (X509-SVID, 2 to 4): exactly one URI, server and client authentication. `not_before` is put back
/// by the caller for clocks that disagree. The subject has the first DNS name as its common name.
pub fn svid_profile(id: &SpiffeId, dns_names: &[String], not_before: Timestamp, not_after: Timestamp) -> LeafProfile {
    let mut subject = vec![("O", ORGANIZATION.to_owned())];
    // A common name has at most 64 characters (RFC 5280, appendix A.1).
    subject.extend(dns_names.first().filter(|name| name.len() <= 64).map(|name| ("CN", name.clone())));
    LeafProfile {
        subject,
        dns: dns_names.to_vec(),
        ip: Vec::new(),
        uri: vec![id.to_string()],
        server: true,
        client: true,
        not_before,
        not_after,
        key: Algorithm::Es256,
    }
}

/// An authority of this trust domain (X509-SVID, 4): its URI is the ID of the domain. `path_length` is how many
/// authorities may stand between it and a leaf; `None` means any number.
pub fn authority_profile(
    domain: &TrustDomain,
    subject: Vec<(&'static str, String)>,
    path_length: Option<u8>,
    not_before: Timestamp,
    not_after: Timestamp,
) -> AuthorityProfile {
    AuthorityProfile { subject, uri: vec![domain.id().to_string()], path_length, not_before, not_after }
}
