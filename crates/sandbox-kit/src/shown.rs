//! What a client has shown in TLS.

use std::sync::Arc;

use carnet_core::Request;

/// The certificates that a client has shown in TLS, DER, leaf first: an extension of its requests to an emulated service.
/// The client has the leaf's key; nothing else about them was looked at, so they may be anybody's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownCertificates(pub Arc<Vec<Vec<u8>>>);

impl ShownCertificates {
    /// What a request shows that is answered in this process and so without TLS: the certificate that it brings, at a URL
    /// where TLS would be.
    pub fn of(request: &Request) -> Option<Self> {
        let identity = request.identity.as_ref().filter(|_| request.url.scheme() == "https")?;
        Some(Self(Arc::new(identity.chain.clone())))
    }
}

#[cfg(test)]
mod tests {
    use carnet_core::{SecretBytes, X509Identity};

    use super::*;

    #[test]
    fn a_request_shows_its_own_certificate_where_tls_would_be() {
        let identity =
            X509Identity { chain: vec![vec![1], vec![2]], private_key: SecretBytes::new(*b"key"), bundle: Vec::new() };
        let identity = Arc::new(identity);
        let shown =
            |url: &str| ShownCertificates::of(&Request::get(url.parse().unwrap()).identity(Arc::clone(&identity)));
        assert_eq!(shown("https://sts.example/"), Some(ShownCertificates(Arc::new(vec![vec![1], vec![2]]))));
        assert_eq!(shown("http://sts.example/"), None);
        assert_eq!(ShownCertificates::of(&Request::get("https://sts.example/".parse().unwrap())), None);
    }
}
