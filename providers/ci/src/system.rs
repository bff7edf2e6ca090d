//! What the tokens of each CI system say, and what of it is worth trusting.

mod forges;
mod services;
mod subject;

use carnet_jose::Claims;

pub(crate) use forges::{BITBUCKET, GITHUB, GITLAB};
pub(crate) use services::{AZURE_DEVOPS, BUILDKITE, CIRCLECI, CLOUD_BUILD, HCP_TERRAFORM, JENKINS, SPACELIFT};
pub use subject::subject_claims;

/// Every system that is known here, in the order of their sources.
pub static SYSTEMS: [&System; 10] = [
    &GITHUB,
    &GITLAB,
    &BITBUCKET,
    &CIRCLECI,
    &BUILDKITE,
    &AZURE_DEVOPS,
    &HCP_TERRAFORM,
    &SPACELIFT,
    &JENKINS,
    &CLOUD_BUILD,
];

/// A CI system, as far as its tokens tell.
#[derive(Debug)]
pub struct System {
    /// Its name for people.
    pub name: &'static str,
    /// What its tokens are called.
    pub token: &'static str,
    /// The source that gets its tokens.
    pub source: &'static str,
    /// Who chooses the audience of its tokens.
    pub audience: Audience,
    /// The claims of its tokens beside those that every token has, the most telling first.
    pub claims: &'static [Claim],
    /// Claims that say which tenant a token is of, the ids first. One of them must be compared where [`System::is_shared`].
    pub tenant: &'static [&'static str],
    /// Claims that say which project, pipeline or workspace it is of, the ids first.
    pub project: &'static [&'static str],
    /// Its issuers.
    issuers: &'static [Issuer],
    /// Claims that together only its tokens have; the first is nobody else's. By these it is known where its issuer is its user's own.
    marks: &'static [&'static str],
    /// How its subjects are told from those of others, where the issuer does not tell.
    subject: Subject,
    /// Where all this is documented.
    pub documentation: &'static str,
}

/// Who chooses the audience of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// The job, when it asks.
    Asked,
    /// Whoever defines the job, the workspace or the credential; the job itself cannot.
    Defined,
    /// Nobody.
    Fixed,
}

/// A claim of a system's tokens.
#[derive(Debug)]
pub struct Claim {
    /// Its name in the token.
    pub name: &'static str,
    /// Its name among the facts of a credential, if it is one.
    pub fact: Option<&'static str>,
    /// What it is worth.
    pub weight: Weight,
    /// What it is.
    pub about: &'static str,
}

/// What it means that a claim has some value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// It is the one thing that has this id: the system gives it to nothing else, ever.
    Id,
    /// It is what has this name now: the name can be given up, and taken by somebody else.
    Name,
    /// The system vouches for it: a protected branch, an environment with rules, the phase of a run.
    Guard,
    /// Whoever can push, open a pull request or write the definition has chosen it.
    Chosen,
    /// It is of one run and tells nobody apart.
    Run,
}

#[derive(Debug)]
enum Issuer {
    /// Exactly this, and everybody on the service has it.
    Shared(&'static str),
    /// This, and behind it what belongs to one tenant.
    Below(&'static str),
    /// A host of the tenant's own between these, and nothing behind.
    Between(&'static str, &'static str),
    /// Any host, with this path.
    Path(&'static str),
}

#[derive(Debug)]
enum Subject {
    /// They say nothing: the issuer must be known.
    Any,
    /// They begin so.
    Begins(&'static str),
    /// They have this in them, and without it the issuer says nothing.
    Holds(&'static str),
}

impl Issuer {
    fn is(&self, url: &str) -> bool {
        match self {
            Self::Shared(exact) => url == *exact,
            Self::Below(start) => {
                url.strip_prefix(start).and_then(|rest| rest.strip_prefix('/')).is_some_and(|rest| !rest.is_empty())
            }
            Self::Between(start, end) => url
                .strip_prefix(start)
                .and_then(|rest| rest.strip_suffix(end))
                .is_some_and(|host| !host.is_empty() && !host.contains('/')),
            Self::Path(path) => url
                .strip_prefix("https://")
                .and_then(|rest| rest.strip_suffix(path))
                .is_some_and(|host| !host.is_empty() && !host.contains('/')),
        }
    }
}

impl System {
    /// The system whose tokens have this issuer, if that is known of the issuer alone.
    pub fn of_issuer(issuer: &str) -> Option<&'static Self> {
        SYSTEMS.into_iter().find(|system| !matches!(system.subject, Subject::Holds(_)) && system.has_issuer(issuer))
    }

    /// The system whose token this is, by its issuer or by the claims that only its tokens have. Nothing is verified.
    pub fn of_token(claims: &Claims) -> Option<&'static Self> {
        let (issuer, subject) = (claims.str("iss").unwrap_or_default(), claims.str("sub").unwrap_or_default());
        Self::of_issuer(issuer).or_else(|| {
            SYSTEMS.into_iter().find(|system| {
                let marked = !system.marks.is_empty() && system.marks.iter().all(|mark| claims.get(mark).is_some());
                match system.subject {
                    Subject::Holds(part) => subject.contains(part) && (marked || system.has_issuer(issuer)),
                    Subject::Any | Subject::Begins(_) => marked,
                }
            })
        })
    }

    /// The system that a trust means that compares these claims and this subject.
    pub(crate) fn of_trust(
        issuer: &str,
        subject: Option<&str>,
        compares: impl Fn(&str) -> bool,
    ) -> Option<&'static Self> {
        Self::of_issuer(issuer).or_else(|| {
            SYSTEMS.into_iter().find(|system| {
                let subject = subject.unwrap_or_default();
                let by_subject = match system.subject {
                    Subject::Any => false,
                    Subject::Begins(start) => subject.starts_with(start),
                    Subject::Holds(part) => subject.contains(part) && system.has_issuer(issuer),
                };
                by_subject || system.marks.first().is_some_and(|mark| compares(mark))
            })
        })
    }

    fn has_issuer(&self, issuer: &str) -> bool {
        self.issuers.iter().any(|known| known.is(issuer))
    }

    /// Whether everybody on the service has tokens of this issuer, so that the issuer says nothing of whose token it is.
    pub fn is_shared(&self, issuer: &str) -> bool {
        self.issuers.iter().any(|known| matches!(known, Issuer::Shared(_)) && known.is(issuer))
    }

    /// What a claim is, if it is known.
    pub fn claim(&self, name: &str) -> Option<&'static Claim> {
        self.claims.iter().find(|claim| claim.name == name)
    }
}

const fn id(name: &'static str, fact: Option<&'static str>, about: &'static str) -> Claim {
    Claim { name, fact, weight: Weight::Id, about }
}

const fn name(name: &'static str, fact: Option<&'static str>, about: &'static str) -> Claim {
    Claim { name, fact, weight: Weight::Name, about }
}

const fn guard(name: &'static str, fact: Option<&'static str>, about: &'static str) -> Claim {
    Claim { name, fact, weight: Weight::Guard, about }
}

const fn chosen(name: &'static str, fact: Option<&'static str>, about: &'static str) -> Claim {
    Claim { name, fact, weight: Weight::Chosen, about }
}

const fn run(name: &'static str, about: &'static str) -> Claim {
    Claim { name, fact: None, weight: Weight::Run, about }
}

#[cfg(test)]
mod tests;
