//! From what is shown to a request rebuilt.

use std::sync::Arc;

use carnet_core::Secret;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use jiff::Timestamp;
use url::Url;

use super::{
    AUDIENCE_HEADER, Form, Login, LoginTrust, NAMESPACE_PATH, NONCE_HEADER, Ocid, Read, SignedHeaders, USERS_PATH,
    host::{ServiceHost, service_host},
    other_key,
};
use crate::trust::{
    Checked, Principal,
    principal::PTYPE_USER,
    show,
    signature::{
        Authorization, BodyRule, Examined, HostRule, KeyId, Options, Said, SeenTokens, SignedRequest, examine, refuse,
    },
};

const FIX_SIGN: &str = "sign anew, exactly the request that the manual describes";

/// Who is said to have signed.
struct Claimed {
    principal: Principal,
    token: Option<Secret>,
    kid: Option<Arc<str>>,
    fingerprint: Option<String>,
}

impl LoginTrust<'_> {
    /// Rebuilds the request and checks all that needs nobody else. A session's signature is verified here, with the key in
    /// its token; what was read of that is remembered in `tokens`.
    ///
    /// # Errors
    /// The clause that failed first: `headers`, `date`, `host`, `user`, those of [`examine`], `audience`, `key`, `token`,
    /// `expired`, `tenancy`, `signer`, `signature`.
    pub fn read(&self, login: &Login, tokens: &SeenTokens, now: Timestamp) -> Checked<Read> {
        let headers = headers(&login.headers)?;
        let host = login.headers.host.as_str();
        let form = self.form(host)?;
        let target = match (form, &login.user) {
            (Form::Own, _) => self.own_path.to_owned(),
            (Form::Namespace, _) => NAMESPACE_PATH.to_owned(),
            (Form::User, Some(user)) => format!("{USERS_PATH}{}", checked_user(user)?),
            (Form::User, None) => {
                let fix = "send the OCID of the user whom the request is about";
                return Err(refuse("user", "none", "ocid1.user.…", fix));
            }
        };
        let request = SignedRequest { method: &Method::GET, target: &target, headers: &headers, body: None };
        let hosts = [host];
        let options = Options { host: HostRule::OneOf(&hosts), body: BodyRule::Signed, single_use: true };
        let examined = examine(&request, &options, now)?;
        require_all_signed(&headers, &examined.authorization)?;
        if examined.date.duration_since(now).abs() > self.window {
            let wanted = format!("a date within {} s of {now}", self.window.as_secs());
            return Err(refuse("date", examined.date.to_string(), wanted, "set the clock, and sign each login anew"));
        }
        let (audience, rule) = self.audience(form, login)?;
        let claimed = self.claimed(&examined, tokens, now)?;
        if let Some(user) = login.user.as_deref().filter(|user| *user != claimed.principal.id) {
            let fix = "sign with a key of the very user who logs in";
            return Err(refuse("signer", show(&claimed.principal.id), show(user), fix));
        }
        let url = format!("https://{host}{target}");
        let url = Url::parse(&url)
            .ok()
            .filter(|url| url.path() == target)
            .ok_or_else(|| refuse("host", show(host), "a host", FIX_SIGN))?;
        let Examined { date, signature, .. } = examined;
        let Claimed { principal, token, kid, fingerprint } = claimed;
        Ok(Read { form, url, headers, principal, token, kid, fingerprint, date, audience, rule, signature })
    }

    fn form(&self, host: &str) -> Checked<Form> {
        if self.own_hosts.iter().any(|own| own.eq_ignore_ascii_case(host)) {
            return Ok(Form::Own);
        }
        let realm = Ocid::parse(self.tenancy).map(|tenancy| tenancy.realm).unwrap_or_default();
        Ok(match service_host(host, realm, self.regions)? {
            ServiceHost::Identity => Form::User,
            ServiceHost::ObjectStorage => Form::Namespace,
        })
    }

    /// Whom it was made for, and for which of the rules.
    fn audience(&self, form: Form, login: &Login) -> Checked<(String, Option<String>)> {
        let Some(said) = &login.headers.audience else {
            // Our own host says it as well.
            let host = || format!("https://{}", login.headers.host);
            return Ok((if form == Form::Own { self.audience.to_owned() } else { host() }, None));
        };
        let (audience, rule) = match said.split_once('#') {
            Some((audience, rule)) => (audience, Some(rule)),
            None => (said.as_str(), None),
        };
        if audience != self.audience || rule.is_some_and(str::is_empty) {
            let fix = "sign the header with the URL of this server, or that and #RULE";
            return Err(refuse("audience", show(said), self.audience, fix));
        }
        Ok((audience.to_owned(), rule.map(str::to_owned)))
    }

    fn claimed(&self, examined: &Examined<'_>, tokens: &SeenTokens, now: Timestamp) -> Checked<Claimed> {
        let claimed = match examined.authorization.key_id {
            KeyId::ApiKey { tenancy, user, fingerprint } => Claimed {
                principal: Principal { name: None, ..Principal::user(checked_user(user)?, tenancy, "") },
                token: None,
                kid: None,
                fingerprint: Some(checked_fingerprint(fingerprint)?.to_owned()),
            },
            KeyId::Session(token) => {
                let Said { signer, kid } = tokens.read(token, now)?;
                if !signer.key.verify(examined.algorithm, &examined.message, &examined.signature) {
                    let wanted = "a signature by the key in the session token over the request as it is rebuilt here";
                    return Err(refuse("signature", "one that does not verify", wanted, FIX_SIGN));
                }
                let principal = (*signer.principal).clone();
                Claimed { principal, token: Some(Secret::new(token)), kid, fingerprint: None }
            }
            KeyId::Resource { .. } | KeyId::X509 { .. } => return Err(other_key()),
        };
        if claimed.principal.tenancy != self.tenancy {
            let fix = "log in with a principal of this tenancy, or let the authority trust the other";
            return Err(refuse("tenancy", show(&claimed.principal.tenancy), self.tenancy, fix));
        }
        Ok(claimed)
    }
}

