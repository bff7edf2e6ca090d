//! The SPIFFE Workload API.

use std::{collections::BTreeMap, pin::Pin, sync::Arc};

use carnet_attest::protocol::{MAX_AUDIENCE, MAX_AUDIENCES, RefusalCode};
use carnet_core::{chain, safe_text};
use carnet_grpc::{
    SECURITY_HEADER,
    spiffe_workload::{
        JwtBundlesRequest, JwtBundlesResponse, Jwtsvid, JwtsvidRequest, JwtsvidResponse, ValidateJwtsvidRequest,
        ValidateJwtsvidResponse, WitBundlesRequest, WitBundlesResponse, WitsvidRequest, WitsvidResponse,
        X509BundlesRequest, X509BundlesResponse, X509svid, X509svidRequest, X509svidResponse,
        spiffe_workload_api_server::SpiffeWorkloadApi,
    },
    tonic::{self, Request, Response, Status, metadata::MetadataMap},
};
use carnet_spiffe::{SpiffeId, verify_jwt_svid};
use futures_util::{Stream, future::join_all};
use jiff::SignedDuration;

use super::{
    claims,
    feed::{Next, Selectors, Subject, feed},
    no_identity,
};
use crate::{
    bundles::Sent,
    core::Core,
    hub::{Phase, Snapshot, Wish},
    view::{Identity, Progress, domains, identities},
};

/// Tolerance for clocks that disagree when a JWT-SVID is validated.
const LEEWAY: SignedDuration = SignedDuration::from_mins(1);

/// The Workload API of an agent.
pub(super) struct Workload(pub(super) Arc<Core>);

type Answers<M> = Pin<Box<dyn Stream<Item = Result<M, Status>> + Send>>;

#[tonic::async_trait]
impl SpiffeWorkloadApi for Workload {
    type FetchX509SVIDStream = Answers<X509svidResponse>;
    type FetchX509BundlesStream = Answers<X509BundlesResponse>;
    type FetchJWTBundlesStream = Answers<JwtBundlesResponse>;
    type FetchWITSVIDStream = Answers<WitsvidResponse>;
    type FetchWITBundlesStream = Answers<WitBundlesResponse>;

    async fn fetch_x509svid(
        &self,
        request: Request<X509svidRequest>,
    ) -> Result<Response<Self::FetchX509SVIDStream>, Status> {
        let selectors = self.caller(&request).await?;
        Ok(Response::new(Box::pin(feed(&self.0, request.extensions(), X509Svids(selectors))?)))
    }

    async fn fetch_x509_bundles(
        &self,
        request: Request<X509BundlesRequest>,
    ) -> Result<Response<Self::FetchX509BundlesStream>, Status> {
        let selectors = self.caller(&request).await?;
        Ok(Response::new(Box::pin(feed(&self.0, request.extensions(), X509Bundles(selectors))?)))
    }

    async fn fetch_jwtsvid(&self, request: Request<JwtsvidRequest>) -> Result<Response<JwtsvidResponse>, Status> {
        check_header(request.metadata())?;
        check_audiences(&request.get_ref().audience)?;
        let wanted = requested_id(&request.get_ref().spiffe_id)?;
        let selectors = self.caller(&request).await?;
        let snapshot = self.0.hub.now();
        let mut identities = identities(&snapshot, &selectors, self.0.context.now());
        identities.retain(|identity| wanted.as_ref().is_none_or(|wanted| *wanted == identity.spiffe_id));
        if identities.is_empty() {
            return Err(no_identity());
        }
        let audiences = &request.get_ref().audience;
        let svids = join_all(identities.iter().map(|identity| self.jwt_svid(identity, audiences))).await;
        Ok(Response::new(JwtsvidResponse { svids: svids.into_iter().collect::<Result<_, _>>()? }))
    }

    async fn fetch_jwt_bundles(
        &self,
        request: Request<JwtBundlesRequest>,
    ) -> Result<Response<Self::FetchJWTBundlesStream>, Status> {
        let selectors = self.caller(&request).await?;
        Ok(Response::new(Box::pin(feed(&self.0, request.extensions(), JwtBundles(selectors))?)))
    }

