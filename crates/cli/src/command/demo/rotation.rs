//! Keys rotate while tokens are issued and verified.

use carnet_core::{Context, Credential, Error, Material};
use carnet_route::Route;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{calls::Called, domain::Domain, verifier::Verifier};

/// Tokens that are seen before each step of the rotation, and after it.
const SEEN: usize = 8;
/// Most tokens: the next key must sign before.
const MOST: usize = 1000;
/// How often the next key is looked for until it is published.
const LOOKS: usize = 100;

struct Traffic<'a> {
    context: &'a Context,
    route: &'a Route,
    verifier: Verifier,
    /// The keys of all tokens that were verified, in order.
    kids: watch::Sender<Vec<String>>,
    stop: CancellationToken,
}

/// Exchanges tokens by this route, again and again from four sides, and shows each to a verifier. Meanwhile the next key is
/// published, the verifier looks at the keys as it does every few minutes, and the next key signs. No token may fail.
pub(super) async fn during(
    domain: &Domain,
    context: &Context,
    route: &Route,
    first: &Credential,
) -> Result<Called, Error> {
    let Material::Jwt(first) = &first.material else { return Err(Error::internal("rotate without a JWT-SVID")) };
    let verifier = Verifier::new(&domain.issuer, context);
    let before = verifier.verify(first).await?;
    let purpose = format!("jwt:{}", before.algorithm);
    let traffic =
        Traffic { context, route, verifier, kids: watch::Sender::new(Vec::new()), stop: CancellationToken::new() };
    let work = || traffic.work();
    let (after, ..) = tokio::try_join!(traffic.rotate(domain, &purpose, &before.kid), work(), work(), work(), work())?;
    // Whoever looks now finds both: what the old key has signed is good until it expires.
    traffic.verifier.look_again();
    traffic.verifier.verify(first).await?;
    if !traffic.verifier.knows(&after).await? {
        return Err(Error::internal(format!("find the key {after} in the key set")));
    }
    let count = traffic.kids.borrow().len();
    let answer = format!(
        "{count} JWT-SVIDs issued and verified meanwhile, none failed; {} signed before and stays published, {after} signs now",
        before.kid
    );
    Ok(Called { method: "GET".to_owned(), url: format!("{}/keys", domain.issuer), status: 200, answer })
}

impl Traffic<'_> {
    async fn work(&self) -> Result<(), Error> {
        while !self.stop.is_cancelled() {
            let run = self.route.run(self.context).await.map_err(Error::from)?;
            let Material::Jwt(token) = &run.credential.material else {
                return Err(Error::internal("get a JWT-SVID"));
            };
            let believed = self.verifier.verify(token).await?;
            self.kids.send_modify(|kids| kids.push(believed.kid));
            if self.kids.borrow().len() > MOST {
                return Err(Error::internal(format!("see the next key sign within {MOST} tokens")));
            }
        }
        Ok(())
    }

    /// Both steps of a rotation; the key that signs in the end.
    async fn rotate(&self, domain: &Domain, purpose: &str, old: &str) -> Result<String, Error> {
        self.see(old).await?;
        let next = rotate(domain, purpose, "propagating").await?;
        self.published(&next).await?;
        self.see(old).await?;
        let signs = rotate(domain, purpose, "now").await?;
        if signs != next {
            return Err(Error::internal(format!("let the published key {next} sign: {signs} does")));
        }
        self.see(&next).await?;
        self.stop.cancel();
        Ok(next)
    }

    /// Waits for further tokens of this key.
    async fn see(&self, kid: &str) -> Result<(), Error> {
        let so_far = self.kids.borrow().len();
        let mut kids = self.kids.subscribe();
        let enough = |kids: &Vec<String>| kids.iter().skip(so_far).filter(|seen| *seen == kid).count() >= SEEN;
        kids.wait_for(enough).await.map(drop).map_err(|error| Error::internal("follow the tokens").because(error))
    }

    /// The verifier looks until it knows the key.
    async fn published(&self, kid: &str) -> Result<(), Error> {
        for _ in 0..LOOKS {
            self.verifier.look_again();
            if self.verifier.knows(kid).await? {
                return Ok(());
            }
        }
        Err(Error::internal(format!("find the key {kid} in the key set before it signs")))
    }
}

async fn rotate(domain: &Domain, purpose: &str, when: &str) -> Result<String, Error> {
    let rotated = domain.admin.post(&["keys", "rotate"], &[], &json!({ "purpose": purpose, "when": when })).await?;
    let kid = rotated.get("kid").and_then(Value::as_str);
    kid.map(ToOwned::to_owned).ok_or_else(|| Error::internal("find the key in the answer"))
}