/// The headers as they are sent.
fn headers(shown: &SignedHeaders) -> Checked<HeaderMap> {
    match (&shown.date, &shown.x_date) {
        (None, None) => return Err(refuse("date", "neither date nor x-date", "one of them", FIX_SIGN)),
        (Some(_), Some(_)) => return Err(refuse("date", "date and x-date", "one of them", FIX_SIGN)),
        _ => {}
    }
    let all = [
        ("authorization", Some(&shown.authorization)),
        ("host", Some(&shown.host)),
        ("date", shown.date.as_ref()),
        ("x-date", shown.x_date.as_ref()),
        (AUDIENCE_HEADER, shown.audience.as_ref()),
        (NONCE_HEADER, shown.nonce.as_ref()),
    ];
    let mut headers = HeaderMap::with_capacity(all.len());
    for (name, value) in all.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        // What `HeaderValue` takes besides are tabs and bytes that are not ASCII.
        let visible = value.is_ascii() && !value.contains('\t') && value.trim() == value;
        let header = HeaderValue::from_str(value).ok().filter(|_| visible && !value.is_empty());
        let mut header = header.ok_or_else(|| {
            refuse("headers", format!("{name} is not one line of visible ASCII"), "what was signed", FIX_SIGN)
        })?;
        header.set_sensitive(name == "authorization");
        headers.insert(HeaderName::from_static(name), header);
    }
    Ok(headers)
}

/// What is not signed could be anybody's.
fn require_all_signed(headers: &HeaderMap, authorization: &Authorization<'_>) -> Checked<()> {
    let mut others = headers.keys().filter(|name| **name != http::header::AUTHORIZATION);
    match others.find(|name| !authorization.signs(name.as_str())) {
        None => Ok(()),
        Some(name) => {
            let fix = "sign every header that is shown, or leave it out";
            Err(refuse("signed-headers", format!("{name} is not signed"), "every header signed", fix))
        }
    }
}

fn checked_user(user: &str) -> Checked<&str> {
    if Ocid::parse(user).is_some_and(|ocid| ocid.kind == PTYPE_USER) {
        return Ok(user);
    }
    let fix = "send the OCID of a user; it begins with ocid1.user.";
    Err(refuse("user", show(user), "ocid1.user.REALM.[REGION.]UNIQUE in lower case", fix))
}

fn checked_fingerprint(text: &str) -> Checked<&str> {
    let pairs: Vec<&str> = text.split(':').collect();
    let pair =
        |pair: &&str| pair.len() == 2 && pair.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'));
    if pairs.len() == 16 && pairs.iter().all(pair) {
        return Ok(text);
    }
    Err(refuse("key", show(text), "the fingerprint of an API key, 16 pairs of digits", "correct keyId"))
}
