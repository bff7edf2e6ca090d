//! The agent on a node: who is calling, and which identities that caller has.
