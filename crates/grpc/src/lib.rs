//! Generated protobuf and gRPC code, and the client of the SPIFFE Workload API.