    async fn validate_jwtsvid(
        &self,
        request: Request<ValidateJwtsvidRequest>,
    ) -> Result<Response<ValidateJwtsvidResponse>, Status> {
        check_header(request.metadata())?;
        let ValidateJwtsvidRequest { audience, svid } = request.get_ref();
        if audience.is_empty() {
            return Err(Status::invalid_argument("audience must be specified"));
        }
        if svid.is_empty() {
            return Err(Status::invalid_argument("svid must be specified"));
        }
        let selectors = self.caller(&request).await?;
        let snapshot = self.0.hub.now();
        let now = self.0.context.now();
        let own = &self.0.settings.trust_domain;
        // Whoever has no identity may still ask about the own domain's.
        let bundles = snapshot.bundles.of(&domains(own, &identities(&snapshot, &selectors, now)));
        let verified = verify_jwt_svid(svid, &[audience], &bundles, now, LEEWAY).map_err(|error| {
            let seen = error.seen.map(|seen| format!(" ({seen})")).unwrap_or_default();
            Status::invalid_argument(format!("{}{seen}", error.message))
        })?;
        let foreign = !verified.spiffe_id.is_of(own);
        let allowed = &self.0.settings.allowed_foreign_claims;
        let passed = |name: &str| !foreign || matches!(name, "sub" | "aud" | "exp") || allowed.contains(name);
        let claims = claims::object(verified.claims(), passed);
        Ok(Response::new(ValidateJwtsvidResponse { spiffe_id: verified.spiffe_id.to_string(), claims: Some(claims) }))
    }

    async fn fetch_witsvid(
        &self,
        request: Request<WitsvidRequest>,
    ) -> Result<Response<Self::FetchWITSVIDStream>, Status> {
        check_header(request.metadata())?;
        Err(Status::unimplemented("WIT-SVIDs are not supported"))
    }

    async fn fetch_wit_bundles(
        &self,
        request: Request<WitBundlesRequest>,
    ) -> Result<Response<Self::FetchWITBundlesStream>, Status> {
        check_header(request.metadata())?;
        Err(Status::unimplemented("WIT-SVIDs are not supported"))
    }
}

impl Workload {
    async fn caller<T>(&self, request: &Request<T>) -> Result<Selectors, Status> {
        check_header(request.metadata())?;
        self.0.caller(request.extensions()).await
    }

    async fn jwt_svid(&self, identity: &Identity, audiences: &[String]) -> Result<Jwtsvid, Status> {
        let token = self.0.jwt.get(&self.0, identity, audiences).await.map_err(|error| {
            let why = format!("could not fetch JWT-SVID: {}", safe_text(&chain(&error).join(": ")));
            match error.code() {
                // Of what goes to the authority only the audiences are the caller's, and they are no better when it asks again.
                Some(RefusalCode::Invalid) => Status::invalid_argument(why),
                _ => Status::unavailable(why),
            }
        })?;
        Ok(Jwtsvid {
            spiffe_id: identity.spiffe_id.to_string(),
            svid: token.token.expose().to_owned(),
            hint: identity.entry.hint.clone(),
        })
    }
}

/// Exactly one value, exactly this (SPIFFE Workload Endpoint, 3).
fn check_header(metadata: &MetadataMap) -> Result<(), Status> {
    let mut values = metadata.get_all(SECURITY_HEADER).iter();
    match (values.next(), values.next()) {
        (Some(value), None) if value == "true" => Ok(()),
        _ => Err(Status::invalid_argument("security header missing from request")),
    }
}

fn check_audiences(audiences: &[String]) -> Result<(), Status> {
    if audiences.is_empty() || audiences.iter().any(String::is_empty) {
        return Err(Status::invalid_argument("audience must be specified"));
    }
    if audiences.len() > MAX_AUDIENCES || audiences.iter().any(|audience| audience.len() > MAX_AUDIENCE) {
        let most = format!("at most {MAX_AUDIENCES} audiences of {MAX_AUDIENCE} bytes may be specified");
        return Err(Status::invalid_argument(most));
    }
    Ok(())
}

