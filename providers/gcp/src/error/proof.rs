//! What to do about a signed request of AWS or a chain of certificates that was not taken.

/// The hint for such a clause.
pub(super) fn hint(clause: &str) -> Option<&'static str> {
    Some(match clause {
        "account" => {
            "the keys are of another AWS account than the provider's (`aws sts get-caller-identity` shows theirs): use other keys, or a provider for that account"
        }
        "date" => "AWS takes a signature for 15 minutes: compare the clock of this machine with the real time",
        "aws-request" | "aws-target" => {
            "Google does not take the signed request as carnet writes it: check that `aws_region` is a region of the standard partition, and that nothing in between changes requests"
        }
        "caller-identity" => {
            "AWS does not know the keys: try them with `aws sts get-caller-identity` in the same region; temporary ones may have expired, and a region may be disabled in the account"
        }
        "certificate" | "certificate-shown" => {
            "the certificate has to reach Google in TLS: name an endpoint that asks for it (`sts.mtls.googleapis.com`), and let no proxy open the connection"
        }
        "certificate-chain" => {
            "the chain must lead to a trust anchor of the provider: put the root there, and the authorities between into the trust store or behind the leaf; a leaf with an extended key usage needs clientAuth"
        }
        "certificate-dates" => {
            "get a new certificate, and compare the clock of this machine with the real time; authorities expire as well"
        }
        "certificate-depth" => {
            "leaf and trust anchor included, a chain has at most 5 certificates: make an authority further down the trust anchor"
        }
        "certificate-key" => {
            "Google takes RSA keys of 2048 to 4096 bits, P-256 and P-384, in every certificate of the chain"
        }
        "certificate-lifetime" => "let the authority issue leaves for at most 390 days",
        "token-type" => {
            "a provider takes one kind of proof: JWTs need one of the kind `oidc`, AWS keys `aws`, certificates `x509`"
        }
        _ => return None,
    })
}
