//! What `cargo xtask codegen` makes, as a tree of modules that mirrors the protobuf packages: the files refer to each other
//! by their place in it. Messages and methods are documented where they are written, in `proto/`.

/// The SPIFFE Workload API, which has no package.
pub mod spiffe_workload {
    include!("generated/spiffe_workload.rs");
}

/// gRPC's own services.
pub mod grpc {
    pub mod health {
        pub mod v1 {
            include!("generated/grpc.health.v1.rs");
        }
    }
}

/// What Google's APIs share.
pub mod google {
    pub mod rpc {
        include!("generated/google.rpc.rs");
    }
}

/// The Container Storage Interface, as far as a node needs it.
pub mod csi {
    pub mod v1 {
        include!("generated/csi.v1.rs");
    }
}

/// Envoy's secret discovery and the messages it needs.
pub mod envoy {
    pub mod config {
        pub mod core {
            pub mod v3 {
                include!("generated/envoy.config.core.v3.rs");
            }
        }
    }
    pub mod extensions {
        pub mod transport_sockets {
            pub mod tls {
                pub mod v3 {
                    include!("generated/envoy.extensions.transport_sockets.tls.v3.rs");
                }
            }
        }
    }
    pub mod service {
        pub mod discovery {
            pub mod v3 {
                include!("generated/envoy.service.discovery.v3.rs");
            }
        }
        pub mod secret {
            pub mod v3 {
                include!("generated/envoy.service.secret.v3.rs");
            }
        }
    }
    pub mod r#type {
        pub mod v3 {
            include!("generated/envoy.r#type.v3.rs");
        }
    }
}

/// SPIRE's server API.
pub mod spire {
    pub mod api {
        pub mod server {
            pub mod bundle {
                pub mod v1 {
                    include!("generated/spire.api.server.bundle.v1.rs");
                }
            }
        }
        pub mod types {
            include!("generated/spire.api.types.rs");
        }
    }
}
