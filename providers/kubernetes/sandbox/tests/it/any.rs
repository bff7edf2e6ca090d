//! No request breaks an API server.

use axum::body::Body;
use http::Request;
use proptest::prelude::*;

use crate::support::{Clusters, cluster};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_request_makes_it_panic(
        method in "GET|POST|DELETE|HEAD|PATCH",
        path in "/(api|apis)(/[a-z0-9.%{}-]{0,12}){0,7}",
        body in "\\PC{0,64}|\\{\"(spec|metadata)\": [\\[\\]{}\"a-z:0-9]{0,24}\\}",
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let clusters = Clusters::new();
            let token = format!("Bearer {}", cluster("dev").admin_token);
            let request = Request::builder().method(method.as_str()).uri(&path).header("authorization", token);
            // What is no request does not get here.
            if let Ok(request) = request.body(Body::from(body)) {
                let (status, _) = clusters.send("dev", request).await;
                assert_ne!(status, 500, "{method} {path}");
            }
        });
    }
}
