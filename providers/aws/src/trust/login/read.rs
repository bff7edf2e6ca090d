//! From what is shown to a request rebuilt.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use url::Url;

use super::{AUDIENCE_HEADER, BODY, Checked, Login, LoginTrust, Read, SignedHeaders, no};

const FIX_SIGN: &str = "sign anew, exactly the request that the manual describes";
const FORM: &str = "application/x-www-form-urlencoded";
/// What the global address signs with.
const GLOBAL_REGION: &str = "us-east-1";
/// Headers without which a signature says too little.
const ALWAYS: [&str; 2] = ["host", "x-amz-date"];

/// What the header `Authorization` says.
struct Authorization<'a> {
    day: &'a str,
    region: &'a str,
    signed: Vec<&'a str>,
    signature: &'a str,
}

impl LoginTrust<'_> {
    /// Rebuilds the request and checks all that can be without AWS.
    ///
    /// # Errors
    /// The clause that failed first: `headers`, `authorization`, `host`, `signed-headers`, `date`, `audience`.
    pub fn read(&self, login: &Login, now: Timestamp) -> Checked<Read> {
        let shown = &login.headers;
        let mut headers = headers(shown)?;
        let authorization = authorization(&shown.authorization)?;
        self.check_host(&shown.host, authorization.region)?;
        check_signed(&headers, &authorization.signed)?;
        check_content(shown)?;
        let date = self.date(&shown.x_amz_date, authorization.day, now)?;
        let (audience, rule) = self.audience(shown)?;
        let url = Url::parse(&format!("https://{}/", shown.host))
            .map_err(|_ignored| no("host", shown.host.as_str(), "a host", FIX_SIGN))?;
        let signature = authorization.signature.to_owned();
        // STS answers in XML otherwise; what is not signed may be added.
        headers.entry(header::ACCEPT).or_insert(HeaderValue::from_static("application/json"));
        headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static(FORM));
        Ok(Read { url, headers, date, audience, rule, signature })
    }

    /// Only STS, under the name of the region that was signed for.
    fn check_host(&self, host: &str, region: &str) -> Checked<()> {
        let own = match region {
            _ if !is_region(region) => None,
            region if region.starts_with("cn-") => Some(format!("sts.{region}.amazonaws.com.cn")),
            region => Some(format!("sts.{region}.amazonaws.com")),
        };
        let listed = self.regions.is_empty() || self.regions.iter().any(|known| known == region);
        let global = region == GLOBAL_REGION && host == "sts.amazonaws.com";
        if listed && (global || own.as_deref() == Some(host)) {
            return Ok(());
        }
        let wanted = match self.regions {
            [] => "sts.REGION.amazonaws.com, of the region in the signature".to_owned(),
            some => format!("sts.REGION.amazonaws.com with one of {}", some.join(", ")),
        };
        Err(no("host", format!("{host}, signed for {region}"), wanted, "sign the request for the STS of a region"))
    }

    fn date(&self, text: &str, day: &str, now: Timestamp) -> Checked<Timestamp> {
        let date = parse_date(text).ok_or_else(|| no("date", text, "such as 20261121T120000Z", FIX_SIGN))?;
        if !text.starts_with(day) {
            return Err(no("date", format!("{text}, signed for {day}"), "one day", FIX_SIGN));
        }
        if date.duration_since(now).abs() > self.window {
            let wanted = format!("a date within {} s of {now}", self.window.as_secs());
            return Err(no("date", text, wanted, "set the clock, and sign each login anew"));
        }
        Ok(date)
    }

    /// Whom it was made for, and for which of the rules.
    fn audience(&self, shown: &SignedHeaders) -> Checked<(String, Option<String>)> {
        let Some(said) = &shown.x_carnet_audience else {
            return Ok((format!("https://{}", shown.host), None));
        };
        let (audience, rule) = match said.split_once('#') {
            Some((audience, rule)) => (audience, Some(rule)),
            None => (said.as_str(), None),
        };
        if audience != self.audience || rule.is_some_and(str::is_empty) {
            let fix = "sign the header with the URL of this server, or that and #RULE";
            return Err(no("audience", said.as_str(), self.audience, fix));
        }
        Ok((audience.to_owned(), rule.map(str::to_owned)))
    }
}

/// The headers as they are sent.
fn headers(shown: &SignedHeaders) -> Checked<HeaderMap> {
    let all = [
        ("authorization", Some(&shown.authorization)),
        ("host", Some(&shown.host)),
        ("x-amz-date", Some(&shown.x_amz_date)),
        ("x-amz-security-token", shown.x_amz_security_token.as_ref()),
        ("x-amz-content-sha256", shown.x_amz_content_sha256.as_ref()),
        ("content-length", shown.content_length.as_ref()),
        ("content-type", shown.content_type.as_ref()),
        ("accept", shown.accept.as_ref()),
        (AUDIENCE_HEADER, shown.x_carnet_audience.as_ref()),
    ];
    let mut headers = HeaderMap::with_capacity(all.len());
    for (name, value) in all.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        let visible = value.bytes().all(|byte| matches!(byte, b' '..=b'~')) && value.trim() == value;
        let header = HeaderValue::from_str(value).ok().filter(|_| visible && !value.is_empty());
        let mut header = header.ok_or_else(|| {
            no("headers", format!("{name} is not one line of visible ASCII"), "what was signed", FIX_SIGN)
        })?;
        header.set_sensitive(matches!(name, "authorization" | "x-amz-security-token"));
        headers.insert(HeaderName::from_static(name), header);
    }
    Ok(headers)
}

