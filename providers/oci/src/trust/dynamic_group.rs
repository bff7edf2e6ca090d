//! Matching rules of dynamic groups.
