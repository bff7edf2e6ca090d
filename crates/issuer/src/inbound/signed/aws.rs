//! `GetCallerIdentity`, signed by a principal of AWS.

use carnet_aws::trust::login::{BODY, Login, LoginTrust, parse_caller_identity};
use carnet_core::{Secret, safe_text};
use http::Method;
use jiff::Timestamp;

use super::{Proof, Proven, Unproved, Wish, decoded, trusted};
use crate::{
    Caller, Issuer, RuleSet, SubjectType,
    signed_issuer::{AWS, SignedIssuer},
};

impl Issuer {
    /// Proves by a request that a principal of AWS has signed.
    pub(in crate::inbound) async fn prove_aws_request(
        &self,
        token: &Secret,
        caller: &Caller,
        rules: &RuleSet,
        now: Timestamp,
    ) -> Result<Proof, Unproved> {
        let login = Login::parse(&decoded(token)?)?;
        let issuer = format!("{AWS}{}", login.account);
        let said = |unproved: Unproved| Unproved { issuer: safe_text(&issuer), ..unproved };
        let trusted = trusted(rules, &issuer).map_err(said)?;
        self.prove_aws_login(&login, &Wish { caller, trusted }, now).await.map_err(said)
    }

    async fn prove_aws_login(&self, login: &Login, wish: &Wish<'_>, now: Timestamp) -> Result<Proof, Unproved> {
        let trusted = wish.trusted;
        let Some(SignedIssuer::Aws(account)) = &trusted.signs else {
            return Err(Unproved::new("issuer", trusted.data.issuer.as_str(), "aws://ACCOUNT", "write a rule for it"));
        };
        let trust =
            LoginTrust { account, regions: &trusted.data.regions, window: trusted.leeway, audience: self.issuer_url() };
        let read = trust.read(login, now)?;
        let signature = read.signature.as_bytes();
        self.signed().replay.check(signature)?;
        let answer = self.ask(Method::POST, &read.url, &read.headers, BODY, wish).await?;
        let caller = parse_caller_identity(answer.body.expose()).ok_or_else(|| {
            let fix = "look at what stands between here and there";
            Unproved::new("answer", "something else", "GetCallerIdentityResponse in JSON", fix)
        })?;
        let proven = Proven {
            issuer: trusted.data.issuer.clone(),
            kind: SubjectType::AwsRequest,
            claims: trust.admit(&read, &caller)?,
            until: trust.until(&read),
            rule: read.rule.clone(),
        };
        self.proof(proven, signature, now)
    }
}