fn requested_id(text: &str) -> Result<Option<SpiffeId>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    let invalid = |error| Status::invalid_argument(format!("invalid requested SPIFFE ID: {error}"));
    text.parse().map(Some).map_err(invalid)
}

struct X509Svids(Selectors);

impl Subject for X509Svids {
    type Message = X509svidResponse;

    fn next(&mut self, core: &Core, snapshot: &Snapshot, wish: &mut Wish) -> Result<Next<X509svidResponse>, Status> {
        let now = core.context.now();
        let identities = identities(snapshot, &self.0, now);
        if identities.is_empty() {
            return Err(no_identity());
        }
        wish.set(identities.iter().map(|identity| identity.key.clone()).collect());
        let own = &core.settings.trust_domain;
        let bundle = snapshot.bundles.sent(own).map(|sent| sent.x509.as_slice()).unwrap_or_default();
        let (mut svids, mut whole, mut given) = (Vec::new(), true, Vec::new());
        for identity in identities {
            match identity.x509(snapshot, now) {
                Progress::Here(svid) => {
                    svids.push(X509svid {
                        spiffe_id: svid.spiffe_id.to_string(),
                        x509_svid: svid.chain.clone(),
                        x509_svid_key: svid.private_key.expose().to_vec(),
                        bundle: bundle.to_vec(),
                        hint: identity.entry.hint.clone(),
                    });
                    given.push(identity);
                }
                Progress::Coming => whole = false,
                Progress::Refused => {}
            }
        }
        if svids.is_empty() {
            return Ok(Next::Coming);
        }
        let mut federated_bundles = bundles(core, snapshot, &given, |sent| sent.x509.clone());
        federated_bundles.remove(own.id().as_str());
        Ok(Next::Message { message: X509svidResponse { svids, crl: Vec::new(), federated_bundles }, whole })
    }
}

struct X509Bundles(Selectors);

impl Subject for X509Bundles {
    type Message = X509BundlesResponse;

    fn next(&mut self, core: &Core, snapshot: &Snapshot, _: &mut Wish) -> Result<Next<X509BundlesResponse>, Status> {
        let bundles = visible(core, snapshot, &self.0, |sent| sent.x509.clone())?;
        Ok(Next::Message { message: X509BundlesResponse { crl: Vec::new(), bundles }, whole: true })
    }
}

struct JwtBundles(Selectors);

impl Subject for JwtBundles {
    type Message = JwtBundlesResponse;

    fn next(&mut self, core: &Core, snapshot: &Snapshot, _: &mut Wish) -> Result<Next<JwtBundlesResponse>, Status> {
        let bundles = visible(core, snapshot, &self.0, |sent| sent.jwt.clone())?;
        Ok(Next::Message { message: JwtBundlesResponse { bundles }, whole: true })
    }
}

/// The bundles that a caller may see; without an identity only where verifiers need none, and then the own domain's.
fn visible(
    core: &Core,
    snapshot: &Snapshot,
    selectors: &Selectors,
    form: impl Fn(&Sent) -> Vec<u8>,
) -> Result<BTreeMap<String, Vec<u8>>, Status> {
    let identities = identities(snapshot, selectors, core.context.now());
    let banned = snapshot.phase == Phase::Banned;
    if banned || (identities.is_empty() && !core.settings.allow_unauthenticated_verifiers) {
        return Err(no_identity());
    }
    Ok(bundles(core, snapshot, &identities, form))
}

fn bundles(
    core: &Core,
    snapshot: &Snapshot,
    identities: &[Identity],
    form: impl Fn(&Sent) -> Vec<u8>,
) -> BTreeMap<String, Vec<u8>> {
    let domains = domains(&core.settings.trust_domain, identities);
    let known =
        domains.into_iter().filter_map(|domain| Some((domain.id().to_string(), snapshot.bundles.sent(&domain)?)));
    known.map(|(id, sent)| (id, form(sent))).collect()
}
