//! Names of kinds of tokens.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// RFC 8693, 3.
const URN: &str = "urn:ietf:params:oauth:token-type:";
/// Ours. JWT-SVID and X509-SVID have no registered names; the first may also be called a JWT.
const OWN_URN: &str = "urn:carnet:token-type:";

/// What is shown to prove who somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SubjectType {
    /// `urn:ietf:params:oauth:token-type:jwt`: a JWT of an issuer, a JWT-SVID too.
    Jwt,
    /// `urn:ietf:params:oauth:token-type:id_token`.
    IdToken,
    /// `urn:ietf:params:oauth:token-type:access_token`: one that is a JWT (RFC 9068).
    AccessToken,
    /// `urn:carnet:token-type:jwt-svid`.
    JwtSvid,
    /// `urn:carnet:token-type:x509-svid`: the certificate of the connection.
    X509Svid,
    /// `urn:carnet:token-type:oci-request`: a request that a principal of OCI has signed, as a login in base64url.
    OciRequest,
    /// `urn:carnet:token-type:aws-request`: the same of AWS.
    AwsRequest,
}

impl SubjectType {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Jwt,
        Self::IdToken,
        Self::AccessToken,
        Self::JwtSvid,
        Self::X509Svid,
        Self::OciRequest,
        Self::AwsRequest,
    ];

    /// Whether it is a request that was signed, which is good once.
    pub const fn is_signed_request(self) -> bool {
        matches!(self, Self::OciRequest | Self::AwsRequest)
    }

    /// Its identifier in a request.
    pub fn urn(self) -> String {
        match self {
            Self::Jwt => format!("{URN}jwt"),
            Self::IdToken => format!("{URN}id_token"),
            Self::AccessToken => format!("{URN}access_token"),
            Self::JwtSvid | Self::X509Svid | Self::OciRequest | Self::AwsRequest => format!("{OWN_URN}{}", self.name()),
        }
    }

    /// The type of this identifier.
    pub fn from_urn(urn: &str) -> Option<Self> {
        if let Some(name) = urn.strip_prefix(URN) {
            return [(Self::Jwt, "jwt"), (Self::IdToken, "id_token"), (Self::AccessToken, "access_token")]
                .into_iter()
                .find_map(|(found, known)| (name == known).then_some(found));
        }
        let name = urn.strip_prefix(OWN_URN)?;
        let own = [Self::JwtSvid, Self::X509Svid, Self::OciRequest, Self::AwsRequest];
        own.into_iter().find(|found| found.name() == name)
    }

    /// Its name in rules and in the audit.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jwt => "jwt",
            Self::IdToken => "id-token",
            Self::AccessToken => "access-token",
            Self::JwtSvid => "jwt-svid",
            Self::X509Svid => "x509-svid",
            Self::OciRequest => "oci-request",
            Self::AwsRequest => "aws-request",
        }
    }
}

/// What is issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum IssueType {
    /// A JWT access token (RFC 9068), which can be renewed, looked up and revoked.
    AccessToken,
    /// A JWT-SVID.
    JwtSvid,
    /// An X509-SVID for the key of a certificate request.
    X509Svid,
}

impl IssueType {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::AccessToken, Self::JwtSvid, Self::X509Svid];

    /// Its identifier in an answer: what a client of RFC 8693 knows, where there is such a name.
    pub fn urn(self) -> String {
        match self {
            Self::AccessToken => format!("{URN}access_token"),
            Self::JwtSvid => format!("{URN}jwt"),
            Self::X509Svid => format!("{OWN_URN}{}", self.name()),
        }
    }

    /// The type of this identifier in a request.
    pub fn from_urn(urn: &str) -> Option<Self> {
        match urn.strip_prefix(URN) {
            Some("access_token") => Some(Self::AccessToken),
            Some("jwt") => Some(Self::JwtSvid),
            Some(_) => None,
            None => {
                let name = urn.strip_prefix(OWN_URN)?;
                [Self::JwtSvid, Self::X509Svid].into_iter().find(|found| found.name() == name)
            }
        }
    }

    /// Its name in rules and in the audit.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AccessToken => "access-token",
            Self::JwtSvid => "jwt-svid",
            Self::X509Svid => "x509-svid",
        }
    }

    /// `token_type` of the answer. A certificate is no token that is borne (RFC 8693, 2.2.1).
    pub const fn token_type(self) -> &'static str {
        match self {
            Self::AccessToken | Self::JwtSvid => "Bearer",
            Self::X509Svid => "N_A",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_back() {
        for kind in SubjectType::ALL {
            assert_eq!(SubjectType::from_urn(&kind.urn()), Some(kind));
        }
        for kind in IssueType::ALL {
            assert_eq!(IssueType::from_urn(&kind.urn()), Some(kind));
        }
        assert_eq!(IssueType::from_urn("urn:carnet:token-type:jwt-svid"), Some(IssueType::JwtSvid));
    }

    #[test]
    fn rejects_names_of_what_is_not_taken() {
        for urn in ["urn:ietf:params:oauth:token-type:saml2", "jwt", "", "urn:carnet:token-type:jwt"] {
            assert_eq!(SubjectType::from_urn(urn), None, "{urn}");
            assert_eq!(IssueType::from_urn(urn), None, "{urn}");
        }
    }
}
