//! What an entry of the catalogue says.
//!
//! Every section has `source`, the addresses of the pages that say so, or `unconfirmed`, what nobody could confirm and what
//! is done about it, or both.

use serde::Deserialize;

/// One relying party.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Party {
    /// The name in a configuration, and of the file.
    pub(crate) name: String,
    /// Its name for people.
    pub(crate) title: String,
    /// What is got there, in one line.
    pub(crate) about: String,
    pub(crate) request: Request,
    pub(crate) audience: Audience,
    pub(crate) claims: Claims,
    pub(crate) lifetime: Lifetime,
    pub(crate) answer: Answer,
    pub(crate) refusal: Refusals,
}

/// What is sent, and where.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Request {
    pub(crate) dialect: Dialect,
    #[serde(default)]
    pub(crate) encoding: Encoding,
    #[serde(default)]
    pub(crate) method: Method,
    /// `https://host` of the service; `None` where each customer has one.
    #[serde(default)]
    pub(crate) origin: Option<String>,
    /// The path, with `{setting}` for a setting that is part of it.
    #[serde(default)]
    pub(crate) path: String,
    /// The member with the token, of [`Dialect::Login`].
    #[serde(default)]
    pub(crate) token: Option<String>,
    /// What goes before the token, of [`Dialect::Presented`].
    #[serde(default)]
    pub(crate) prefix: Option<String>,
    #[serde(default)]
    pub(crate) setting: Vec<Setting>,
    #[serde(default)]
    pub(crate) source: Vec<String>,
    #[serde(default)]
    pub(crate) unconfirmed: Vec<String>,
}

/// How the token is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Dialect {
    /// As `subject_token` (RFC 8693, 2.1).
    TokenExchange,
    /// As `assertion` (RFC 7523, 2.1).
    JwtBearer,
    /// In a member of the service's own.
    Login,
    /// In the header `authorization`.
    Bearer,
    /// Nothing is sent: the service takes the token itself, with something before it.
    Presented,
}

/// In what form the members are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Encoding {
    /// `application/x-www-form-urlencoded`.
    Form,
    /// One JSON object of texts.
    Json,
    /// Behind `?`.
    Query,
    /// There are none.
    #[default]
    None,
}

/// The method of the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Method {
    /// Without a body.
    Get,
    /// The usual one.
    #[default]
    Post,
}

/// What the user says beside the token. Never a secret.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Setting {
    /// Its name in the configuration.
    pub(crate) name: String,
    /// Its name on the wire, if that is another one.
    #[serde(default)]
    pub(crate) member: Option<String>,
    /// What it is.
    pub(crate) about: String,
    #[serde(default)]
    pub(crate) place: Place,
    #[serde(default)]
    pub(crate) required: bool,
    #[serde(default)]
    pub(crate) default: Option<String>,
    /// The values that there are; all if empty.
    #[serde(default)]
    pub(crate) one_of: Vec<String>,
    /// How it begins, in one of these ways; any if empty.
    #[serde(default)]
    pub(crate) starts_with: Vec<String>,
}

impl Setting {
    /// Its name on the wire.
    pub(crate) fn wire_name(&self) -> &str {
        self.member.as_deref().unwrap_or(&self.name)
    }
}

/// Where a setting goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Place {
    /// A member of the request.
    #[default]
    Member,
    /// One segment of the path, escaped.
    Segment,
    /// Several segments of the path.
    Path,
    /// What goes before the token.
    Prefix,
}

/// Which audience the token shown must name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Audience {
    pub(crate) rule: AudienceRule,
    /// The audience, with `{setting}` for a setting.
    #[serde(default)]
    pub(crate) default: Option<String>,
    #[serde(default)]
    pub(crate) source: Vec<String>,
    #[serde(default)]
    pub(crate) unconfirmed: Vec<String>,
}

