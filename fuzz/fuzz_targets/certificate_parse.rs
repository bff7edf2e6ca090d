//! No certificate, request or key may make the readers panic, and none leads to a root that did not sign it.
#![no_main]

use carnet_jose::PublicKey;
use carnet_x509::{Certificate, CertificateRequest, ChainUsage, verify_chain_for};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|der: &[u8]| {
    drop(CertificateRequest::from_der(der));
    drop(PublicKey::from_spki(der));
    let Ok(certificate) = Certificate::from_der(der) else { return };
    assert_eq!(certificate.der(), der);
    drop(certificate.public_key());
    let roots = [der.to_vec()];
    drop(verify_chain_for(ChainUsage::Any, der, &[], &roots, certificate.not_before()));
});
