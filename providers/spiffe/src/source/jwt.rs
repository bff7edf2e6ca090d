//! A JWT-SVID for an audience.

use carnet_core::{Context, Error, Found, Want};
use carnet_grpc::JwtSvid;
use carnet_jose::SubjectToken;

use super::{Offered, Spiffe, connect, malformed};
use crate::{IdError, SpiffeId};

const WHAT: &str = "the JWT-SVID from the agent";

impl Offered for JwtSvid {
    fn spiffe_id(&self) -> &str {
        &self.spiffe_id
    }

    fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

pub(super) async fn find(config: &Spiffe, endpoint: &str, context: &Context, want: &Want) -> Result<Found, Error> {
    let Some(audience) = config.audience.as_deref().or(want.audience.as_deref()) else {
        return Err(Error::configuration("ask the agent for a JWT-SVID: no audience is known")
            .clause("audience")
            .hint("set `audience`, or put an exchange after this source that needs one"));
    };
    let api = connect(endpoint).await?;
    let wanted = config.spiffe_id.as_ref().map(SpiffeId::as_str);
    let svid = config.pick(api.fetch_jwt_svid(&[audience], wanted).await?)?;
    let id: SpiffeId = svid.spiffe_id.parse().map_err(|error: IdError| malformed("SPIFFE ID of a JWT-SVID", error))?;
    let token = SubjectToken::parse(svid.token).map_err(|error| malformed("JWT-SVID", error))?;
    if token.unverified_claims().str("sub") != Some(id.as_str()) {
        return Err(Error::unreachable(format!("use {WHAT}: its subject is not {id}, whose it is said to be"))
            .clause("subject"));
    }
    token.refuse_expired(WHAT, context.now())?;
    token.refuse_other_audience(WHAT, Some(audience))?;
    let credential =
        token.into_credential().fact("principal", id.as_str()).fact("trust_domain", id.trust_domain().as_str());
    Ok(Found::credential(credential))
}
