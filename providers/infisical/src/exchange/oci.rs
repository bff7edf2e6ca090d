//! The proof for OCI: a GET of the caller's own user, signed and not sent. Infisical sends it on to the identity service and
//! believes the answer. It is bound to nobody, so it is made anew for each login and kept nowhere.

use carnet_core::{Context, Credential, Error, OciApiKey, Request};
use carnet_oci::{regions::Region, signer::OciSigner, wire::Scope};
use http::{HeaderName, header};
use serde_json::{Map, Value, json};
use url::Url;

use super::proof::fields;
use crate::config::{COMMERCIAL, is_commercial};

/// The user and the signed headers as the login takes them.
///
/// # Errors
/// [`carnet_core::ErrorKind::Configuration`] when the region is not known or not of the commercial realm, the user is no OCID, or
/// the key cannot sign.
pub(super) fn proof(
    context: &Context,
    key: &OciApiKey,
    credential: &Credential,
    region: Option<&str>,
) -> Result<Map<String, Value>, Error> {
    let region = region.or(key.region.as_deref()).ok_or_else(|| {
        Error::configuration("sign for Infisical: the region of the OCI key is not known")
            .hint("set `region` in the exchange, for instance us-ashburn-1")
    })?;
    let known = Region::built_in(region).filter(|_| is_commercial(region)).ok_or_else(|| {
        let region = carnet_core::safe_text(region);
        Error::configuration(format!("sign for Infisical: {region} is not a region of OCI's commercial realm"))
            .hint(COMMERCIAL)
    })?;
    if !is_user(&key.user) {
        return Err(Error::configuration("sign for Infisical: the user of the OCI key is not the OCID of a user")
            .hint("correct `user` in the profile; it begins with ocid1.user.oc1."));
    }
    let url = format!("https://{}/20160918/users/{}", known.host("identity"), key.user);
    let url = Url::parse(&url).map_err(|error| Error::configuration("make the URL of the user").because(error))?;
    let mut request = Request::get(url);
    OciSigner::new(credential)?.sign(&mut request, Scope::Full, context.now())?;
    let header = |name: &HeaderName| {
        let value = request.headers.get(name).and_then(|value| value.to_str().ok());
        value.map(|value| json!(value)).ok_or_else(|| Error::internal(format!("convey the signed header {name}")))
    };
    // Names in lower case: the schema there drops all others without a word.
    let headers = json!({
        "authorization": header(&header::AUTHORIZATION)?,
        "host": header(&header::HOST)?,
        "date": header(&header::DATE)?,
    });
    Ok(fields([("userOcid", json!(key.user)), ("headers", headers)]))
}

/// It becomes part of a path, so nothing passes that would lead elsewhere.
fn is_user(ocid: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-');
    ocid.strip_prefix("ocid1.user.oc1.").is_some_and(|rest| rest.len() > 1 && rest.bytes().all(plain))
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use carnet_core::{ErrorKind, test_context};
    use carnet_jose::{Algorithm, PublicKey};

    use super::*;
    use crate::testing::{OCI_USER, oci_key, rsa};

    fn made(change: impl Fn(&mut OciApiKey), region: Option<&str>) -> Result<Map<String, Value>, Error> {
        let mut credential = oci_key();
        let carnet_core::Material::OciApiKey(key) = &mut credential.material else { panic!("no key") };
        change(key);
        let key = key.clone();
        proof(&test_context(), &key, &credential, region)
    }

    #[test]
    fn the_signature_covers_date_own_user_and_host() {
        let proof = made(|_| {}, None).unwrap();
        assert_eq!(proof["userOcid"], OCI_USER);
        let headers = &proof["headers"];
        assert_eq!(headers["host"], "identity.us-ashburn-1.oraclecloud.com");
        assert_eq!(headers.as_object().unwrap().len(), 3);
        let date = headers["date"].as_str().unwrap();
        let authorization = headers["authorization"].as_str().unwrap();
        assert!(authorization.contains(r#"headers="date (request-target) host""#), "{authorization}");
        let text = format!(
            "date: {date}\n(request-target): get /20160918/users/{OCI_USER}\nhost: identity.us-ashburn-1.oraclecloud.com"
        );
        let signature = authorization.split("signature=\"").nth(1).unwrap().split('"').next().unwrap();
        let public = PublicKey::from_spki(&rsa().public_spki()).unwrap();
        assert!(public.verify(Algorithm::Rs256, text.as_bytes(), &STANDARD.decode(signature).unwrap()));
    }

    #[test]
    fn a_configured_region_goes_before_that_of_the_key() {
        let proof = made(|_| {}, Some("eu-frankfurt-1")).unwrap();
        assert_eq!(proof["headers"]["host"], "identity.eu-frankfurt-1.oraclecloud.com");
    }

    #[test]
    fn rejects_what_infisical_would_not_ask_before_anything_is_signed() {
        let changes: [fn(&mut OciApiKey); 5] = [
            |key| key.region = None,
            |key| key.region = Some("us-gov-ashburn-1".to_owned()),
            |key| key.user = "ocid1.user.oc1..a/../../groups/b".to_owned(),
            |key| key.user = "ocid1.user.oc1..a?b".to_owned(),
            |key| key.user = "ocid1.group.oc1..a".to_owned(),
        ];
        for change in changes {
            assert_eq!(made(change, None).unwrap_err().kind(), ErrorKind::Configuration);
        }
    }
}
