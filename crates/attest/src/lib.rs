//! Node attestation: the evidence and its verification, and the words between agent and authority.
