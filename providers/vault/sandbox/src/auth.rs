//! Auth methods: JWT, and tokens themselves.

mod jwt;
mod login;
mod token;

pub(crate) use jwt::{answer, configure};
pub(crate) use login::login;
pub(crate) use token::answer as tokens;
