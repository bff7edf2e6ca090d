//! What is particular to one party.

use carnet_jose::Algorithm;
use carnet_oauth::trust::{Manner, Trust};
use carnet_sandbox_kit::Host;
use jiff::Timestamp;
use serde_json::Value;

use crate::{reply::Style, resource::Serve};

/// One party.
pub(crate) struct Face {
    /// Its name in the catalogue.
    pub(crate) name: &'static str,
    /// Its name in the sandbox.
    pub(crate) service: &'static str,
    pub(crate) hosts: &'static [Host],
    pub(crate) entrance: Entrance,
    pub(crate) lookup: Lookup,
    pub(crate) key: Key,
    /// Signature algorithms that are accepted.
    pub(crate) algorithms: &'static [Algorithm],
    /// Whether a token must name its key.
    pub(crate) kid: bool,
    /// Claims that are looked for after the signature.
    pub(crate) needed: &'static [&'static str],
    pub(crate) manner: Manner,
    /// Whether the audience is looked at together with the signature, before any trust is looked for.
    pub(crate) audience_first: bool,
    pub(crate) replay: Replay,
    pub(crate) life: Life,
    /// How its tokens begin.
    pub(crate) prefix: &'static str,
    /// The status of an answer.
    pub(crate) success: u16,
    pub(crate) answer: fn(&Given<'_>) -> Value,
    pub(crate) style: Style,
    pub(crate) refuse: fn(Reason) -> Refuse,
    /// What takes the token; nothing where the entrance is the resource.
    pub(crate) resources: &'static [Resource],
    /// What anybody may read.
    pub(crate) documents: &'static [Document],
}

/// How a token gets in.
pub(crate) struct Entrance {
    pub(crate) method: &'static str,
    /// The path; `{name}` stands for one part, `{name*}` for several. They are members, too.
    pub(crate) path: &'static str,
    pub(crate) bodies: &'static [Body],
    pub(crate) token: Shown,
    /// Members with values of which one must be there.
    pub(crate) fixed: &'static [Fixed],
    /// Members that must be there.
    pub(crate) required: &'static [&'static str],
    /// Largest body and token, in bytes.
    pub(crate) most: (usize, usize),
}

/// Bodies and tokens of the usual size.
pub(crate) const USUAL: (usize, usize) = (1 << 20, 64 << 10);

/// A form of the members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    Form,
    Json,
    Query,
    /// There are none but those of the path.
    Nothing,
}

/// Where the token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    Member(&'static str),
    /// `authorization: Bearer TOKEN`
    Bearer,
    /// `authorization: Bearer PREFIXTOKEN`, with this header.
    Prefixed(&'static str, (&'static str, &'static str)),
}

/// A member with few values.
pub(crate) struct Fixed {
    pub(crate) name: &'static str,
    pub(crate) values: &'static [&'static str],
    /// Whether it must be there.
    pub(crate) required: bool,
    pub(crate) otherwise: Reason,
}

/// What is looked at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// The trust, by what the request says.
    Trust,
    /// The trust, and then the keys of its issuer, before the token is looked at.
    TrustAndKeys,
    /// The token and its issuer, which some trust must name.
    Token,
    /// The token and its issuer, whichever it is.
    AnyIssuer,
}

/// What a trust is found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// These members of the request, all of them.
    Members(&'static [&'static str]),
    /// The first of these claims that is there.
    Claim(&'static [&'static str]),
    /// The subject.
    Subject,
}

/// Whether a token counts more than once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Replay {
    Any,
    /// Once; the first time is remembered when the exchange succeeds.
    Once,
    /// The same, and one without `jti` does not count at all.
    OnceById,
    /// Once; the first time is remembered before a trust is looked for.
    OnceEvenIfRefused,
}

/// How long what is given lives, in seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Life {
    /// Where the trust does not say.
    pub(crate) usual: i64,
    pub(crate) longest: i64,
    /// Whether it never outlives the token shown.
    pub(crate) ends_with_token: bool,
}

/// What there is to answer.
pub(crate) struct Given<'a> {
    pub(crate) token: &'a str,
    pub(crate) trust: &'a Trust,
    pub(crate) now: Timestamp,
    pub(crate) expires: Timestamp,
    /// Seconds from now to the end.
    pub(crate) life: i64,
}

/// What takes the token.
pub(crate) struct Resource {
    pub(crate) method: &'static str,
    /// As in [`Entrance::path`].
    pub(crate) path: &'static str,
    pub(crate) presented: Presented,
    /// The form of its errors.
    pub(crate) style: Style,
    pub(crate) serve: Serve,
}

/// What anybody may read.
pub(crate) struct Document {
    /// As in [`Entrance::path`].
    pub(crate) path: &'static str,
    pub(crate) content: Content,
}

/// What a document says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// Always the same JSON.
    Text(&'static str),
    /// The versions of the crate whose name is the last part of the path, a line of JSON for each.
    Index,
}

/// How the party's own token is presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presented {
    /// `authorization: Bearer TOKEN`
    Bearer,
    /// `authorization: TOKEN`
    Bare,
    /// `authorization: Basic BASE64(USER:TOKEN)`
    Password(&'static str),
}

/// How a party says no for one reason. `{seen}` and `{wanted}` in the words stand for what was seen and wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refuse {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) words: &'static str,
}

/// A refusal of a party.
pub(crate) const fn refuse(status: u16, code: &'static str, words: &'static str) -> Refuse {
    Refuse { status, code, words }
}

/// Why a party says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The body is of another type, or cannot be read.
    Body,
    /// Body or token are too large.
    TooLarge,
    /// A member is missing.
    Missing,
    /// The grant type.
    Grant,
    /// Another member has a value that it cannot have.
    Value,
    /// The scope.
    Scope,
    /// No token, in a header.
    NoToken,
    /// Not a JWT.
    Form,
    /// The algorithm, or another member of the header.
    Algorithm,
    /// The token names no key.
    NoKeyId,
    /// Nothing of this name is known: rule, policy, client.
    Target,
    /// It is known, and leads nowhere with what else was said.
    NoTrust,
    /// No trust names the issuer.
    Issuer,
    /// The keys of the issuer cannot be read.
    Keys,
    /// The issuer has no such key.
    NoKey,
    Signature,
    Expired,
    NotYet,
    /// A claim that must be there is not.
    NoClaim,
    Audience,
    Disabled,
    /// What the request says beside the token does not fit the trust.
    Members,
    Subject,
    Claims,
    Pending,
    /// The token was used before.
    Replayed,
}

impl Reason {
    /// The clause of a decision.
    pub(crate) const fn clause(self) -> &'static str {
        match self {
            Self::Body | Self::TooLarge | Self::Missing | Self::Value => "request",
            Self::Grant => "grant-type",
            Self::Scope => "scope",
            Self::NoToken => "token",
            Self::Form => "form",
            Self::Algorithm => "algorithm",
            Self::NoKeyId => "key-id",
            Self::Target => "target",
            Self::NoTrust => "policy",
            Self::Issuer => "issuer",
            Self::Keys => "keys",
            Self::NoKey => "key",
            Self::Signature => "signature",
            Self::Expired => "expired",
            Self::NotYet => "not-yet",
            Self::NoClaim | Self::Claims => "claims",
            Self::Audience => "audience",
            Self::Disabled => "disabled",
            Self::Members => "members",
            Self::Subject => "subject",
            Self::Pending => "pending",
            Self::Replayed => "replay",
        }
    }
}
