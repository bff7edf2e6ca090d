//! `carnet whoami`: every identity found here, and why the others were skipped.

use carnet_core::{Error, Want};
use carnet_route::{Identity, Looked, Registry, find_all};
use serde_json::json;

use crate::{
    args::Whoami,
    output::{Terminal, bold, green, red},
    world,
};

/// How a token that no place gives is named on the command line.
const NAMED: [&str; 2] = ["file path=…", "env variable=…"];

pub(super) fn run(args: &Whoami, terminal: Terminal) -> Result<u8, Error> {
    let context = world::context();
    let registry = Registry::standard();
    let want = Want { audience: args.audience.clone() };
    let looked = world::block_on(async { Ok(find_all(&registry, &context, &want).await) })?;
    if terminal.is_json() {
        terminal.json(json!({"sources": looked}))?;
    } else {
        terminal.text(&describe(&looked))?;
    }
    if looked.iter().any(|one| matches!(one.identity, Identity::Found { .. })) {
        return Ok(0);
    }
    Err(Error::not_here("find an identity of this workload: no source has one")
        .hint("each source above says what it looked for")
        .hint(format!(
            "a token in a file or variable is used by naming it: {}",
            NAMED.map(|words| format!("`--from {words}`")).join(", ")
        )))
}

fn describe(looked: &[Looked]) -> String {
    let mut text = String::new();
    for one in looked {
        match &one.identity {
            Identity::Found { kind, facts, expires_at } => {
                let end = expires_at.map_or(String::new(), |end| format!(", until {end:.0}"));
                text.push_str(&format!(
                    "{}found{}      {}{}{}: {kind}{end}\n",
                    green().render(),
                    green().render_reset(),
                    bold().render(),
                    one.source,
                    bold().render_reset()
                ));
                for (name, value) in facts {
                    text.push_str(&format!("             {name:<12} {value}\n"));
                }
            }
            Identity::Broken { error } => {
                let causes = carnet_core::chain(error).join(": ");
                text.push_str(&format!(
                    "{}broken{}     {}: {causes}\n",
                    red().render(),
                    red().render_reset(),
                    one.source
                ));
                for hint in error.hints() {
                    text.push_str(&format!("             {hint}\n"));
                }
            }
            Identity::NotHere { reason } => text.push_str(&format!("not here   {}: {reason}\n", one.source)),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use carnet_core::MapEnvironment;
    use carnet_route::{Part, RouteSpec};

    use super::*;

    #[test]
    fn what_the_hint_says_can_be_typed() {
        for words in NAMED {
            let words: Vec<String> = words.replace('…', "X").split(' ').map(ToOwned::to_owned).collect();
            let part = Part::parse("--from", &words).unwrap();
            let route = RouteSpec::from_parts(Some(part), Vec::new(), Vec::new());
            route.build(&Registry::standard(), &MapEnvironment::default()).unwrap();
        }
    }
}
