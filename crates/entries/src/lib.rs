//! Registration entries, the nodes that may serve them, and the authority's half of the agent protocol.
