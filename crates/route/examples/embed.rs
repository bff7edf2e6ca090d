//! A program with a source of its own: the identity that its host hands to it. Everything else comes with carnet.
//!
//! Run it with a token in the variable `HOST_TOKEN`:
//! `HOST_TOKEN=opaque cargo run --package carnet-route --example embed`

use std::{io::Write, sync::Arc};

use carnet_core::{
    AccessToken, BoxFuture, Context, Credential, Error, Found, Kind, Kinds, Material, Mistake, NoHttp, Register as _,
    Source, SourceConfig, Want,
};
use carnet_route::{Config, Registry, system};
use schemars::JsonSchema;
use serde::Deserialize;

const CONFIGURATION: &str = r#"
version = 1

[route.job]
source = { host = { variable = "HOST_TOKEN" } }
deliver = [ "header" ]
"#;

/// The section of the source, with its manual.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct HostConfig {
    /// The variable that the host sets.
    variable: String,
}

impl SourceConfig for HostConfig {
    const NAME: &'static str = "host";
    const ABOUT: &'static str = "the token that the host hands to its programs";

    fn build(self) -> Result<Arc<dyn Source>, Vec<Mistake>> {
        if self.variable.is_empty() {
            return Err(vec![Mistake::new("variable", "is empty").hint("name the variable that the host sets")]);
        }
        Ok(Arc::new(Host { variable: self.variable }))
    }
}

#[derive(Debug)]
struct Host {
    variable: String,
}

impl Source for Host {
    fn name(&self) -> &'static str {
        HostConfig::NAME
    }

    fn gives(&self) -> Kinds {
        Kinds::of(&[Kind::AccessToken])
    }

    fn find<'a>(&'a self, context: &'a Context, _want: &'a Want) -> BoxFuture<'a, Result<Found, Error>> {
        Box::pin(async move {
            let Some(token) = context.environment.secret(&self.variable) else {
                return Ok(Found::not_here(format!("{} is not set", self.variable)));
            };
            let token = AccessToken { token, token_type: "Bearer".to_owned() };
            Ok(Found::credential(Credential::new(Material::AccessToken(token)).fact("principal", "this job")))
        })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut registry = Registry::standard();
    registry.source::<HostConfig>();

    // Nothing here needs the network. With it: `carnet_net::Client`, or any other `carnet_core::HttpSend`.
    let context = system::context(Arc::new(NoHttp));
    let config = Config::parse(CONFIGURATION, None, &registry, &*context.environment)?;
    let route = config.route("job")?;
    let run = route.run(&context).await.map_err(Error::from)?;

    let mut stdout = std::io::stdout().lock();
    for hop in &run.hops {
        writeln!(stdout, "{}: {} in {:?}", hop.step, hop.kind, hop.elapsed)?;
    }
    for delivered in route.deliver(&context, &run.credential).await? {
        let bytes = delivered.output.map_or(0, |output| output.len());
        writeln!(stdout, "delivered {bytes} bytes")?;
    }
    Ok(())
}
