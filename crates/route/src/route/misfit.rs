//! Steps that cannot stand next to each other, and what can stand there instead.

use std::fmt;

use carnet_core::{Error, Kinds};

use super::Step;
use crate::registry::{Registry, Role};

/// Two neighbours whose kinds do not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    /// The giving step.
    pub from: Step,
    /// What it gives. `None` for `auto` when no source that it knows fits.
    pub gives: Option<Kinds>,
    /// The taking step.
    pub to: Step,
    /// What it takes.
    pub takes: Kinds,
}

impl Misfit {
    /// What to do about it: the exchanges or deliveries of this registry that fit here.
    pub fn hint(&self, registry: &Registry) -> String {
        let takes = self.takes;
        let Some(gives) = self.gives else {
            let names = exchanges(registry, Kinds::ANY, takes);
            return listed(&names, &format!("put an exchange before it that gives {takes}"), || {
                format!("name a source that gives {takes}")
            });
        };
        if self.to.role == Role::Delivery {
            let fits = registry.deliveries().iter().filter(|entry| entry.takes().meets(gives));
            let names: Vec<_> = fits.map(crate::Entry::name).collect();
            return listed(&names, &format!("deliveries that take {gives}"), || format!("no delivery takes {gives}"));
        }
        let names = exchanges(registry, gives, takes);
        listed(&names, &format!("put an exchange between them that takes {gives} and gives {takes}"), || {
            format!("no exchange takes {gives} and gives {takes}: replace one of the two")
        })
    }

    /// The error for a delivery that came with a flag of the command line, which is what it is called there:
    /// `--format token` in place of `deliver[1] token`.
    pub fn to_error(&self, flag: &str, registry: &Registry) -> Error {
        let Self { from, to, takes, .. } = self;
        let message = format!("{from} {}, but {flag} {} takes {takes}", self.label(), to.name);
        Error::configuration(message).hint(self.hint(registry))
    }

    /// What is said of the giving step.
    pub(crate) fn label(&self) -> String {
        match self.gives {
            Some(gives) => format!("gives {gives}"),
            None => "gives nothing that fits".to_owned(),
        }
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, takes, .. } = self;
        write!(f, "{from} {}, but {to} takes {takes}", self.label())
    }
}

impl std::error::Error for Misfit {}

/// The exchanges that lead from one of these kinds to one of those.
fn exchanges(registry: &Registry, from: Kinds, to: Kinds) -> Vec<&'static str> {
    let fits = registry.exchanges().iter().filter(|entry| entry.takes().meets(from) && entry.gives().meets(to));
    fits.map(crate::Entry::name).collect()
}

fn listed(names: &[&str], these: &str, nothing: impl FnOnce() -> String) -> String {
    if names.is_empty() { nothing() } else { format!("{these}: {}", names.join(", ")) }
}
