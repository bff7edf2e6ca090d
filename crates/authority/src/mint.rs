//! The issuer as what agents get their SVIDs from.

use std::{fmt, sync::Arc};

use carnet_core::{BoxFuture, Error};
use carnet_entries::{By, Mint, MintJwt, MintX509, Minted, MintedJwt};
use carnet_issuer::{Caller, Issuer, JwtSvidRequest, X509SvidRequest};

/// Issues for agents through the one issuer, so that every SVID has its audit row.
pub(crate) struct IssuerMint(pub(crate) Arc<Issuer>);

impl Mint for IssuerMint {
    fn x509(&self, wanted: Vec<MintX509>, by: By) -> BoxFuture<'_, Result<Vec<Minted>, Error>> {
        Box::pin(async move {
            let requests = wanted.into_iter().map(|one| X509SvidRequest {
                spiffe_id: one.spiffe_id,
                csr: one.csr,
                dns_names: one.dns_names,
                ttl: one.ttl,
                entry_id: one.entry_id,
                actor: by.actor.clone(),
                caller: caller(&by),
            });
            let issued = self.0.x509_svids(requests.collect()).await?;
            let minted = issued.into_iter().map(|one| Minted {
                chain: one.chain,
                expires_at: one.expires_at,
                serial: one.serial,
            });
            Ok(minted.collect())
        })
    }

    fn jwt(&self, wanted: MintJwt, by: By) -> BoxFuture<'_, Result<MintedJwt, Error>> {
        Box::pin(async move {
            let request = JwtSvidRequest {
                spiffe_id: wanted.spiffe_id,
                audiences: wanted.audiences,
                ttl: wanted.ttl,
                claims: wanted.claims,
                include_jti: wanted.include_jti,
                entry_id: Some(wanted.entry_id),
                actor: by.actor.clone(),
                caller: caller(&by),
            };
            let issued = self.0.jwt_svid(request).await?;
            Ok(MintedJwt { token: issued.token, issued_at: issued.issued_at, expires_at: issued.expires_at })
        })
    }
}

fn caller(by: &By) -> Caller {
    Caller { peer: by.peer.clone().unwrap_or_default(), certificates: None, request_id: by.request_id.clone() }
}

impl fmt::Debug for IssuerMint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IssuerMint")
    }
}
