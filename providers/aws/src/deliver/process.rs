//! The answer of a `credential_process` program ("Process credential provider", SDKs and tools guide).

use std::sync::Arc;

use carnet_core::{
    BoxFuture, Context, Credential, Delivered, Delivery, DeliveryConfig, Error, Kind, Kinds, Mistake, Output,
    SecretBytes,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::keys;

/// JSON on standard output for `credential_process` in a profile.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AwsProcess {}

impl DeliveryConfig for AwsProcess {
    const NAME: &'static str = "aws-process";
    const ABOUT: &'static str = "JSON on standard output, for `credential_process` in an AWS profile";
    const TAKES: Kinds = Kinds::of(&[Kind::AwsKeys]);

    fn build(self) -> Result<Arc<dyn Delivery>, Vec<Mistake>> {
        Ok(Arc::new(self))
    }
}

impl Delivery for AwsProcess {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn takes(&self) -> Kinds {
        Self::TAKES
    }

    fn output(&self) -> Output {
        Output::Whole
    }

    fn deliver<'a>(
        &'a self,
        _context: &'a Context,
        credential: &'a Credential,
    ) -> BoxFuture<'a, Result<Delivered, Error>> {
        Box::pin(async move {
            let keys = keys(credential)?;
            let mut answer = json!({
                "Version": 1,
                "AccessKeyId": keys.access_key_id,
                "SecretAccessKey": keys.secret_access_key.expose(),
            });
            if let Some(members) = answer.as_object_mut() {
                members
                    .extend(keys.session_token.iter().map(|token| ("SessionToken".to_owned(), json!(token.expose()))));
                // Without it the SDK takes the keys for good. Whole seconds: not every parser takes fractions.
                let end = credential.expires_at.map(|end| end.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
                members.extend(end.map(|end| ("Expiration".to_owned(), json!(end))));
                let account = credential.facts.get("account");
                members.extend(account.map(|account| ("AccountId".to_owned(), json!(account))));
            }
            Ok(Delivered { output: Some(SecretBytes::new(format!("{answer}\n"))), ..Delivered::default() })
        })
    }
}

#[cfg(test)]
mod tests {
    use carnet_core::ScriptedHttp;

    use super::*;
    use crate::testing::{deliver, world};

    #[test]
    fn an_sdk_can_read_it() {
        let done =
            deliver::<AwsProcess>(json!({}), &crate::testing::keys(), &world(ScriptedHttp::default(), &[])).unwrap();
        let answer: serde_json::Value = serde_json::from_slice(done.output.unwrap().expose()).unwrap();
        assert_eq!(
            answer,
            json!({"Version": 1, "AccessKeyId": "ASIAX", "SecretAccessKey": "secret/1", "SessionToken": "session=",
                "Expiration": "2026-11-21T13:00:00Z", "AccountId": "123456789012"})
        );
    }
}
