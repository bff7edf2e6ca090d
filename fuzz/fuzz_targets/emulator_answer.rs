//! No request may make an emulated service panic, answer that it is broken, or tell a secret of the sandbox.
#![no_main]

use std::sync::{Arc, LazyLock};

use axum::{Router, body::Body};
use carnet_core::{FixedClock, NoHttp, SystemRandom};
use carnet_sandbox_kit::{Emulator, World};
use http::{HeaderName, HeaderValue, Request};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt as _;

/// Services that answer 500 when they cannot read an issuer's keys, as the real ones do.
const BROKEN: [&str; 2] = ["oauth-npm", "oauth-crates-io"];
const METHODS: [&str; 7] = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "LIST"];

/// Every service of the emulators that came with federation to them, each in one world that goes on from input to input.
static SERVICES: LazyLock<Vec<(&'static str, Router)>> = LazyLock::new(|| {
    let clock = Arc::new(FixedClock::at(Timestamp::from_second(1_795_262_400).expect("a time")));
    let world = World::new(clock, Arc::new(SystemRandom), Arc::new(NoHttp));
    let emulators: [Box<dyn Emulator>; 4] = [
        Box::new(carnet_aws_sandbox::emulator(world.clone())),
        Box::new(carnet_azure_sandbox::emulator(world.clone())),
        Box::new(carnet_oauth_sandbox::emulator(world.clone())),
        Box::new(carnet_vault_sandbox::emulator(world)),
    ];
    let services = emulators.iter().flat_map(|emulator| emulator.services());
    services.map(|service| (service.name, service.router)).collect()
});
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Builder::new_current_thread().build().expect("a runtime"));

fuzz_target!(|input: (u8, u8, &str, &str, Vec<u8>)| {
    let (service, method, uri, headers, body) = input;
    let (name, router) = &SERVICES[usize::from(service) % SERVICES.len()];
    let method = METHODS[usize::from(method) % METHODS.len()];
    let Ok(mut request) = Request::builder().method(method).uri(uri).body(Body::from(body)) else { return };
    for line in headers.lines() {
        let Some((name, value)) = line.split_once(':') else { continue };
        if let (Ok(name), Ok(value)) = (name.trim().parse::<HeaderName>(), HeaderValue::from_str(value.trim())) {
            request.headers_mut().append(name, value);
        }
    }
    RUNTIME.block_on(async {
        let answer = router.clone().oneshot(request).await.expect("an answer");
        // Vault's health answers with the status that it is asked for.
        assert!(answer.status() != 500 || BROKEN.contains(name) || uri.contains("code="), "{name} {method} {uri}");
        let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.expect("a body");
        let text = String::from_utf8_lossy(&body);
        assert!(!text.contains(carnet_aws_sandbox::seed::SECRET_ACCESS_KEY), "{name} {method} {uri}");
    });
});
