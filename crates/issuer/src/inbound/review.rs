//! Asking the API server of the cluster that the authority runs in about the tokens of its service accounts: keys do not know which pods
//! are gone.

use carnet_core::{Error, Secret, chain};
use carnet_jose::VerifiedJwt;
use carnet_kubernetes::{ApiConfig, Bound};
use carnet_trust::Refusal;

use super::Unproved;
use crate::Issuer;

/// What keeps us from asking.
const CLAUSE: &str = "token-review";

impl Issuer {
    /// Whether the API server believes this token as well, for one of the audiences that it names, and says the same of it. The keys of
    /// the cluster have accepted it: what they refuse is not asked about.
    pub(super) async fn review(&self, token: &Secret, jwt: &VerifiedJwt) -> Result<(), Unproved> {
        let own = Bound::of_claims(jwt.claims()).map_err(|refusal| refused(&refusal))?;
        let server = ApiConfig::default().check("token_review", &mut Vec::new()).need(self.context());
        let server = server.map_err(|error| unasked(&error))?;
        let (audiences, timeout) = (jwt.claims().audiences(), self.settings().fetch_timeout);
        let reviewed = tokio::time::timeout(timeout, server.review(self.context(), token, &audiences)).await;
        let reviewed = reviewed.unwrap_or_else(|_elapsed| {
            Err(Error::unreachable(format!(
                "ask the API server about a token: none answers within {} ms",
                timeout.as_millis()
            )))
        });
        let told = reviewed.map_err(|error| unasked(&error))?.map_err(|refusal| refused(&refusal))?;
        if (told.account, told.pod) == (own.account, own.pod) {
            return Ok(());
        }
        let fix = "see what answers as the API server of this cluster, and whose keys are given for this issuer";
        let seen = "a token review about another account or pod than the token names";
        Err(Unproved::new("claims", seen, "the same in both", fix))
    }
}

fn refused(refusal: &Refusal) -> Unproved {
    Unproved::new(refusal.clause, refusal.seen.as_str(), refusal.wanted.as_str(), &refusal.fix)
}

/// Nobody is believed meanwhile. That says nothing about the token, so it may be shown again.
fn unasked(error: &Error) -> Unproved {
    let fix = "run the authority as a pod of the cluster, with an account that may create tokenreviews (system:auth-delegator)";
    let fix = error.hints().first().map_or(fix, |hint| *hint).to_owned();
    let unproved = Unproved::new(CLAUSE, chain(error).join(": "), "the answer of the cluster's API server", &fix);
    Unproved { later: true, ..unproved }
}
