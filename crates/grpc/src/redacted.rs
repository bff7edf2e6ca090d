//! How messages that carry private keys and tokens print, and that they are wiped when they go.
//!
//! The codec's own buffers and those of the HTTP/2 stack are out of reach from here and are not wiped.

use std::fmt;

use zeroize::Zeroize as _;

use crate::{
    csi::v1::NodePublishVolumeRequest,
    envoy::{
        config::core::v3::{DataSource, data_source::Specifier},
        service::discovery::v3::{DiscoveryResponse, Resource},
    },
    spiffe_workload::{Jwtsvid, ValidateJwtsvidRequest, Witsvid, X509svid},
};

impl fmt::Debug for X509svid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("X509svid")
            .field("spiffe_id", &self.spiffe_id)
            .field("x509_svid", &Bytes(self.x509_svid.len()))
            .field("x509_svid_key", &Bytes(self.x509_svid_key.len()))
            .field("bundle", &Bytes(self.bundle.len()))
            .field("hint", &self.hint)
            .finish()
    }
}

impl Drop for X509svid {
    fn drop(&mut self) {
        self.x509_svid_key.zeroize();
    }
}

impl fmt::Debug for Jwtsvid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jwtsvid")
            .field("spiffe_id", &self.spiffe_id)
            .field("svid", &Bytes(self.svid.len()))
            .field("hint", &self.hint)
            .finish()
    }
}

impl Drop for Jwtsvid {
    fn drop(&mut self) {
        self.svid.zeroize();
    }
}

impl fmt::Debug for Witsvid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Witsvid")
            .field("spiffe_id", &self.spiffe_id)
            .field("wit_svid", &Bytes(self.wit_svid.len()))
            .field("wit_svid_key", &Bytes(self.wit_svid_key.len()))
            .field("hint", &self.hint)
            .finish()
    }
}

impl Drop for Witsvid {
    fn drop(&mut self) {
        self.wit_svid_key.zeroize();
    }
}

impl fmt::Debug for ValidateJwtsvidRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValidateJwtsvidRequest")
            .field("audience", &self.audience)
            .field("svid", &Bytes(self.svid.len()))
            .finish()
    }
}

impl fmt::Debug for DataSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataSource").field("specifier", &self.specifier).finish()
    }
}

impl fmt::Debug for Specifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Filename(name) => f.debug_tuple("Filename").field(name).finish(),
            Self::InlineBytes(bytes) => f.debug_tuple("InlineBytes").field(&Bytes(bytes.len())).finish(),
            Self::InlineString(text) => f.debug_tuple("InlineString").field(&Bytes(text.len())).finish(),
        }
    }
}

impl fmt::Debug for DiscoveryResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiscoveryResponse")
            .field("version_info", &self.version_info)
            .field("resources", &self.resources.len())
            .field("type_url", &self.type_url)
            .field("nonce", &self.nonce)
            .field("control_plane", &self.control_plane)
            .finish()
    }
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resource")
            .field("version", &self.version)
            .field("resource", &self.resource.as_ref().map(|resource| Bytes(resource.value.len())))
            .field("name", &self.name)
            .field("aliases", &self.aliases)
            .field("ttl", &self.ttl)
            .finish()
    }
}

impl fmt::Debug for NodePublishVolumeRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let context = self.volume_context.iter().map(|(name, value)| (name, Bytes(value.len())));
        f.debug_struct("NodePublishVolumeRequest")
            .field("volume_id", &self.volume_id)
            .field("target_path", &self.target_path)
            .field("volume_capability", &self.volume_capability)
            .field("readonly", &self.readonly)
            .field("volume_context", &context.collect::<Vec<_>>())
            .finish()
    }
}

/// A number of bytes that are not shown.
struct Bytes(usize);

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({} bytes)", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "s3cr3t";

    #[test]
    fn messages_do_not_print_keys_and_tokens() {
        let x509 = X509svid {
            spiffe_id: "spiffe://td/a".into(),
            x509_svid: Vec::new(),
            x509_svid_key: SECRET.into(),
            bundle: Vec::new(),
            hint: String::new(),
        };
        let jwt = Jwtsvid { spiffe_id: String::new(), svid: SECRET.into(), hint: String::new() };
        let wit = Witsvid {
            spiffe_id: String::new(),
            wit_svid: SECRET.into(),
            wit_svid_key: SECRET.into(),
            hint: String::new(),
        };
        let validate = ValidateJwtsvidRequest { audience: "api".into(), svid: SECRET.into() };
        let any = prost_types::Any { type_url: String::new(), value: SECRET.into() };
        let response = DiscoveryResponse { resources: vec![any.clone()], ..DiscoveryResponse::default() };
        let resource = Resource { resource: Some(any), ..Resource::default() };
        let context = [("csi.storage.k8s.io/serviceAccount.tokens".to_owned(), SECRET.to_owned())].into();
        let volume = NodePublishVolumeRequest { volume_context: context, ..NodePublishVolumeRequest::default() };
        let text = format!("{x509:?} {jwt:?} {wit:?} {validate:?} {response:?} {resource:?} {volume:?}");
        assert!(!text.contains(SECRET) && !text.contains(&format!("{:?}", SECRET.as_bytes())), "{text}");
        assert!(text.contains("spiffe://td/a") && text.contains("(6 bytes)"), "{text}");
    }

    #[test]
    fn data_that_envoy_gets_inline_does_not_print() {
        for specifier in [Specifier::InlineBytes(SECRET.into()), Specifier::InlineString(SECRET.into())] {
            let text = format!("{:?}", DataSource { specifier: Some(specifier) });
            assert!(!text.contains(SECRET) && text.contains("(6 bytes)"), "{text}");
        }
        let named = DataSource { specifier: Some(Specifier::Filename("/etc/ca.pem".into())) };
        assert!(format!("{named:?}").contains("/etc/ca.pem"));
    }
}
