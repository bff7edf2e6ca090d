//! Any relying party that speaks RFC 8693 or RFC 7523, and carnet's own authority.
