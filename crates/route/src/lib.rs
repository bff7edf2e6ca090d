//! Configuration to routes to credentials: the ordered list of providers, and the library to embed
