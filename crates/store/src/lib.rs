//! What the authority remembers: SQLite or PostgreSQL, one trait, one audit chain.