/// Who decides the audience.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum AudienceRule {
    /// The service: there is one only.
    Fixed,
    /// The service, unless its side of the trust says otherwise.
    Default,
    /// Its side of the trust says it, so the user must.
    Configured,
}

/// Which claims the token shown must have.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Claims {
    pub(crate) needed: Vec<String>,
    /// The signature algorithms that are accepted; not known if empty.
    #[serde(default)]
    pub(crate) algorithms: Vec<String>,
    #[serde(default)]
    pub(crate) source: Vec<String>,
    #[serde(default)]
    pub(crate) unconfirmed: Vec<String>,
}

/// How long what is given counts, in seconds.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lifetime {
    /// What is counted on when the answer does not say.
    #[serde(default)]
    pub(crate) seconds: Option<i64>,
    /// What is believed at most.
    #[serde(default)]
    pub(crate) longest: Option<i64>,
    /// Whether it never outlives the token shown.
    #[serde(default)]
    pub(crate) ends_with_token: bool,
    #[serde(default)]
    pub(crate) source: Vec<String>,
    #[serde(default)]
    pub(crate) unconfirmed: Vec<String>,
}

/// Where the answer says what. Places are JSON pointers (RFC 6901).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answer {
    /// The token. `None` only if nothing is asked.
    #[serde(default)]
    pub(crate) token: Option<String>,
    /// Seconds until its end.
    #[serde(default)]
    pub(crate) expires_in: Option<String>,
    /// Its end (RFC 3339).
    #[serde(default)]
    pub(crate) expires: Option<String>,
    /// Whether an answer without its end is wrong.
    #[serde(default)]
    pub(crate) expiry_needed: bool,
    /// Whether zero seconds mean that the answer does not say.
    #[serde(default)]
    pub(crate) zero_is_silence: bool,
    /// The scopes that were given.
    #[serde(default)]
    pub(crate) scope: Option<String>,
    /// The type of the token.
    #[serde(default, rename = "type")]
    pub(crate) kind: Option<String>,
    /// What the type must be, in any case of letters.
    #[serde(default)]
    pub(crate) type_is: Option<String>,
    /// The header that has to go with the token.
    #[serde(default)]
    pub(crate) header: Option<String>,
    /// How the token is used where it is no bearer token.
    #[serde(default, rename = "use")]
    pub(crate) usage: Option<String>,
    #[serde(default)]
    pub(crate) source: Vec<String>,
    #[serde(default)]
    pub(crate) unconfirmed: Vec<String>,
}

/// How it says no.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refusals {
    /// Where the code may be; the first that is there counts.
    #[serde(default)]
    pub(crate) code: Vec<String>,
    /// Where the words may be; the first that are there count.
    #[serde(default)]
    pub(crate) message: Vec<String>,
    /// What a refusal means; the first that fits counts.
    #[serde(default)]
    pub(crate) rule: Vec<Rule>,
    #[serde(default)]
    pub(crate) source: Vec<String>,
    #[serde(default)]
    pub(crate) unconfirmed: Vec<String>,
}

/// What one refusal means.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// The HTTP status; any if `None`.
    #[serde(default)]
    pub(crate) status: Option<u16>,
    /// The code; any, also none, if `None`.
    #[serde(default)]
    pub(crate) code: Option<String>,
    /// What the words hold, in any case of letters.
    #[serde(default)]
    pub(crate) says: Option<String>,
    pub(crate) kind: RefusalKind,
    /// The clause that failed.
    pub(crate) clause: String,
    /// What to do about it.
    pub(crate) fix: String,
    #[serde(default)]
    pub(crate) source: Vec<String>,
    #[serde(default)]
    pub(crate) unconfirmed: Vec<String>,
}

/// Who has to act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum RefusalKind {
    /// What was shown or asked is not accepted.
    Refused,
    /// A rule of the other side denies it.
    Policy,
    /// The token shown is over.
    Expired,
    /// The same request may succeed later.
    Unreachable,
}
