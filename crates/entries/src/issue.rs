//! The issuer at the seam.

use carnet_core::{BoxFuture, Error};
use carnet_issuer::{Caller, Issued, IssuedCertificate, Issuer, JwtSvidRequest, X509SvidRequest};
use carnet_store::{AuditRecord, Op};

use crate::{By, Mint, MintJwt, MintX509, Minted, MintedJwt};

impl Mint for Issuer {
    fn x509(&self, wanted: Vec<MintX509>, by: By) -> BoxFuture<'_, Result<Vec<Minted>, Error>> {
        Box::pin(async move {
            let requests = wanted.into_iter().map(|wanted| request(wanted, &by)).collect();
            Ok(self.x509_svids(requests).await?.into_iter().map(minted).collect())
        })
    }

    fn sign_x509(&self, wanted: MintX509, by: By) -> BoxFuture<'_, Result<(Minted, AuditRecord), Error>> {
        Box::pin(async move {
            let (issued, row) = self.signed_x509_svid(request(wanted, &by)).await?;
            Ok((minted(issued), row))
        })
    }

    fn refused(&self, record: AuditRecord, ops: Vec<Op>) -> BoxFuture<'_, ()> {
        Box::pin(self.note_refusal(record, ops))
    }

    fn jwt(&self, wanted: Vec<MintJwt>, by: By) -> BoxFuture<'_, Vec<Result<MintedJwt, Error>>> {
        Box::pin(async move {
            let request = |wanted: MintJwt| JwtSvidRequest {
                spiffe_id: wanted.spiffe_id,
                audiences: wanted.audiences,
                ttl: wanted.ttl,
                claims: wanted.claims,
                include_jti: wanted.include_jti,
                entry_id: Some(wanted.entry_id),
                caller: caller(&by),
                actor: by.actor.clone(),
            };
            let minted = |issued: Issued| MintedJwt {
                token: issued.token,
                issued_at: issued.issued_at,
                expires_at: issued.expires_at,
            };
            let issued = self.jwt_svids(wanted.into_iter().map(request).collect()).await;
            issued.into_iter().map(|issued| issued.map(minted)).collect()
        })
    }
}

fn request(wanted: MintX509, by: &By) -> X509SvidRequest {
    X509SvidRequest {
        spiffe_id: wanted.spiffe_id,
        csr: wanted.csr,
        dns_names: wanted.dns_names,
        ttl: wanted.ttl,
        entry_id: wanted.entry_id,
        actor: by.actor.clone(),
        caller: caller(by),
    }
}

fn minted(issued: IssuedCertificate) -> Minted {
    Minted { chain: issued.chain, expires_at: issued.expires_at, serial: issued.serial }
}

fn caller(by: &By) -> Caller {
    Caller { request_id: by.request_id.clone(), ..Caller::at(by.peer.clone().unwrap_or_default()) }
}
