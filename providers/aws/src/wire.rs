//! Bodies of the Security Token Service (query protocol, version 2011-06-15), of Roles Anywhere and of the credential endpoints.

use carnet_core::{AwsKeys, Credential, Material, Secret, check_token};
use jiff::Timestamp;
use serde::Deserialize;

use crate::{
    config::{Hop, SessionPolicy, Tag},
    xml,
};

const VERSION: &str = "2011-06-15";

/// Fields of a request in the query protocol.
pub(crate) type Fields = Vec<(String, String)>;

fn action(name: &str) -> Fields {
    vec![("Action".to_owned(), name.to_owned()), ("Version".to_owned(), VERSION.to_owned())]
}

fn policies(fields: &mut Fields, policy: &SessionPolicy) {
    fields.extend(policy.document.iter().map(|document| ("Policy".to_owned(), document.clone())));
    let numbered = policy.arns.iter().zip(1..);
    fields.extend(numbered.map(|(arn, at)| (format!("PolicyArns.member.{at}.arn"), arn.clone())));
}

fn tags(fields: &mut Fields, tags: &[Tag]) {
    for (tag, at) in tags.iter().zip(1..) {
        fields.push((format!("Tags.member.{at}.Key"), tag.key.clone()));
        fields.push((format!("Tags.member.{at}.Value"), tag.value.clone()));
    }
    let transitive = tags.iter().filter(|tag| tag.transitive).zip(1..);
    fields.extend(transitive.map(|(tag, at)| (format!("TransitiveTagKeys.member.{at}"), tag.key.clone())));
}

/// `AssumeRoleWithWebIdentity`, without the token: that is added where the form is written.
pub(crate) fn web_identity(role: &str, session: &str, seconds: Option<i64>, policy: &SessionPolicy) -> Fields {
    let mut fields = action("AssumeRoleWithWebIdentity");
    fields.push(("RoleArn".to_owned(), role.to_owned()));
    fields.push(("RoleSessionName".to_owned(), session.to_owned()));
    fields.extend(seconds.map(|seconds| ("DurationSeconds".to_owned(), seconds.to_string())));
    policies(&mut fields, policy);
    fields
}

/// `AssumeRole`, for a role behind a role.
pub(crate) fn assume_role(hop: &Hop, session: &str) -> Fields {
    let mut fields = action("AssumeRole");
    fields.push(("RoleArn".to_owned(), hop.role_arn.clone()));
    fields.push(("RoleSessionName".to_owned(), session.to_owned()));
    fields.extend(hop.external_id.iter().map(|id| ("ExternalId".to_owned(), id.clone())));
    fields.extend(hop.source_identity.iter().map(|who| ("SourceIdentity".to_owned(), who.clone())));
    tags(&mut fields, &hop.tags);
    fields
}

/// `GetWebIdentityToken`.
pub(crate) fn identity_token(audiences: &[String], algorithm: &str, seconds: i64, with: &[Tag]) -> Fields {
    let mut fields = action("GetWebIdentityToken");
    fields.extend(audiences.iter().zip(1..).map(|(audience, at)| (format!("Audience.member.{at}"), audience.clone())));
    fields.push(("SigningAlgorithm".to_owned(), algorithm.to_owned()));
    fields.push(("DurationSeconds".to_owned(), seconds.to_string()));
    tags(&mut fields, with);
    fields
}

/// Keys of a session, with their end.
#[derive(Clone, Debug)]
pub struct SessionKeys {
    /// The keys.
    pub keys: AwsKeys,
    /// Their end, if said.
    pub expires_at: Option<Timestamp>,
    /// `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`, or the role's own ARN, if said.
    pub arn: Option<String>,
}

impl SessionKeys {
    /// The credential, with the facts `principal` and `account` as far as they are known.
    pub(crate) fn into_credential(self) -> Credential {
        let mut credential = Credential::new(Material::AwsKeys(self.keys));
        credential.expires_at = self.expires_at;
        let Some(arn) = self.arn.map(|arn| carnet_core::safe_text(&arn)) else { return credential };
        if let Some(account) = arn.split(':').nth(4).filter(|account| !account.is_empty()) {
            credential = credential.fact("account", account);
        }
        credential.fact("principal", arn)
    }
}

/// Keys, once each is one word of visible ASCII: they go into headers, variables and files.
fn keys(id: &str, secret: Secret, token: Option<Secret>) -> Result<AwsKeys, &'static str> {
    check_token(&Secret::new(id)).map_err(|_wrong| "the access key id is not one word of visible ASCII")?;
    check_token(&secret).map_err(|_wrong| "the secret access key is not one word of visible ASCII")?;
    if let Some(token) = &token {
        check_token(token).map_err(|_wrong| "the session token is not one word of visible ASCII")?;
    }
    Ok(AwsKeys { access_key_id: id.to_owned(), secret_access_key: secret, session_token: token })
}

