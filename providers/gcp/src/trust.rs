//! Google's federation trust as plain data, and the pure question whether a token becomes a principal.
