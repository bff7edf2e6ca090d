//! A PostgreSQL of our own for tests: a fresh cluster in a temporary folder, reached by its unix socket alone.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::{fs::chown, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// What to do when there is none.
const MISSING: &str = "no PostgreSQL was found, and this test is about it: install it (Debian: `apt-get install postgresql`), or \
                       name the folder that holds `initdb` and `postgres` in the variable CARNET_TEST_POSTGRES";

/// A cluster that runs until the process ends, however it ends.
#[derive(Debug)]
pub struct TestPostgres {
    /// Its standard input is the life line: the shell around the server ends it when this is closed.
    child: Child,
    folder: PathBuf,
    bin: PathBuf,
    databases: AtomicU64,
}

impl Drop for TestPostgres {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait(); // It has been told to end; there is nothing more to do.
    }
}

impl TestPostgres {
    /// The one that all tests of this process share.
    ///
    /// # Errors
    /// A message for the developer: PostgreSQL is missing, or does not start.
    pub fn shared() -> Result<&'static Self, String> {
        static SHARED: OnceLock<Result<TestPostgres, String>> = OnceLock::new();
        // Nothing but the socket of this process depends on its disk.
        SHARED.get_or_init(|| Self::start(&["fsync=off"])).as_ref().map_err(Clone::clone)
    }

    /// A new one, with these settings besides.
    ///
    /// # Errors
    /// As [`TestPostgres::shared`].
    pub fn start(settings: &[&str]) -> Result<Self, String> {
        let bin = binaries().ok_or(MISSING)?;
        let folder = tempfile::Builder::new().prefix("carnet-pg").tempdir().map_err(|error| error.to_string())?.keep();
        let user = user()?;
        if let Some((uid, gid)) = user {
            chown(&folder, Some(uid), Some(gid)).map_err(|error| format!("give away {}: {error}", folder.display()))?;
        }
        let data = folder.join("data");
        let mut initdb = command(&bin.join("initdb"), &folder, user);
        initdb
            .args(["--auth=trust", "--username=carnet", "--encoding=UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(&data);
        let made = initdb.output().map_err(|error| format!("run initdb: {error}"))?;
        if !made.status.success() {
            return Err(format!("initdb: {}", String::from_utf8_lossy(&made.stderr)));
        }
        let child = serve(&bin, &folder, user, settings)?;
        Ok(Self { child, folder, bin, databases: AtomicU64::new(0) })
    }

    /// Makes a new database, and answers its address.
    ///
    /// # Errors
    /// What `createdb` says.
    pub fn database(&self) -> Result<String, String> {
        let name = format!("store{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let made = command(&self.bin.join("createdb"), &self.folder, None)
            .args(["-U", "carnet", "-h"])
            .arg(&self.folder)
            .arg(&name)
            .output()
            .map_err(|error| format!("run createdb: {error}"))?;
        if !made.status.success() {
            return Err(format!("createdb: {}", String::from_utf8_lossy(&made.stderr)));
        }
        Ok(format!("postgres://carnet@/{name}?host={}", self.folder.display()))
    }

    /// Runs statements on a database of this cluster, past any store, and answers what `psql` prints: unaligned rows.
    ///
    /// # Errors
    /// What `psql` says.
    pub fn sql(&self, url: &str, sql: &str) -> Result<String, String> {
        let ran = command(&self.bin.join("psql"), &self.folder, None)
            .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1", "-c", sql, url])
            .output()
            .map_err(|error| format!("run psql: {error}"))?;
        if !ran.status.success() {
            return Err(format!("psql: {}", String::from_utf8_lossy(&ran.stderr)));
        }
        Ok(String::from_utf8_lossy(&ran.stdout).trim().to_owned())
    }

    /// Ends the server at once, as a crash would, and starts it again.
    ///
    /// # Errors
    /// When it does not start.
    pub fn crash_and_restart(&self) -> Result<(), String> {
        let user = user()?;
        for arguments in [["stop", "-m", "immediate"], ["start", "-w", "-s"]] {
            let mut control = command(&self.bin.join("pg_ctl"), &self.folder, user);
            control.args(arguments).arg("-D").arg(self.folder.join("data")).arg("-l").arg(self.folder.join("log"));
            let status = control.stdout(Stdio::null()).stderr(Stdio::null()).status();
            let status = status.map_err(|error| format!("run pg_ctl: {error}"))?;
            if !status.success() {
                return Err(format!("pg_ctl {}: {status}", arguments.join(" ")));
            }
        }
        Ok(())
    }
}

/// Starts the server within a shell that ends it, and removes its folder, when our end of its standard input is closed.
fn serve(bin: &Path, folder: &Path, user: Option<(u32, u32)>, settings: &[&str]) -> Result<Child, String> {
    const SCRIPT: &str = "folder=$1; bin=$2; shift 2; \"$@\" & read -r _; \
                          \"$bin/pg_ctl\" stop -m immediate -s -D \"$folder/data\"; wait; rm -rf \"$folder\"";
    let mut shell = command(Path::new("/bin/sh"), folder, user);
    shell
        .arg("-c")
        .arg(SCRIPT)
        .arg("sh")
        .arg(folder)
        .arg(bin)
        .arg(bin.join("postgres"))
        .arg("-D")
        .arg(folder.join("data"));
    configure(folder, settings).map_err(|error| format!("write the settings of PostgreSQL: {error}"))?;
    let mut child = shell
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("start PostgreSQL: {error}"))?;
    let mut log = BufReader::new(child.stderr.take().ok_or("PostgreSQL has no standard error")?);
    let mut said = String::new();
    while !said.contains("ready to accept connections") {
        if log.read_line(&mut said).map_err(|error| error.to_string())? == 0 {
            return Err(format!("PostgreSQL does not start: {said}"));
        }
    }
    // Read on, so that the server never waits for us.
    std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
    Ok(child)
}

/// In its file, so that they hold after a restart, too.
fn configure(folder: &Path, settings: &[&str]) -> std::io::Result<()> {
    let mut file = fs::OpenOptions::new().append(true).open(folder.join("data/postgresql.conf"))?;
    writeln!(file, "listen_addresses = ''\nmax_connections = 100\nunix_socket_directories = '{}'", folder.display())?;
    settings.iter().try_for_each(|setting| writeln!(file, "{setting}"))
}

fn command(program: &Path, folder: &Path, user: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("LC_ALL", "C").env("PATH", "/usr/bin:/bin").current_dir(folder);
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    command
}

#[expect(clippy::disallowed_methods, reason = "tests are told by the environment where PostgreSQL is")]
fn binaries() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("CARNET_TEST_POSTGRES") {
        return Some(PathBuf::from(named)).filter(|bin| has_server(bin));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).find(|bin| has_server(bin));
    in_path.or_else(|| {
        // Debian keeps each release apart.
        let mut releases: Vec<PathBuf> =
            fs::read_dir("/usr/lib/postgresql").ok()?.flatten().map(|entry| entry.path()).collect();
        releases.sort();
        releases.into_iter().rev().map(|release| release.join("bin")).find(|bin| has_server(bin))
    })
}

fn has_server(bin: &Path) -> bool {
    ["initdb", "postgres", "createdb", "psql", "pg_ctl"].iter().all(|program| bin.join(program).is_file())
}

/// PostgreSQL does not run as root; then it runs as its own user, or as nobody.
fn user() -> Result<Option<(u32, u32)>, String> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd").map_err(|error| format!("read /etc/passwd: {error}"))?;
    let ids = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    ids("postgres")
        .or_else(|| ids("nobody"))
        .map(Some)
        .ok_or_else(|| "there is no user that PostgreSQL could run as".to_owned())
}
