//! Oracle's own hosts, of regions that are known.

use crate::{
    regions::Region,
    trust::{Checked, show, signature::refuse},
};

/// The services whose reads are taken.
const IDENTITY: &str = "identity";
const OBJECT_STORAGE: &str = "objectstorage";

/// A service of a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServiceHost {
    Identity,
    ObjectStorage,
}

/// Which service of which region this is: one of the table of regions, of this realm, and of these regions if there are any.
/// Compared whole: a port, another case, a dot behind it are another host.
///
/// # Errors
/// Clause `host`.
pub(super) fn service_host(host: &str, realm: &str, regions: &[String]) -> Checked<ServiceHost> {
    let wrong = || {
        let wanted = match regions {
            [] => format!("identity.REGION or objectstorage.REGION of a region of the realm {realm}, or our own"),
            some => format!("identity.REGION or objectstorage.REGION with one of {}, or our own", some.join(", ")),
        };
        refuse("host", show(host), wanted, "sign the request for a region of the tenancy's realm, or for this server")
    };
    let (service, rest) = host.split_once('.').ok_or_else(wrong)?;
    let found = match service {
        IDENTITY => ServiceHost::Identity,
        OBJECT_STORAGE => ServiceHost::ObjectStorage,
        _ => return Err(wrong()),
    };
    let name = rest.split('.').next().unwrap_or_default();
    let region = Region::built_in(name).filter(|region| region.identifier() == name).ok_or_else(wrong)?;
    if region.realm() != Some(realm) || !(regions.is_empty() || regions.iter().any(|known| known == name)) {
        return Err(wrong());
    }
    // `identity.us-ashburn-1.oci.oraclecloud.com` is what newer SDKs call the same.
    let plain = region.host(service);
    let newer = plain.replacen(&format!("{service}.{name}."), &format!("{service}.{name}.oci."), 1);
    if host == plain || host == newer { Ok(found) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_hosts_of_regions_of_the_realm() {
        let found = |host| service_host(host, "oc1", &[]);
        assert_eq!(found("identity.us-ashburn-1.oraclecloud.com"), Ok(ServiceHost::Identity));
        assert_eq!(found("identity.us-ashburn-1.oci.oraclecloud.com"), Ok(ServiceHost::Identity));
        assert_eq!(found("objectstorage.eu-frankfurt-1.oraclecloud.com"), Ok(ServiceHost::ObjectStorage));
        let government = service_host("identity.uk-gov-london-1.oraclegovcloud.uk", "oc4", &[]);
        assert_eq!(government, Ok(ServiceHost::Identity));
    }

    #[test]
    fn rejects_every_other_host() {
        for host in [
            "identity.us-ashburn-1.oraclecloud.com.evil.example",
            "identity.us-ashburn-1.oraclecloud.com:443",
            "identity.us-ashburn-1.oraclecloud.com.",
            "user@identity.us-ashburn-1.oraclecloud.com",
            "Identity.us-ashburn-1.oraclecloud.com",
            "identity.US-ASHBURN-1.oraclecloud.com",
            "identity.iad.oraclecloud.com",
            "identity.xx-example-1.oraclecloud.com",
            "identity.us-ashburn-1.oraclecloud.eu",
            "identity.eu-madrid-2.oraclecloud.eu",
            "auth.us-ashburn-1.oraclecloud.com",
            "identity.us-ashburn-1.oci.oci.oraclecloud.com",
            "[2001:db8::1]",
            "127.0.0.1",
            "identity",
            "",
        ] {
            assert_eq!(service_host(host, "oc1", &[]).unwrap_err().clause, "host", "{host}");
        }
    }

    #[test]
    fn rejects_a_region_that_is_not_listed() {
        let regions = ["eu-frankfurt-1".to_owned()];
        assert!(service_host("identity.eu-frankfurt-1.oraclecloud.com", "oc1", &regions).is_ok());
        assert_eq!(service_host("identity.us-ashburn-1.oraclecloud.com", "oc1", &regions).unwrap_err().clause, "host");
    }
}