/// Reads the answer of `AssumeRoleWithWebIdentity` or `AssumeRole`, named by `action`.
///
/// # Errors
/// What is wrong with it, without any of its values.
pub fn parse_session(body: &[u8], action: &str) -> Result<SessionKeys, &'static str> {
    let leaves = std::str::from_utf8(body).ok().and_then(xml::leaves).ok_or("it is not XML as AWS writes it")?;
    let leaf =
        |path: &str| leaves.get(&format!("{action}Response/{action}Result/{path}")).filter(|text| !text.is_empty());
    let access_key_id = leaf("Credentials/AccessKeyId").ok_or("`AccessKeyId` is missing")?;
    let secret = leaf("Credentials/SecretAccessKey").ok_or("`SecretAccessKey` is missing")?;
    let token = leaf("Credentials/SessionToken").ok_or("`SessionToken` is missing")?;
    let expires = leaf("Credentials/Expiration").ok_or("`Expiration` is missing")?;
    Ok(SessionKeys {
        keys: keys(access_key_id, Secret::new(secret.as_str()), Some(Secret::new(token.as_str())))?,
        expires_at: Some(expires.parse().ok().ok_or("`Expiration` is not a time (ISO 8601)")?),
        arn: leaf("AssumedRoleUser/Arn").cloned(),
    })
}

/// Reads the answer of `GetWebIdentityToken`: a JWT.
///
/// # Errors
/// What is wrong with it, without any of its values.
pub fn parse_web_identity_token(body: &[u8]) -> Result<Secret, &'static str> {
    let leaves = std::str::from_utf8(body).ok().and_then(xml::leaves).ok_or("it is not XML as AWS writes it")?;
    let token = leaves.get("GetWebIdentityTokenResponse/GetWebIdentityTokenResult/WebIdentityToken");
    token
        .filter(|token| !token.is_empty())
        .map(|token| Secret::new(token.as_str()))
        .ok_or("`WebIdentityToken` is missing")
}

/// Reads what container endpoints, the instance metadata service and `credential_process` programs answer with.
/// Fractions of seconds in `Expiration` are accepted: the EKS agent writes them.
///
/// # Errors
/// What is wrong with it, without any of its values.
pub fn parse_json_keys(body: &[u8]) -> Result<SessionKeys, &'static str> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Raw {
        #[serde(default)]
        code: Option<String>,
        access_key_id: String,
        secret_access_key: Secret,
        #[serde(default, alias = "SessionToken")]
        token: Option<Secret>,
        #[serde(default)]
        expiration: Option<String>,
        #[serde(default)]
        role_arn: Option<String>,
    }
    let raw: Raw =
        serde_json::from_slice(body).ok().ok_or("it is not JSON with `AccessKeyId` and `SecretAccessKey`")?;
    if raw.code.is_some_and(|code| code != "Success") {
        return Err("`Code` is not Success");
    }
    if raw.access_key_id.is_empty() || raw.secret_access_key.is_empty() {
        return Err("a key is empty");
    }
    let end = |text: String| text.parse().ok().ok_or("`Expiration` is not a time (RFC 3339)");
    Ok(SessionKeys {
        keys: keys(&raw.access_key_id, raw.secret_access_key, raw.token.filter(|token| !token.is_empty()))?,
        expires_at: raw.expiration.map(end).transpose()?,
        arn: raw.role_arn.filter(|arn| !arn.is_empty()),
    })
}

