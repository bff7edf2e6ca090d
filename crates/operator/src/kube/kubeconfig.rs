//! Kubeconfigs ("Organizing Cluster Access Using kubeconfig Files"): which server, and as whom.
//!
//! Known of a user: `token`, `tokenFile`, `client-certificate(-data)` with its key, and `exec` whose plugin gives a token. A certificate that is not checked
//! (`insecure-skip-tls-verify`), passwords and old `auth-provider`s are refused.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use carnet_core::{Command, Context, Error, Request, Secret, may_carry_tokens};
use carnet_net::TlsCertificate;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::sync::Mutex;
use url::Url;

use super::yaml;

/// Largest file, in bytes.
const MAX_FILE: usize = 4 << 20;
/// A token of a plugin is asked for again this long before its end.
const EARLY: SignedDuration = SignedDuration::from_secs(60);

/// One context of a kubeconfig.
#[derive(Debug)]
pub(crate) struct Kubeconfig {
    base: Url,
    ca: Option<Bytes>,
    server_name: Option<String>,
    user: User,
    identity: Option<TlsCertificate>,
}

#[derive(Debug)]
enum User {
    /// By the certificate alone.
    Certificate,
    Token(Secret),
    /// Read anew each time.
    TokenFile(PathBuf),
    Exec {
        command: Command,
        last: Mutex<Option<(Secret, Option<Timestamp>)>>,
    },
}

impl Kubeconfig {
    /// That of `KUBECONFIG` (the first file that it names), otherwise `~/.kube/config`, if it is there.
    pub(super) fn find(context: &Context, place: Option<&str>) -> Result<Option<Self>, Error> {
        if let Some(named) = context.env("KUBECONFIG") {
            let first = named.split(':').find(|part| !part.is_empty()).unwrap_or_default().to_owned();
            return Self::read(context, Path::new(&first), place).map(Some);
        }
        let Some(usual) = context.files.home().map(|home| home.join(".kube/config")) else { return Ok(None) };
        match context.files.read(&usual, MAX_FILE)? {
            Some(_) => Self::read(context, &usual, place).map(Some),
            None => Ok(None),
        }
    }

    /// The context of this name in the file; without one the file's current.
    pub(super) fn read(context: &Context, path: &Path, place: Option<&str>) -> Result<Self, Error> {
        let failed = |wrong: String| Error::configuration(format!("read the kubeconfig {}: {wrong}", path.display()));
        let bytes = context.files.read(path, MAX_FILE)?.ok_or_else(|| failed("it is not there".to_owned()))?;
        let text = std::str::from_utf8(bytes.expose()).map_err(|_quoting| failed("it is not text".to_owned()))?;
        let file = yaml::parse(text).map_err(&failed)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        Reader { context, folder, file: &file }.read(place).map_err(failed)
    }

    /// The certificate that is shown, if the user has one.
    pub(crate) fn identity(&self) -> Option<TlsCertificate> {
        self.identity.clone()
    }

    pub(super) fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        url
    }

    pub(super) async fn prepare(&self, context: &Context, mut request: Request) -> Result<Request, Error> {
        request.ca_pem.clone_from(&self.ca);
        request.server_name.clone_from(&self.server_name);
        let token = match &self.user {
            User::Certificate => return Ok(request),
            User::Token(token) => token.clone(),
            User::TokenFile(path) => {
                let missing = || Error::configuration(format!("read the token in {}: it is not there", path.display()));
                let bytes = context.files.read(path, MAX_FILE)?.ok_or_else(missing)?;
                let text = std::str::from_utf8(bytes.expose());
                Secret::new(text.map_err(|_quoting| Error::configuration("read a token: it is not text"))?.trim())
            }
            User::Exec { command, last } => {
                let mut last = last.lock().await;
                let still = |(_, end): &&(Secret, Option<Timestamp>)| {
                    end.is_none_or(|end| context.now().saturating_add(EARLY).is_ok_and(|soon| soon < end))
                };
                let kept = last.as_ref().filter(still).map(|(token, _)| token.clone());
                match kept {
                    Some(token) => token,
                    None => last.insert(ask(context, command).await?).0.clone(),
                }
            }
        };
        request.bearer(&token)
    }
}

