//! Sources and deliveries that belong to no cloud.
//!
//! The sources take a token from a file, a variable, a program or a URL; the deliveries hand a credential on as a raw
//! token, files, variables, a header or JSON. Nothing here verifies a token: whoever it is shown to does.

mod deliver;
mod source;
#[cfg(test)]
mod testing;
mod token;

pub use deliver::{Env, Header, Json, TokenFile, TokenOutput, X509Files};
pub use source::{CommandSource, EnvSource, FileSource, HeaderFile, UrlSource};
pub use token::{Format, TokenKind, parse_token};

/// Names the sources and deliveries of this crate.
pub fn register(register: &mut impl carnet_core::Register) {
    register.source::<FileSource>();
    register.source::<EnvSource>();
    register.source::<CommandSource>();
    register.source::<UrlSource>();
    register.delivery::<TokenOutput>();
    register.delivery::<TokenFile>();
    register.delivery::<Env>();
    register.delivery::<Header>();
    register.delivery::<Json>();
    register.delivery::<X509Files>();
}
