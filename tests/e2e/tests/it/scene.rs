//! What the tests of the binary alone share: a place where nothing is found, an exchange that works, a server that
//! answers what a test wants, and what a failure must look like.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

use crate::harness::{Sandbox, both, carnet, json, output};

/// A loopback address of which nobody makes use: connections are refused at once.
pub(crate) const NOBODY: &str = "127.77.77.77:9";

/// `carnet` in a place that has no identity.
pub(crate) fn nowhere<'a>(home: &Path, arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = carnet(arguments);
    command.env("HOME", home).env("OCI_METADATA_BASE_URL", format!("http://{NOBODY}/opc/v2"));
    command.env("NO_GCE_CHECK", "true").env("AWS_EC2_METADATA_DISABLED", "true").current_dir(home);
    command
}

/// Runs it: it must end with this exit code, leave standard output empty, and say each of these on standard error.
pub(crate) fn fails(command: &mut Command, code: i32, says: &[&str]) -> String {
    let done = output(command);
    assert_eq!(done.status.code(), Some(code), "{command:?}\n{:.4000}", both(&done));
    assert!(done.stdout.is_empty(), "standard output is data: {:.4000}", both(&done));
    let text = said(&done, says);
    // The thing and the place are the test's; that there is something to do about it holds for every failure.
    let fix = ["hint: ", "\"hints\":[\"", "help: ", "For more information, try"].iter().any(|mark| text.contains(mark));
    assert!(fix, "nothing says what to do:\n{text}");
    text
}

/// Standard error, which must say each of these and must not be a crash.
pub(crate) fn said(done: &Output, says: &[&str]) -> String {
    let text = String::from_utf8(done.stderr.clone()).expect("talk is UTF-8");
    for part in says {
        assert!(text.contains(part), "wanted {part:?} in:\n{text}");
    }
    assert!(!text.contains("panicked") && !text.contains("mistake in carnet itself"), "{text}");
    text
}

/// Runs it to its end, which must be a good one; its standard output.
pub(crate) fn works(command: &mut Command) -> String {
    let done = output(command);
    assert!(done.status.success(), "{command:?}\n{}", both(&done));
    String::from_utf8(done.stdout).expect("text")
}

/// Writes a file of this mode.
pub(crate) fn put(path: &Path, content: impl AsRef<[u8]>, mode: u32) {
    let mut file = std::fs::File::create(path).expect("make a file");
    file.write_all(content.as_ref()).expect("write a file");
    file.set_permissions(std::fs::Permissions::from_mode(mode)).expect("change a mode");
}

/// The permission bits of a file or folder.
pub(crate) fn mode(path: &Path) -> u32 {
    std::fs::symlink_metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).permissions().mode()
        & 0o7777
}

/// Switches a fault on.
pub(crate) fn fault(sandbox: &Sandbox, kind: &str, service: &str) {
    json(&mut sandbox.command(["fault", kind, "--service", service]));
}

/// Everything that the exchange of a CI job's token for an OCI session needs.
pub(crate) struct Desk<'a> {
    pub(crate) sandbox: &'a Sandbox,
    folder: TempDir,
}

impl<'a> Desk<'a> {
    /// A fresh token and the client's secret, in files.
    pub(crate) fn new(sandbox: &'a Sandbox) -> Self {
        let desk = Self { sandbox, folder: tempfile::tempdir().expect("make a folder") };
        desk.show(&[]);
        put(&desk.path("client-secret"), sandbox.seed("oci_client_secret"), 0o600);
        desk
    }

    /// A file in its folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Puts another token into the file, made with these options.
    pub(crate) fn show(&self, options: &[&str]) {
        let audience = ["--audience", self.sandbox.seed("oci_domain")];
        let token = self.sandbox.token("github", &[&audience, options].concat());
        put(&self.path("token.jwt"), token, 0o600);
    }

    /// `carnet VERB` with the token's file as the source, with nothing after it.
    pub(crate) fn source(&self, verb: &str) -> Command {
        let mut command = nowhere(self.folder(), [verb, "--from", "file"]);
        command.arg(format!("path={}", self.path("token.jwt").display()));
        command
    }

    /// `carnet VERB` with the token's file and the exchange, at this domain.
    pub(crate) fn exchange_at(&self, verb: &str, domain: &str) -> Command {
        let mut command = self.source(verb);
        command.args(["--to", "oci-upst", &format!("url={domain}")]);
        command.arg(format!("client_id={}", self.sandbox.seed("oci_client_id")));
        command.arg(format!("client_secret_file={}", self.path("client-secret").display()));
        command.arg(format!("region={}", self.sandbox.seed("oci_region")));
        command
    }

    /// The same at the sandbox's domain.
    pub(crate) fn exchange(&self, verb: &str) -> Command {
        self.exchange_at(verb, &self.sandbox.plain("oci-domain"))
    }

    /// `carnet get --quiet` that delivers a profile into the folder `oci`.
    pub(crate) fn profile(&self) -> Command {
        let mut command = self.exchange("get");
        command.args(["--quiet", "--deliver", "oci-profile"]).arg(format!("directory={}", self.path("oci").display()));
        command
    }
}

/// A server that answers every request with what its function says: status, body.
pub(crate) struct Server {
    address: String,
}

impl Server {
    /// Listens on loopback until the test process ends.
    pub(crate) fn start(answer: impl Fn(&Asked) -> (u16, String) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
        let address = listener.local_addr().expect("an address").to_string();
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                // A client that goes away in mid-request is the test's matter, not the server's.
                drop(serve(connection, &answer));
            }
        });
        Self { address }
    }

    /// Its address as a URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// A request, as far as tests look at it.
pub(crate) struct Asked {
    pub(crate) path: String,
    /// The head and the body, as they came.
    pub(crate) text: String,
}

fn serve(connection: TcpStream, answer: &impl Fn(&Asked) -> (u16, String)) -> std::io::Result<()> {
    let mut reader = BufReader::new(connection);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split_whitespace().nth(1).unwrap_or_default().to_owned();
    let mut length = 0;
    let mut text = line;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        text.push_str(&header);
        let Some((name, value)) = header.trim_end().split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    text.push_str(&String::from_utf8_lossy(&body));
    let (status, body) = answer(&Asked { path, text });
    let mut connection = reader.into_inner();
    write!(
        connection,
        "HTTP/1.1 {status} Answer\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}
