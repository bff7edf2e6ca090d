//! Logging in to somebody else: a read is signed, shown and not sent ([`crate::trust::login`] is the other side).

use carnet_core::{Context, Credential, Error, Material, Request};
use http::{HeaderName, HeaderValue, header};
use url::Url;

use crate::{
    regions::Region,
    signer::OciSigner,
    trust::login::{AUDIENCE_HEADER, Login, NAMESPACE_PATH, NONCE_HEADER, Ocid, SignedHeaders, USERS_PATH},
    wire::Scope,
};

/// Signs a login for whoever has this audience, for instance the URL of an authority: with an API key "get user" of the user
/// itself, with a session "get namespace", which everybody may. `region` goes before that of the credential.
///
/// # Errors
/// [`carnet_core::ErrorKind::Configuration`] when the region is not known, the user is no OCID, the audience cannot stand in a
/// header, or the key cannot sign; [`carnet_core::ErrorKind::Internal`] for a credential of another kind.
pub fn sign_login(
    context: &Context,
    credential: &Credential,
    audience: &str,
    region: Option<&str>,
) -> Result<Login, Error> {
    let (service, path, user, own) = match &credential.material {
        Material::OciApiKey(key) => {
            let user = key.user.as_str();
            if Ocid::parse(user).is_none_or(|ocid| ocid.kind != "user") {
                return Err(Error::configuration("sign a login: the user of the OCI key is not the OCID of a user")
                    .hint("correct `user` in the profile; it begins with ocid1.user."));
            }
            ("identity", format!("{USERS_PATH}{user}"), Some(user.to_owned()), key.region.as_deref())
        }
        Material::OciSession(session) => ("objectstorage", NAMESPACE_PATH.to_owned(), None, session.region.as_deref()),
        _ => return Err(Error::internal(format!("sign a login with a credential of kind {}", credential.kind()))),
    };
    let region = region.or(own).and_then(Region::built_in).ok_or_else(|| {
        Error::configuration("sign a login: the region of the OCI credential is not known, or in no table")
            .hint("set `region`, for instance us-ashburn-1")
    })?;
    let url = format!("https://{}{path}", region.host(service));
    let url = Url::parse(&url).map_err(|error| Error::configuration("make the URL of a login").because(error))?;
    let audience = HeaderValue::from_str(audience)
        .map_err(|_unprintable| Error::configuration("sign a login: the audience is not one line of visible ASCII"))?;
    // RSA signs the same text the same way: without it the second login of a second would be the first once more.
    let nonce = HeaderValue::try_from(context.random_hex::<8>()).unwrap_or_else(|_| HeaderValue::from_static("0"));
    let mut request = Request::get(url)
        .header(HeaderName::from_static(AUDIENCE_HEADER), audience)
        .header(HeaderName::from_static(NONCE_HEADER), nonce);
    OciSigner::new(credential)?.sign(&mut request, Scope::Full, context.now())?;
    let value = |name: HeaderName| request.headers.get(&name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let needed = |name: HeaderName| {
        let shown = name.clone();
        value(name).ok_or_else(|| Error::internal(format!("show the signed header {shown}")))
    };
    let headers = SignedHeaders {
        authorization: needed(header::AUTHORIZATION)?,
        host: needed(header::HOST)?,
        date: value(header::DATE),
        x_date: None,
        audience: value(HeaderName::from_static(AUDIENCE_HEADER)),
        nonce: value(HeaderName::from_static(NONCE_HEADER)),
    };
    Ok(Login { user, headers })
}

#[cfg(test)]
mod tests {
    use carnet_core::{ErrorKind, test_context};
    use jiff::SignedDuration;

    use super::*;
    use crate::{
        testing,
        trust::{
            login::{Form, LoginTrust},
            signature::SeenTokens,
        },
    };

    const AUTHORITY: &str = "https://authority.example";

    fn trust() -> LoginTrust<'static> {
        LoginTrust {
            tenancy: testing::TENANCY,
            regions: &[],
            window: SignedDuration::from_mins(5),
            audience: AUTHORITY,
            own_hosts: &[],
            own_path: "/",
        }
    }

    #[test]
    fn a_login_is_read_by_the_other_side() {
        let context = test_context();
        let login = sign_login(&context, &testing::api_key(), AUTHORITY, Some("us-ashburn-1")).unwrap();
        let read = trust().read(&login, &SeenTokens::default(), context.now()).unwrap();
        assert_eq!((read.form, read.principal.id.as_str()), (Form::User, testing::USER));
        assert_eq!((read.audience.as_str(), read.rule), (AUTHORITY, None));
    }

    #[test]
    fn two_logins_of_one_moment_differ() {
        let context = test_context();
        let signed =
            || sign_login(&context, &testing::api_key(), AUTHORITY, Some("iad")).unwrap().headers.authorization;
        assert_ne!(signed(), signed());
    }

    #[test]
    fn a_session_signs_what_everybody_may() {
        let login = sign_login(&test_context(), &testing::session(), AUTHORITY, Some("eu-frankfurt-1")).unwrap();
        assert_eq!((login.user, &*login.headers.host), (None, "objectstorage.eu-frankfurt-1.oraclecloud.com"));
    }

    #[test]
    fn rejects_what_the_other_side_would_not_take() {
        for region in ["xx-example-1", "evil.example/"] {
            let error = sign_login(&test_context(), &testing::api_key(), AUTHORITY, Some(region)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration, "{region}");
        }
        let mut credential = testing::api_key();
        let Material::OciApiKey(key) = &mut credential.material else { panic!("another kind") };
        key.user = "ocid1.user.oc1..a/../b".to_owned();
        assert!(sign_login(&test_context(), &credential, AUTHORITY, Some("iad")).is_err());
        assert!(sign_login(&test_context(), &testing::api_key(), "a\nb", Some("iad")).is_err());
    }
}
