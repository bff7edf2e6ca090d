//! `carnet authority rule|issuer|federation`

use carnet_core::Error;
use serde_json::{Value, json};

use super::{
    api::Api,
    args::{FederationCommand, IssuerCommand, PutFile, RuleCommand},
    changed, file, show,
    table::table,
};
use crate::output::Terminal;

/// One sort of documents: what it is called, where it is, and the member that names one.
struct Sort {
    what: &'static str,
    all: &'static str,
    name: &'static str,
    columns: &'static [(&'static str, &'static str)],
}

const RULES: Sort = Sort {
    what: "rule",
    all: "rules",
    name: "name",
    columns: &[
        ("NAME", "/rule/name"),
        ("ORIGIN", "/origin"),
        ("ISSUER", "/rule/issuer"),
        ("SUBJECT", "/rule/subject"),
        ("IDENTITY", "/rule/identity"),
        ("ISSUE", "/rule/issue"),
    ],
};

const ISSUERS: Sort = Sort {
    what: "issuer",
    all: "issuers",
    name: "issuer",
    columns: &[
        ("ISSUER", "/issuer/issuer"),
        ("ORIGIN", "/origin"),
        ("KEYS AT", "/issuer/jwks_url"),
        ("DISCOVERY", "/issuer/discovery_url"),
        ("REVISION", "/revision"),
    ],
};

const FEDERATION: [(&str, &str); 5] = [
    ("TRUST DOMAIN", "/trust_domain"),
    ("BUNDLE", "/federation/url"),
    ("SEQUENCE", "/sequence"),
    ("LAST READ", "/last_success"),
    ("ERROR", "/last_error"),
];

pub(super) async fn rule(api: &Api, command: RuleCommand, terminal: Terminal) -> Result<u8, Error> {
    match command {
        RuleCommand::List => RULES.list(api, terminal).await,
        RuleCommand::Show { name } => RULES.show(api, &name, terminal).await,
        RuleCommand::Put(put) => RULES.put(api, &put, terminal).await,
        RuleCommand::Delete { name, dry_run } => RULES.delete(api, &name, dry_run, terminal).await,
    }
}

pub(super) async fn issuer(api: &Api, command: IssuerCommand, terminal: Terminal) -> Result<u8, Error> {
    match command {
        IssuerCommand::List => ISSUERS.list(api, terminal).await,
        IssuerCommand::Show { issuer } => ISSUERS.show(api, &issuer, terminal).await,
        IssuerCommand::Put(put) => ISSUERS.put(api, &put, terminal).await,
        IssuerCommand::Delete { issuer, dry_run } => ISSUERS.delete(api, &issuer, dry_run, terminal).await,
    }
}

pub(super) async fn federation(api: &Api, command: FederationCommand, terminal: Terminal) -> Result<u8, Error> {
    match command {
        FederationCommand::List => {
            let domains = api.list(&["federation"], &[], usize::MAX).await?;
            if terminal.is_json() {
                terminal.json(json!({ "federation": domains }))?;
            } else {
                terminal.text(table(&FEDERATION, &domains))?;
            }
            Ok(0)
        }
        FederationCommand::Show { domain } => {
            show("federation", &api.get(&["federation", &domain], &[]).await?, terminal)
        }
        FederationCommand::Put { domain, bundle_url, endpoint_id, bundle_file, max_age, dry_run } => {
            let profile = match endpoint_id {
                Some(id) => json!({ "type": "https_spiffe", "endpoint_spiffe_id": id }),
                None => json!({ "type": "https_web" }),
            };
            let mut body = json!({ "url": bundle_url, "profile": profile });
            if let (Some(path), Some(members)) = (bundle_file, body.as_object_mut()) {
                members.insert("bundle".to_owned(), file::json(&path)?);
            }
            if let (Some(seconds), Some(members)) = (max_age, body.as_object_mut()) {
                members.insert("max_age".to_owned(), json!(seconds));
            }
            let change = api.put(&["federation", &domain], dry(dry_run), &body, None).await?;
            changed("federation", &domain, &change, terminal)
        }
        FederationCommand::Delete { domain, dry_run } => {
            let change = api.delete(&["federation", &domain], dry(dry_run)).await?;
            changed("federation", &domain, &change, terminal)
        }
        FederationCommand::Refresh { domain } => {
            let answer = api.post(&["federation", &domain, "refresh"], &[], &json!({})).await?;
            show("refreshed", &answer, terminal)
        }
    }
}

impl Sort {
    async fn list(&self, api: &Api, terminal: Terminal) -> Result<u8, Error> {
        let items = api.list(&[self.all], &[], usize::MAX).await?;
        if terminal.is_json() {
            terminal.json(json!({ self.all: items }))?;
        } else {
            terminal.text(table(self.columns, &items))?;
        }
        Ok(0)
    }

    async fn show(&self, api: &Api, name: &str, terminal: Terminal) -> Result<u8, Error> {
        show(self.what, &api.get(&[self.all, name], &[]).await?, terminal)
    }

    /// All documents of a file. With a dry run, or before anything is written, each is looked at by itself.
    async fn put(&self, api: &Api, put: &PutFile, terminal: Terminal) -> Result<u8, Error> {
        let documents = file::documents(&put.file, self.what)?;
        let mut named = Vec::new();
        for (at, document) in documents.into_iter().enumerate() {
            let name = document.get(self.name).and_then(Value::as_str).map(ToOwned::to_owned);
            let name = name.ok_or_else(|| {
                Error::configuration(format!(
                    "read {} {at} of {}: it has no `{}`",
                    self.what,
                    put.file.display(),
                    self.name
                ))
            })?;
            named.push((name, document));
        }
        let failed =
            |name: &str, error: Error| Error::new(error.kind(), format!("put the {} {name}", self.what)).because(error);
        // A mistake in the last one must not leave the others half done.
        for (name, document) in &named {
            let change = api.put(&[self.all, name], dry(true), document, None).await;
            let change = change.map_err(|error| failed(name, error))?;
            if put.dry_run {
                changed(self.what, name, &change, terminal)?;
            }
        }
        if put.dry_run {
            return Ok(0);
        }
        for (name, document) in &named {
            let change = api.put(&[self.all, name], &[], document, None).await;
            changed(self.what, name, &change.map_err(|error| failed(name, error))?, terminal)?;
        }
        Ok(0)
    }

    async fn delete(&self, api: &Api, name: &str, dry_run: bool, terminal: Terminal) -> Result<u8, Error> {
        changed(self.what, name, &api.delete(&[self.all, name], dry(dry_run)).await?, terminal)
    }
}

pub(super) fn dry(dry_run: bool) -> &'static [(&'static str, &'static str)] {
    if dry_run { &[("dry_run", "true")] } else { &[] }
}