/// `AWS4-HMAC-SHA256 Credential=ID/DAY/REGION/sts/aws4_request, SignedHeaders=a;b, Signature=HEX`, each once.
fn authorization(text: &str) -> Checked<Authorization<'_>> {
    let wrong = |seen: &str| {
        let wanted = "AWS4-HMAC-SHA256 Credential=ID/DAY/REGION/sts/aws4_request, SignedHeaders=…, Signature=…";
        no("authorization", seen, wanted, "sign with Signature Version 4 for the service sts, in the header")
    };
    let rest = text.strip_prefix("AWS4-HMAC-SHA256 ").ok_or_else(|| wrong("another scheme"))?;
    let (mut credential, mut signed, mut signature) = (None, None, None);
    for part in rest.split(',') {
        let (name, value) = part.trim().split_once('=').ok_or_else(|| wrong("a part that is not NAME=VALUE"))?;
        let place = match name {
            "Credential" => &mut credential,
            "SignedHeaders" => &mut signed,
            "Signature" => &mut signature,
            _ => return Err(wrong("a part that is not known")),
        };
        if place.replace(value).is_some() {
            return Err(wrong("a part that is there twice"));
        }
    }
    let (Some(credential), Some(signed), Some(signature)) = (credential, signed, signature) else {
        return Err(wrong("a part that is missing"));
    };
    let scope: Vec<&str> = credential.split('/').collect();
    let [id, day, region, "sts", "aws4_request"] = scope.as_slice() else {
        return Err(wrong("a credential of another form, or for another service"));
    };
    let hex = signature.len() == 64 && signature.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let eight = day.len() == 8 && day.bytes().all(|byte| byte.is_ascii_digit());
    if id.is_empty() || !eight || !hex {
        return Err(wrong("a credential or signature of another form"));
    }
    Ok(Authorization { day, region, signed: signed.split(';').collect(), signature })
}

/// What is not signed could be anybody's; what is signed and not shown cannot be sent.
fn check_signed(headers: &HeaderMap, signed: &[&str]) -> Checked<()> {
    let is_signed = |name: &str| signed.contains(&name);
    let loose = headers.keys().map(HeaderName::as_str).find(|name| *name != "authorization" && !is_signed(name));
    let missing = signed.iter().find(|name| **name == "authorization" || !headers.contains_key(**name));
    let twice = signed.iter().enumerate().any(|(at, name)| signed.iter().take(at).any(|earlier| earlier == name));
    let seen = match (loose, missing) {
        (Some(name), _) => format!("{name} is not signed"),
        (_, Some(name)) => format!("{name} is signed and not shown"),
        (None, None) if twice => "a header twice".to_owned(),
        (None, None) if !ALWAYS.into_iter().all(is_signed) => "a list without host or x-amz-date".to_owned(),
        (None, None) => return Ok(()),
    };
    Err(no("signed-headers", seen, "exactly the headers that are shown, host and x-amz-date among them", FIX_SIGN))
}

/// Headers that speak of the body speak of ours.
fn check_content(shown: &SignedHeaders) -> Checked<()> {
    let kind = shown.content_type.as_deref().map(|kind| kind.split(';').next().unwrap_or_default().trim());
    let length = shown.content_length.as_deref();
    let accept = shown.accept.as_deref();
    let fits = kind.is_none_or(|kind| kind.eq_ignore_ascii_case(FORM))
        && length.is_none_or(|length| length == BODY.len().to_string())
        && accept.is_none_or(|accept| accept == "application/json");
    if fits {
        return Ok(());
    }
    let wanted = format!("{FORM}, {} bytes, application/json", BODY.len());
    Err(no("headers", "a body of another kind, or another answer wanted", wanted, FIX_SIGN))
}

/// `20261121T120000Z`.
fn parse_date(text: &str) -> Option<Timestamp> {
    let digits = text.bytes().enumerate().all(|(at, byte)| match at {
        8 => byte == b'T',
        15 => byte == b'Z',
        _ => byte.is_ascii_digit(),
    });
    if text.len() != 16 || !digits {
        return None;
    }
    let date = DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    TimeZone::UTC.to_timestamp(date).ok()
}

/// `eu-central-1`, `us-gov-west-1`: words and a number.
fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let word = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    match parts.as_slice() {
        [words @ .., number] => {
            (2..=4).contains(&words.len())
                && words.iter().all(word)
                && matches!(number.len(), 1 | 2)
                && number.bytes().all(|byte| byte.is_ascii_digit())
        }
        [] => false,
    }
}