/// What a plugin gives ("Client Authentication (v1)").
async fn ask(context: &Context, command: &Command) -> Result<(Secret, Option<Timestamp>), Error> {
    let failed = |wrong: &str| Error::configuration(format!("ask the plugin of the kubeconfig for a token: {wrong}"));
    let output = context.commands.run(command.clone()).await?;
    if output.status != Some(0) {
        return Err(failed("it failed").hint("run it by hand and look what it says"));
    }
    let given: Value = serde_json::from_slice(output.stdout.expose()).map_err(|_quoting| failed("it gave no JSON"))?;
    let text = |name: &str| given.pointer(&format!("/status/{name}")).and_then(Value::as_str);
    let token =
        text("token").ok_or_else(|| failed("it gave no token").hint("certificates of plugins are not taken"))?;
    Ok((Secret::new(token), text("expirationTimestamp").and_then(|end| end.parse().ok())))
}

struct Reader<'a> {
    context: &'a Context,
    folder: &'a Path,
    file: &'a Value,
}

impl Reader<'_> {
    fn read(&self, place: Option<&str>) -> Result<Kubeconfig, String> {
        let current = self.file.get("current-context").and_then(Value::as_str);
        let name =
            place.or(current).filter(|name| !name.is_empty()).ok_or("it has no current-context, and none is named")?;
        let context = self.named("contexts", "context", name)?;
        let part =
            |part: &str| context.get(part).and_then(Value::as_str).ok_or(format!("context {name:?} names no {part}"));
        let cluster = self.named("clusters", "cluster", part("cluster")?)?;
        let user = self.named("users", "user", part("user")?)?;
        let text = |of: &Value, name: &str| of.get(name).and_then(Value::as_str).map(str::to_owned);
        let server = text(cluster, "server").ok_or("the cluster has no server")?;
        let base: Url = server.parse().map_err(|error| format!("the server is no URL: {error}"))?;
        if !may_carry_tokens(&base) {
            return Err("the server is not https: tokens are sent there".to_owned());
        }
        if cluster.get("insecure-skip-tls-verify") == Some(&Value::Bool(true)) {
            return Err("insecure-skip-tls-verify is not taken: name the cluster's certificate-authority".to_owned());
        }
        let ca = self.data(cluster, "certificate-authority")?.map(Bytes::from);
        let chain = self.data(user, "client-certificate")?;
        let key = self.data(user, "client-key")?;
        let identity = match (chain, key) {
            (Some(chain), Some(key)) => {
                let made = TlsCertificate::from_pem(&chain, &key);
                Some(made.map_err(|error| format!("the client's certificate: {error}"))?)
            }
            (None, None) => None,
            _ => return Err("the user has a client-certificate or a client-key, and not both".to_owned()),
        };
        let user = self.user(user, identity.is_some())?;
        Ok(Kubeconfig { base, ca, server_name: text(cluster, "tls-server-name"), user, identity })
    }

    fn named(&self, list: &str, member: &str, name: &str) -> Result<&Value, String> {
        let all = self.file.get(list).and_then(Value::as_array).into_iter().flatten();
        let mut all = all.filter(|one| one.get("name").and_then(Value::as_str) == Some(name));
        all.next().and_then(|one| one.get(member)).ok_or_else(|| format!("{list} has no {name:?}"))
    }

    /// What stands in `NAME-data`, or in the file that `NAME` names.
    fn data(&self, of: &Value, name: &str) -> Result<Option<Vec<u8>>, String> {
        let text = |name: &str| of.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        if let Some(data) = text(&format!("{name}-data")) {
            return STANDARD.decode(data).map(Some).map_err(|_quoting| format!("{name}-data is not base64"));
        }
        let Some(path) = text(name) else { return Ok(None) };
        let bytes = self.context.files.read(&self.folder.join(path), MAX_FILE).map_err(|error| error.to_string())?;
        let bytes = bytes.ok_or_else(|| format!("the file of {name} is not there"))?;
        Ok(Some(bytes.expose().to_vec()))
    }

    fn user(&self, user: &Value, certified: bool) -> Result<User, String> {
        let text = |name: &str| user.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        if text("username").is_some() || text("password").is_some() || user.get("auth-provider").is_some() {
            return Err("passwords and auth-provider are not taken: use a token, a certificate or exec".to_owned());
        }
        // A file counts before what stands beside it.
        if let Some(path) = text("tokenFile") {
            return Ok(User::TokenFile(self.folder.join(path)));
        }
        if let Some(token) = text("token") {
            return Ok(User::Token(Secret::new(token)));
        }
        match user.get("exec").filter(|exec| exec.is_object()) {
            Some(exec) => self.exec(exec),
            None if certified => Ok(User::Certificate),
            None => Err("the user has neither a token, nor a certificate, nor exec".to_owned()),
        }
    }

    fn exec(&self, exec: &Value) -> Result<User, String> {
        let text = |of: &Value, name: &str| of.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let version = text(exec, "apiVersion");
        if !matches!(version.as_str(), "client.authentication.k8s.io/v1" | "client.authentication.k8s.io/v1beta1") {
            return Err("exec is of another version than client.authentication.k8s.io/v1 and v1beta1".to_owned());
        }
        let program = text(exec, "command");
        // One with a slash is looked for beside the file.
        let program = if program.contains('/') { self.folder.join(&program).display().to_string() } else { program };
        let listed = |name: &str| exec.get(name).and_then(Value::as_array).into_iter().flatten();
        let mut argv = vec![program];
        argv.extend(listed("args").filter_map(Value::as_str).map(str::to_owned));
        let mut environment: Vec<(String, Secret)> =
            listed("env").map(|one| (text(one, "name"), Secret::new(text(one, "value")))).collect();
        let info =
            serde_json::json!({ "apiVersion": version, "kind": "ExecCredential", "spec": { "interactive": false } });
        environment.push(("KUBERNETES_EXEC_INFO".to_owned(), Secret::new(info.to_string())));
        let command = Command { argv, environment, timeout: Duration::from_mins(1), max_output: 1 << 20 };
        Ok(User::Exec { command, last: Mutex::default() })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use carnet_core::{MemoryFiles, test_context};
    use serde_json::json;

    use super::*;

    fn file() -> Value {
        json!({
            "current-context": "one",
            "contexts": [{"name": "one", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:6443/base", "certificate-authority": "ca.pem"}}],
            "users": [{"name": "u", "user": {"token": "secret-token"}}],
        })
    }

    fn read(file: &Value, place: Option<&str>) -> Result<(Kubeconfig, Context), Error> {
        let files = MemoryFiles::default();
        files.put("/k/config", file.to_string());
        files.put("/k/ca.pem", "PEM");
        files.put("/k/token", "from-file\n");
        let context = Context { files: Arc::new(files), ..test_context() };
        Ok((Kubeconfig::read(&context, Path::new("/k/config"), place)?, context))
    }

    fn bent(path: &str, value: Value) -> Value {
        let mut file = file();
        *file.pointer_mut(path).unwrap() = value;
        file
    }

    async fn prepared(file: &Value) -> Request {
        let (config, context) = read(file, None).unwrap();
        config.prepare(&context, Request::get(config.url("/version"))).await.unwrap()
    }

    #[tokio::test]
    async fn the_current_context_says_where_and_as_whom() {
        let request = prepared(&file()).await;
        assert_eq!(request.url.as_str(), "https://127.0.0.1:6443/base/version");
        assert_eq!(request.ca_pem.as_deref(), Some(&b"PEM"[..]));
        assert_eq!(request.headers["authorization"], "Bearer secret-token");
        let request = prepared(&bent("/users/0/user", json!({"tokenFile": "token", "token": "other"}))).await;
        assert_eq!(request.headers["authorization"], "Bearer from-file");
    }

    #[test]
    fn rejects_what_is_missing_or_not_taken() {
        let user = |user: Value| bent("/users/0/user", user);
        for (file, wrong) in [
            (bent("/current-context", json!("")), "current-context"),
            (bent("/contexts/0/name", json!("two")), "contexts has no"),
            (bent("/clusters/0/cluster/server", json!("http://10.0.0.1")), "not https"),
            (bent("/clusters/0/cluster/certificate-authority", json!("absent")), "is not there"),
            (bent("/clusters/0/cluster", json!({"server": "https://x", "insecure-skip-tls-verify": true})), "insecure"),
            (user(json!({"username": "a", "password": "MARK"})), "passwords"),
            (user(json!({"client-certificate-data": "AAAA"})), "not both"),
            (user(json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1alpha1"}})), "another version"),
            (user(json!({})), "neither"),
        ] {
            let error = read(&file, None).unwrap_err().to_string();
            assert!(error.contains(wrong) && !error.contains("MARK"), "{error}");
        }
        assert!(read(&file(), Some("absent")).is_err());
    }
}
