//! Ten thousand roles of one auth method: the one that is asked for is found, and no other takes its token.

use serde_json::{Value, json};

use crate::support::Sandbox;

const MANY: usize = 10_000;

fn login(sandbox: &Sandbox, role: usize, team: usize) -> Value {
    let jwt = sandbox.job(json!({ "team": format!("team-{team}"), "sub": format!("subject-{team}") }));
    json!({ "role": format!("role-{role}"), "jwt": jwt })
}

#[tokio::test]
async fn each_of_ten_thousand_roles_is_found() {
    let sandbox = Sandbox::new();
    for at in 0..MANY {
        let role = json!({ "role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"],
            "bound_claims": { "team": format!("team-{at}") }, "token_policies": ["app"] });
        assert_eq!(sandbox.root("POST", &format!("auth/jwt/role/role-{at}"), role).await.0, 204);
    }
    for at in [0, MANY / 2, MANY - 1] {
        let (status, body) = sandbox.send("vault", "POST", "auth/jwt/login", &[], login(&sandbox, at, at)).await;
        assert_eq!((status, &body["auth"]["metadata"]["role"]), (200, &json!(format!("role-{at}"))), "{body}");
        let entity = body["auth"]["entity_id"].clone();
        let (_, again) = sandbox.send("vault", "POST", "auth/jwt/login", &[], login(&sandbox, at, at)).await;
        assert_eq!(again["auth"]["entity_id"], entity, "the same subject is the same entity");
        let neighbour = login(&sandbox, (at + 1) % MANY, at);
        let (status, body) = sandbox.send("vault", "POST", "auth/jwt/login", &[], neighbour).await;
        assert_eq!(status, 400, "{body}");
        assert!(body["errors"][0].as_str().unwrap().contains("error validating claims"), "{body}");
    }
}
