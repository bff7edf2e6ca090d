//! No login by signed request may make the readers panic, and none leads anywhere but to the host that was signed for.
#![no_main]

use carnet_aws::trust::login as aws;
use carnet_oci::trust::{login as oci, signature::SeenTokens};
use jiff::{SignedDuration, Timestamp};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Ok(now) = Timestamp::from_second(1_795_262_400) else { return };
    let window = SignedDuration::from_mins(5);
    if let Ok(login) = oci::Login::parse(input) {
        let tokens = SeenTokens::default();
        drop(login.claimed_tenancy(&tokens, now));
        let trust = oci::LoginTrust {
            tenancy: "ocid1.tenancy.oc1..aaaa",
            regions: &[],
            window,
            audience: "https://authority.example",
            own_hosts: &[],
            own_path: "/v1/auth/oci/login",
        };
        if let Ok(read) = trust.read(&login, &tokens, now) {
            assert!(read.url.host_str().is_some_and(|host| host.ends_with(".oraclecloud.com")));
            drop(trust.admit(&read, &oci::Proved::Signer));
        }
    }
    if let Ok(login) = aws::Login::parse(input) {
        let trust =
            aws::LoginTrust { account: "123456789012", regions: &[], window, audience: "https://authority.example" };
        if let Ok(read) = trust.read(&login, now) {
            let ours = |host: &str| host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn");
            assert!(read.url.host_str().is_some_and(|host| host == "sts.amazonaws.com" || ours(host)));
        }
    }
    drop(aws::parse_caller_identity(input));
});
