//! The real binary against real vendor SDKs
