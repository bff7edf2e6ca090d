//! What Oracle Cloud Infrastructure believes and allows.
//!
//! Four questions, each a pure function over plain data: is this request signed by whom it says ([`signature`]), may
//! this external token become that principal ([`propagation`]), is this principal in that dynamic group
//! ([`dynamic_group`]), and may this principal do that ([`policy`]). The emulator, the doctor, the linter and the
//! authority ask the same functions.

pub mod dynamic_group;
pub mod policy;
pub mod principal;
pub mod propagation;
pub mod signature;

pub use principal::Principal;

/// What a check gives when it holds, or the clause that failed. Boxed because a refusal explains itself at length.
pub type Checked<T> = Result<T, Box<carnet_trust::Refusal>>;
