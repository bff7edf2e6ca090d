//! Trust rules, inbound proofs, RFC 8693 and what is issued.
