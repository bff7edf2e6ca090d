//! What Oracle Cloud Infrastructure believes and allows.
//!
//! Five questions, each a pure function over plain data: is this request signed by whom it says ([`signature`]), who logs in
//! to somebody else with one (`login`), may
//! this external token become that principal ([`propagation`]), is this principal in that dynamic group
//! ([`dynamic_group`]), and may this principal do that ([`policy`]). The emulator, the doctor, the linter and the
//! authority ask the same functions.

pub mod condition;
pub mod dynamic_group;
#[cfg(feature = "client")]
pub mod login;
pub mod policy;
pub mod principal;
pub mod propagation;
pub mod signature;

pub use principal::Principal;

/// What a check gives when it holds, or the clause that failed. Boxed because a refusal explains itself at length.
pub type Checked<T> = Result<T, Box<carnet_trust::Refusal>>;

/// Text from outside, for the eyes of an operator: one line, cut, and nothing in it that could be a token.
pub(crate) fn show(text: &str) -> String {
    /// Longer texts are cut: names, dates and fingerprints are shorter, tokens and keys are longer.
    const MOST: usize = 120;
    if text.contains("eyJ") {
        return "(a token)".to_owned();
    }
    let mut shown: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MOST).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}
