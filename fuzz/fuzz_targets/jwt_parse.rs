//! No token may make the parser panic, and what it accepts has one spelling only.
#![no_main]

use carnet_jose::UnverifiedJwt;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|token: &str| {
    let Ok(jwt) = UnverifiedJwt::parse(token) else { return };
    assert_eq!(token.split('.').count(), 3);
    assert!(!token.contains(['=', ' ', '\n']));
    let claims = jwt.unverified_claims();
    claims.audiences();
    for name in claims.0.keys() {
        claims.time(name);
        claims.str(name);
    }
    jwt.unverified_kid();
    jwt.unverified_issuer();
    jwt.unverified_expiry();
});
