//! From an address to connections.

use std::{net::IpAddr, sync::Arc, time::Duration};

use carnet_core::safe_text;
use tokio::task::JoinHandle;
use tokio_postgres::{
    AsyncMessage, Client, NoTls, Socket,
    config::{Host, SslMode, TargetSessionAttrs},
    tls::TlsStream,
};

use super::{error, tls::Given};
use crate::{Options, StoreError, tls::Connector};

/// How long a server may take to answer a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// Version 13, as the server numbers itself. Older ones get no fixes any more.
const OLDEST: i32 = 130_000;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Writer,
    Reader,
    Listener,
}

/// Where the server is and how to speak to it.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    config: tokio_postgres::Config,
    tls: Connector,
}

/// What somebody else of the same database tells.
pub(super) type Heard = Arc<dyn Fn(&str) + Send + Sync>;

impl Settings {
    pub(super) fn parse(url: &str, options: &Options) -> Result<Self, StoreError> {
        let (url, wanted) = take_sslmode(url)?;
        let mut config: tokio_postgres::Config = url.parse().map_err(|cause: tokio_postgres::Error| {
            // The driver's message names the part, and never the password.
            let what = std::error::Error::source(&cause).map_or_else(|| cause.to_string(), ToString::to_string);
            unusable(&format!("the address of the store is not good: {}", safe_text(&what)), ADDRESS)
        })?;
        if config.get_user().is_none() || config.get_hosts().is_empty() || config.get_dbname().is_none() {
            return Err(unusable("the address of the store lacks the user, the host or the database", ADDRESS));
        }
        if let Some(password) = &options.password {
            config.password(password.expose());
        }
        let encrypted = match wanted.as_deref() {
            Some("disable") => false,
            // `require` verifies, too: an unverified server can be anybody.
            Some("require" | "verify-full") => true,
            Some(other) => {
                let what = format!("sslmode={} is not known", safe_text(other));
                return Err(unusable(&what, "write disable, require or verify-full"));
            }
            None => !config.get_hosts().iter().all(is_near),
        };
        if encrypted && options.tls.is_none() {
            return Err(unusable(
                "the store is to be reached through TLS, and this program has none for it",
                "use a unix socket or loopback; or add sslmode=disable to the address where the network itself is private",
            ));
        }
        config
            .ssl_mode(if encrypted { SslMode::Require } else { SslMode::Disable })
            .target_session_attrs(TargetSessionAttrs::ReadWrite)
            .application_name("carnet")
            .keepalives_idle(Duration::from_secs(30))
            .tcp_user_timeout(Duration::from_secs(15));
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        Ok(Self { config, tls: options.tls.clone().filter(|_| encrypted) })
    }

    /// Connects, checks the server and sets up the session. The task ends with the connection.
    pub(super) async fn connect(&self, role: Role, heard: Heard) -> Result<(Client, JoinHandle<()>), StoreError> {
        let (client, task) = match &self.tls {
            Some(tls) => self.start(Given(Arc::clone(tls)), heard).await?,
            None => self.start(NoTls, heard).await?,
        };
        match set_up(&client, role).await {
            Ok(()) => Ok((client, task)),
            Err(error) => {
                task.abort();
                Err(error)
            }
        }
    }

    async fn start<T>(&self, tls: T, heard: Heard) -> Result<(Client, JoinHandle<()>), StoreError>
    where
        T: tokio_postgres::tls::MakeTlsConnect<Socket>,
        T::Stream: TlsStream + Unpin + Send + 'static,
    {
        let connecting = tokio::time::timeout(CONNECT.saturating_mul(3), self.config.connect(tls));
        let (client, mut connection) = match connecting.await {
            Ok(connected) => connected.map_err(|cause| error::connecting(&cause))?,
            Err(_elapsed) => return Err(error::silent("connect to the database server")),
        };
        let task = tokio::spawn(async move {
            loop {
                match std::future::poll_fn(|cx| connection.poll_message(cx)).await {
                    Some(Ok(AsyncMessage::Notification(note))) => heard(note.payload()),
                    Some(Ok(_)) => {}
                    // Whoever waits for an answer gets the error; here is nobody to tell.
                    Some(Err(_)) | None => return,
                }
            }
        });
        Ok((client, task))
    }
}

const ADDRESS: &str = "write postgres://USER@HOST/DATABASE, or postgres://USER@/DATABASE?host=/run/postgresql";

fn unusable(what: &str, hint: &str) -> StoreError {
    StoreError::Unusable { what: what.to_owned(), hint: hint.to_owned() }
}

/// The driver does not know `verify-full`.
fn take_sslmode(url: &str) -> Result<(String, Option<String>), StoreError> {
    let Some((base, query)) = url.split_once('?') else { return Ok((url.to_owned(), None)) };
    let (modes, others): (Vec<&str>, Vec<&str>) =
        query.split('&').filter(|pair| !pair.is_empty()).partition(|pair| pair.starts_with("sslmode="));
    let mode = match modes.as_slice() {
        [] => None,
        [mode] => mode.strip_prefix("sslmode=").map(str::to_owned),
        _ => return Err(unusable("sslmode is there more than once", "keep one")),
    };
    let url = if others.is_empty() { base.to_owned() } else { format!("{base}?{}", others.join("&")) };
    Ok((url, mode))
}

/// Whether nobody is in between.
fn is_near(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()),
    }
}

async fn set_up(client: &Client, role: Role) -> Result<(), StoreError> {
    let sql = "SELECT current_setting('server_version_num')::int, current_setting('server_encoding'), \
               current_setting('fsync'), current_setting('synchronous_commit')";
    let row = client.query_one(sql, &[]).await.map_err(|cause| error::connecting(&cause))?;
    let settings: Result<(i32, &str, &str, &str), tokio_postgres::Error> =
        row.try_get(0).and_then(|first| Ok((first, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?)));
    let (version, encoding, fsync, synchronous) = settings.map_err(|cause| error::connecting(&cause))?;
    if version < OLDEST {
        return Err(unusable(
            &format!("the database server has version {version}, {OLDEST} is the oldest taken"),
            "update it",
        ));
    }
    if encoding != "UTF8" {
        let what = format!("the database has the encoding {}, not UTF8", safe_text(encoding));
        return Err(unusable(&what, "make it with `createdb --encoding=UTF8 --template=template0`"));
    }
    let mut sql = "SET statement_timeout = '10s'; SET lock_timeout = '10s'; \
                   SET idle_in_transaction_session_timeout = '15s'; SET client_min_messages = 'warning';"
        .to_owned();
    match role {
        Role::Reader => sql.push_str("SET default_transaction_read_only = on;"),
        Role::Listener => sql.push_str("LISTEN carnet_store;"),
        Role::Writer => {
            if fsync == "off" {
                tracing::warn!(
                    "the database server runs with fsync=off: what it has stored can be lost with its machine"
                );
            }
            // Any other value waits for the disk of this server at least.
            if synchronous == "off" {
                sql.push_str("SET synchronous_commit = on;");
            }
        }
    }
    client.batch_execute(&sql).await.map_err(|cause| error::connecting(&cause))
}
