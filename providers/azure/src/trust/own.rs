//! Tokens that Entra itself issued: no proof, but for those of managed identities of the same tenant.

use carnet_trust::Refusal;

use super::{ClientKind, Code, refuse};

/// What the issuers of Entra's own tokens begin with, v2 and v1: the public cloud, China, the US government (whose v1 is
/// the public one's). What follows is the tenant ("National clouds").
const OWN_ISSUERS: [&str; 6] = [
    "https://login.microsoftonline.com/",
    "https://sts.windows.net/",
    "https://login.partner.microsoftonline.cn/",
    "https://login.chinacloudapi.cn/",
    "https://sts.chinacloudapi.cn/",
    "https://login.microsoftonline.us/",
];

/// What the client's directory knows of a token that Entra itself issued. For the tokens of others it is not asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Home<'a> {
    /// The id of the client's tenant.
    pub tenant: &'a str,
    /// What the principal is whose object id the token's `sub` is; `None` if the tenant has none.
    pub subject: Option<ClientKind>,
}

impl Home<'_> {
    /// Of Entra's own tokens only those of managed identities count, whatever a credential says.
    pub(super) fn check(&self, issuer: &str) -> Result<(), Box<Refusal>> {
        if own_tenant(issuer).is_none() || self.subject == Some(ClientKind::ManagedIdentity) {
            return Ok(());
        }
        let fix = match self.subject {
            Some(_) => "an application's own token is no proof: show that of a managed identity",
            None => "let the subject of the credential be the object id of a managed identity of this tenant",
        };
        Err(refuse("own-issuer", issuer, "the token of a managed identity", Code::OWN_ISSUER, fix))
    }
}

/// The tenant that an issuer of Entra's own names.
pub(super) fn own_tenant(issuer: &str) -> Option<&str> {
    let named = OWN_ISSUERS.iter().find_map(|own| {
        let (start, rest) = issuer.split_at_checked(own.len())?;
        start.eq_ignore_ascii_case(own).then_some(rest)
    })?;
    named.split('/').next()
}
