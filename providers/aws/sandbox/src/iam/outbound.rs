//! The account as an issuer: on, off, and its name.

use super::Ask;
use crate::{
    reply::{Answer, ApiError},
    seed, xml,
};

pub(super) fn answer(ask: &Ask<'_>) -> Answer {
    ask.permit("*")?;
    let mut inner = ask.state.lock();
    let issuer = xml::leaf("IssuerIdentifier", seed::OUTBOUND_ISSUER);
    let off = || ApiError::new(404, "FeatureDisabled", "Outbound web identity federation is not enabled.");
    match ask.action.as_str() {
        "EnableOutboundWebIdentityFederation" if inner.outbound => {
            Err(ApiError::new(409, "FeatureEnabled", "Outbound web identity federation is already enabled."))
        }
        "EnableOutboundWebIdentityFederation" => {
            inner.outbound = true;
            Ok(ask.ok(&issuer))
        }
        _ if !inner.outbound => Err(off()),
        "DisableOutboundWebIdentityFederation" => {
            inner.outbound = false;
            Ok(ask.done())
        }
        _ => Ok(ask.ok(&(issuer + &xml::leaf("JwtVendingEnabled", "true")))),
    }
}
