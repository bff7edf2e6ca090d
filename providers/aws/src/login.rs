//! Logging in to somebody else: `GetCallerIdentity` is signed, shown and not sent ([`crate::trust::login`] is the other side).

use carnet_core::{AwsKeys, Context, Error, Request};
use carnet_sigv4::{Scope, sign};
use http::{HeaderName, HeaderValue, Method, header};
use url::Url;

use crate::{
    config::is_region,
    trust::login::{AUDIENCE_HEADER, BODY, Login, SignedHeaders, is_account},
};

/// The region when nobody says one.
const DEFAULT_REGION: &str = "us-east-1";

/// Signs a login of a principal of this account, for whoever has this audience. The region is that given, of the variable
/// `AWS_REGION` or `AWS_DEFAULT_REGION`, or `us-east-1`.
///
/// # Errors
/// [`carnet_core::ErrorKind::Configuration`] when account or region is none, or the audience cannot stand in a header.
pub fn sign_login(
    context: &Context,
    keys: &AwsKeys,
    account: &str,
    audience: &str,
    region: Option<&str>,
) -> Result<Login, Error> {
    if !is_account(account) {
        return Err(Error::configuration(
            "sign a login: the account of AWS is not known, or no number of twelve digits",
        )
        .hint("set `account`"));
    }
    let variable = || context.env("AWS_REGION").or_else(|| context.env("AWS_DEFAULT_REGION"));
    let region = region.map(str::to_owned).or_else(variable).unwrap_or_else(|| DEFAULT_REGION.to_owned());
    let suffix = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    let url = Some(format!("https://sts.{region}.{suffix}/")).filter(|_| is_region(&region));
    let url = url.and_then(|url| Url::parse(&url).ok()).ok_or_else(|| {
        Error::configuration(format!("sign a login: {} is not the name of a region", carnet_core::safe_text(&region)))
            .hint("set `region`, or the variable AWS_REGION")
    })?;
    let audience = HeaderValue::from_str(audience)
        .map_err(|_unprintable| Error::configuration("sign a login: the audience is not one line of visible ASCII"))?;
    let request = Request::new(Method::POST, url)
        .header(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"))
        .header(HeaderName::from_static(AUDIENCE_HEADER), audience)
        .body(BODY);
    let signed = sign(request, keys, &Scope { time: context.now(), region: &region, service: "sts" })?;
    let value = |name: &str| signed.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let needed = |name: &str| value(name).ok_or_else(|| Error::internal(format!("show the signed header {name}")));
    let headers = SignedHeaders {
        authorization: needed("authorization")?,
        host: needed("host")?,
        x_amz_date: needed("x-amz-date")?,
        x_amz_security_token: value("x-amz-security-token"),
        x_amz_content_sha256: value("x-amz-content-sha256"),
        content_length: value("content-length"),
        content_type: value("content-type"),
        accept: value("accept"),
        x_carnet_audience: value(AUDIENCE_HEADER),
    };
    Ok(Login { account: account.to_owned(), headers })
}

#[cfg(test)]
mod tests {
    use carnet_core::{ErrorKind, Secret, test_context};

    use super::*;
    use crate::trust::login::{LoginTrust, MAX_SKEW};

    const ACCOUNT: &str = "123456789012";
    const AUTHORITY: &str = "https://authority.example";

    fn keys() -> AwsKeys {
        AwsKeys {
            access_key_id: "ASIAEXAMPLE".to_owned(),
            secret_access_key: Secret::new("secret"),
            session_token: Some(Secret::new("session")),
        }
    }

    #[test]
    fn a_login_is_read_by_the_other_side() {
        let context = test_context();
        let trust = LoginTrust { account: ACCOUNT, regions: &[], window: MAX_SKEW, audience: AUTHORITY };
        for region in [None, Some("eu-central-1"), Some("cn-north-1")] {
            let login = sign_login(&context, &keys(), ACCOUNT, AUTHORITY, region).unwrap();
            assert_eq!(trust.read(&login, context.now()).unwrap().audience, AUTHORITY);
        }
    }

    #[test]
    fn rejects_what_the_other_side_would_not_take() {
        for (account, audience, region) in
            [("1", AUTHORITY, None), (ACCOUNT, "a\nb", None), (ACCOUNT, AUTHORITY, Some("evil.example/"))]
        {
            let error = sign_login(&test_context(), &keys(), account, audience, region).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration, "{account} {audience} {region:?}");
        }
    }
}
