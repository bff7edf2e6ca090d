//! What every other crate of carnet speaks in.
//!
//! A *credential* is whatever proves something. A [`Source`] yields the credential that a place gives, an
//! [`Exchange`] takes one credential and returns another, a [`Delivery`] writes one in somebody's native form.
//! All three reach the world only through a [`Context`]: clock, randomness, HTTP, environment, files, commands.
//!
//! This crate has no runtime, no HTTP client and no cryptography, so a provider that depends on it alone can be
//! tested without a network and without waiting.
//!
//! ```
//! use carnet_core::{Credential, Kind, Material, Secret};
//!
//! let jwt = Credential::new(Material::Jwt(Secret::new("header.payload.signature")));
//! assert_eq!(jwt.kind(), Kind::Jwt);
//! assert_eq!(format!("{:?}", jwt.material), "Jwt(Secret)"); // nothing of the token is printed
//! ```

mod atomic;
mod bearer;
mod config;
mod context;
mod credential;
mod echo;
mod error;
mod http;
pub mod ini;
mod link;
mod lock;
mod redact;
mod secret;
mod system;
mod testing;
mod text;
mod traits;

pub use atomic::{NewFile, replace_files};
pub use bearer::{check_token, is_metadata_address, is_near_by_name, may_carry_tokens};
pub use config::{DeliveryConfig, ExchangeConfig, FileMistake, Mistake, Place, Register, SectionConfig, SourceConfig};
pub use context::{
    Clock, Command, CommandOutput, Commands, Context, Environment, Files, Random, Unnamed, hex, is_variable_name,
};
pub use credential::{AccessToken, AwsKeys, Credential, Kind, Kinds, Material, OciApiKey, OciSession, X509Identity};
pub use echo::without_echo;
pub use error::{Error, ErrorKind, Hint, Result, chain};
pub use http::{Destination, HttpError, HttpErrorKind, HttpSend, Request, Response, is_loopback};
pub use lock::Held;
pub use redact::{blotted, is_invisible, redacted, safe_text};
pub use secret::{Secret, SecretBytes};
pub use system::{SystemClock, SystemEnvironment, SystemFiles, SystemRandom};
pub use testing::{
    FixedClock, FixedRandom, MapEnvironment, MemoryFiles, NoCommands, NoHttp, ScriptedCommands, ScriptedHttp,
    test_context,
};
pub use text::{NotText, as_text, file_text};
pub use traits::{Delivered, Delivery, Exchange, Found, Output, Release, Source, Want};

/// A boxed future, so that the traits here can be used as trait objects without a macro.
pub type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;