/// Reads the answer of Roles Anywhere's `CreateSession`.
///
/// # Errors
/// What is wrong with it, without any of its values.
pub fn parse_roles_anywhere(body: &[u8]) -> Result<SessionKeys, &'static str> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Raw {
        credential_set: Vec<Set>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Set {
        #[serde(default)]
        assumed_role_user: Option<User>,
        credentials: Keys,
    }
    #[derive(Deserialize)]
    struct User {
        arn: String,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Keys {
        access_key_id: String,
        secret_access_key: Secret,
        session_token: Secret,
        expiration: String,
    }
    let raw: Raw = serde_json::from_slice(body).ok().ok_or("it is not JSON with `credentialSet`")?;
    let set = raw.credential_set.into_iter().next().ok_or("`credentialSet` is empty")?;
    let said = set.credentials;
    if said.access_key_id.is_empty() || said.secret_access_key.is_empty() || said.session_token.is_empty() {
        return Err("a key is empty");
    }
    Ok(SessionKeys {
        expires_at: Some(said.expiration.parse().ok().ok_or("`expiration` is not a time (ISO 8601)")?),
        keys: keys(&said.access_key_id, said.secret_access_key, Some(said.session_token))?,
        arn: set.assumed_role_user.map(|user| user.arn),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SESSION: &str = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/R/s</Arn></AssumedRoleUser><Credentials><AccessKeyId>ASIAX</AccessKeyId><SecretAccessKey>x</SecretAccessKey><SessionToken>y</SessionToken><Expiration>2026-11-21T13:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>";

    #[test]
    fn reads_a_session_and_its_account() {
        let credential = parse_session(SESSION.as_bytes(), "AssumeRole").unwrap().into_credential();
        assert_eq!(credential.facts["account"], "123456789012");
        assert_eq!(credential.expires_at.unwrap().as_second(), 1_795_266_000);
    }

    #[test]
    fn rejects_sessions_bent_in_one_place() {
        for (from, to, says) in [
            ("ASIAX", "", "`AccessKeyId` is missing"),
            (">x<", "><", "`SecretAccessKey` is missing"),
            (">y<", "><", "`SessionToken` is missing"),
            ("ASIAX", "ASI&#10;AX", "the access key id is not one word of visible ASCII"),
            (">x<", ">x y<", "the secret access key is not one word of visible ASCII"),
            (">y<", ">y\u{e9}<", "the session token is not one word of visible ASCII"),
            ("2026-11-21T13:00:00Z", "soon", "`Expiration` is not a time (ISO 8601)"),
            ("</AssumeRoleResponse>", "", "it is not XML as AWS writes it"),
        ] {
            let error = parse_session(SESSION.replacen(from, to, 1).as_bytes(), "AssumeRole").unwrap_err();
            assert_eq!(error, says);
        }
    }

    #[test]
    fn reads_nanoseconds_of_the_eks_agent() {
        let body = br#"{"AccessKeyId":"ASIAX","SecretAccessKey":"x","Token":"y","Expiration":"2026-11-21T13:00:00.123456789Z"}"#;
        assert_eq!(parse_json_keys(body).unwrap().expires_at.unwrap().as_second(), 1_795_266_000);
        let failed = br#"{"Code":"Failed","AccessKeyId":"A","SecretAccessKey":"x"}"#;
        assert_eq!(parse_json_keys(failed).unwrap_err(), "`Code` is not Success");
        let bent = br#"{"AccessKeyId":"ASIA\nX","SecretAccessKey":"x"}"#;
        assert_eq!(parse_json_keys(bent).unwrap_err(), "the access key id is not one word of visible ASCII");
    }

    #[test]
    fn audiences_and_tags_are_numbered() {
        let tag = Tag { key: "k".to_owned(), value: "v".to_owned(), transitive: false };
        let fields = identity_token(&["a".to_owned(), "b".to_owned()], "RS256", 300, &[tag]);
        let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names[2..4], ["Audience.member.1", "Audience.member.2"]);
        assert_eq!(names[6..], ["Tags.member.1.Key", "Tags.member.1.Value"]);
    }

    const ROLES_ANYWHERE: &str = r#"{"credentialSet":[{"assumedRoleUser":{"arn":"arn:aws:sts::123456789012:assumed-role/R/s"},"credentials":{"accessKeyId":"ASIAX","secretAccessKey":"x","sessionToken":"y","expiration":"2026-11-21T13:00:00Z"}}]}"#;

    #[test]
    fn rejects_sessions_of_certificates_bent_in_one_place() {
        assert_eq!(parse_roles_anywhere(ROLES_ANYWHERE.as_bytes()).unwrap().keys.access_key_id, "ASIAX");
        for (from, to, says) in [
            ("credentialSet", "set", "it is not JSON with `credentialSet`"),
            ("[", "[]}", "it is not JSON with `credentialSet`"),
            (r#""ASIAX""#, r#""""#, "a key is empty"),
            (r#""x""#, r#""""#, "a key is empty"),
            (r#""y""#, r#""""#, "a key is empty"),
            ("ASIAX", "ASIA\\nX", "the access key id is not one word of visible ASCII"),
            ("2026-11-21T13:00:00Z", "soon", "`expiration` is not a time (ISO 8601)"),
        ] {
            assert_eq!(
                parse_roles_anywhere(ROLES_ANYWHERE.replacen(from, to, 1).as_bytes()).unwrap_err(),
                says,
                "{from}"
            );
        }
        assert_eq!(parse_roles_anywhere(br#"{"credentialSet":[]}"#).unwrap_err(), "`credentialSet` is empty");
    }

    proptest! {
        #[test]
        fn never_panics(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(parse_session(&body, "AssumeRole").is_err());
            prop_assert!(parse_web_identity_token(&body).is_err());
            prop_assert!(parse_json_keys(&body).is_err());
            prop_assert!(parse_roles_anywhere(&body).is_err());
        }

        #[test]
        fn keys_are_taken_as_they_are(key in "[!-~]{0,12}", end in "[0-9TZ:.-]{0,24}") {
            let json = serde_json::json!({ "AccessKeyId": key, "SecretAccessKey": "x", "Expiration": end });
            if let Ok(session) = parse_json_keys(json.to_string().as_bytes()) {
                prop_assert_eq!(&session.keys.access_key_id, &key);
                prop_assert!(!key.is_empty());
            }
            let plain = key.chars().all(|c| c.is_ascii_alphanumeric());
            let xml = parse_session(SESSION.replacen("ASIAX", &key, 1).as_bytes(), "AssumeRole");
            prop_assert!(!plain || key.is_empty() || xml.is_ok_and(|session| session.keys.access_key_id == key));
        }
    }
}
