//! Many trusts: each is found among the others.

use carnet_oauth_sandbox::NotTaken;

use crate::support::Sandbox;

#[tokio::test]
async fn the_first_and_the_last_of_ten_thousand_trusts_are_found() {
    let sandbox = Sandbox::new();
    for number in 0..10_000 {
        let id = format!("policy-{number}");
        sandbox
            .trust("openrouter", &[("federation_policy_id", &[id.as_str()])], |trust| trust.principal.clone_from(&id));
    }
    for id in ["policy-0", "policy-9999"] {
        let mut asked = sandbox.good("openrouter");
        asked.set("federation_policy_id", id);
        let token = sandbox.ask(&asked).await.json()["access_token"].as_str().unwrap().to_owned();
        assert_eq!(sandbox.visit("openrouter", &token).await.json()["principal"], id);
    }
}

#[test]
fn rejects_unknown_party() {
    let sandbox = Sandbox::new();
    let trust = carnet_oauth::trust::Trust::default();
    assert_eq!(sandbox.emulator.add_trust("nobody", trust), Err(NotTaken::UnknownParty));
}
