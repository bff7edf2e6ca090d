//! Issuers that are no issuers of tokens: the tenancies of OCI and the accounts of AWS whose principals sign requests.

use carnet_aws::trust::login::is_account;
use carnet_oci::trust::login::Ocid;

/// What the name of a tenancy begins with.
pub(crate) const OCI: &str = "oci://";
/// What the name of an account begins with.
pub(crate) const AWS: &str = "aws://";

/// Whose principals sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SignedIssuer {
    /// OCID of the tenancy.
    Oci(String),
    /// Number of the account.
    Aws(String),
}

impl SignedIssuer {
    /// Reads the name of an issuer. `None` when it is none of these.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(issuer: &str) -> Option<Result<Self, &'static str>> {
        if let Some(tenancy) = issuer.strip_prefix(OCI) {
            let fits = Ocid::parse(tenancy).is_some_and(|ocid| ocid.kind == "tenancy");
            return Some(
                fits.then(|| Self::Oci(tenancy.to_owned())).ok_or("behind oci:// stands the OCID of a tenancy"),
            );
        }
        let account = issuer.strip_prefix(AWS)?;
        let fits = is_account(account);
        Some(fits.then(|| Self::Aws(account.to_owned())).ok_or("behind aws:// stand the twelve digits of an account"))
    }
}

/// Whether it is the name of one, right or wrong.
pub(crate) fn is_signed(issuer: &str) -> bool {
    issuer.starts_with(OCI) || issuer.starts_with(AWS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenancies_and_accounts_are_issuers() {
        let tenancy = "ocid1.tenancy.oc1..aaaa";
        assert_eq!(SignedIssuer::parse(&format!("oci://{tenancy}")), Some(Ok(SignedIssuer::Oci(tenancy.to_owned()))));
        assert_eq!(SignedIssuer::parse("aws://123456789012"), Some(Ok(SignedIssuer::Aws("123456789012".to_owned()))));
        assert_eq!(SignedIssuer::parse("https://issuer.example"), None);
    }

    #[test]
    fn rejects_other_names() {
        for issuer in
            ["oci://", "oci://ocid1.user.oc1..a", "oci://ocid1.tenancy.oc1..a/", "aws://1", "aws://12345678901x"]
        {
            assert!(matches!(SignedIssuer::parse(issuer), Some(Err(_))), "{issuer}");
        }
    }
}
