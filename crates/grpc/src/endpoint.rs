//! Where a server on this machine listens, as SPIFFE writes it.

use std::{fmt, net::SocketAddr, str::FromStr};

use carnet_core::{Error, safe_text};

/// The variable that says where the Workload API listens, when nobody says it otherwise
/// (SPIFFE Workload Endpoint, 4).
pub const ENDPOINT_VARIABLE: &str = "SPIFFE_ENDPOINT_SOCKET";

/// Longest path of a socket in bytes: `sun_path` holds 108 with the zero at its end (unix(7)).
const MAX_SOCKET_PATH: usize = 107;

/// The address of a Workload API: `unix:///absolute/path`, `unix:/absolute/path` or `tcp://IP:port`
/// (SPIFFE Workload Endpoint, 4).
///
/// ```
/// use carnet_grpc::Endpoint;
///
/// let endpoint: Endpoint = "unix:///run/carnet/agent.sock".parse()?;
/// assert_eq!(endpoint, Endpoint::Unix("/run/carnet/agent.sock".into()));
/// assert!("tcp://localhost:8081".parse::<Endpoint>().is_err()); // an address, not a name
/// # Ok::<(), carnet_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A TCP socket, without TLS.
    Tcp(SocketAddr),
    /// The absolute path of a Unix socket.
    Unix(String),
}

impl FromStr for Endpoint {
    type Err = Error;

    /// # Errors
    /// `Configuration` with what is wrong with the address and how it is written.
    fn from_str(text: &str) -> Result<Self, Error> {
        let parsed = match text.split_once(':') {
            Some(("unix", rest)) => unix(rest),
            Some(("tcp", rest)) => tcp(rest),
            _ => Err("it must begin with `unix:` or `tcp:`"),
        };
        parsed.map_err(|why| {
            Error::configuration(format!("the address `{}` is not one of a Workload API: {why}", safe_text(text)))
                .hint("write unix:///absolute/path/of/the.sock or tcp://127.0.0.1:PORT")
                .clause("SPIFFE Workload Endpoint, 4")
        })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "tcp://{address}"),
            Self::Unix(path) => write!(f, "unix://{path}"),
        }
    }
}

fn unix(rest: &str) -> Result<Endpoint, &'static str> {
    let path = match rest.strip_prefix("//") {
        Some(path) if path.starts_with('/') => path,
        Some(_) => return Err("after `unix://` comes an absolute path, so a third slash; there is no host"),
        None => rest,
    };
    if !path.starts_with('/') {
        return Err("the path of the socket must be absolute");
    }
    if path.ends_with('/') {
        return Err("the path names a directory and not a socket");
    }
    if path.contains(['?', '#']) {
        return Err("a query or a fragment has no place in it");
    }
    if path.contains('%') {
        return Err("percent-encoding is not read; choose a path without it");
    }
    if path.contains(char::is_control) {
        return Err("there is a control character in the path");
    }
    if path.len() > MAX_SOCKET_PATH {
        return Err("the path is longer than the 107 bytes that a socket's path can have");
    }
    Ok(Endpoint::Unix(path.to_owned()))
}

fn tcp(rest: &str) -> Result<Endpoint, &'static str> {
    let authority = rest.strip_prefix("//").ok_or("after `tcp:` come two slashes")?;
    if authority.contains(['/', '?', '#', '@']) {
        return Err("after `tcp://` come an IP address and a port, and nothing else");
    }
    let address: SocketAddr = authority
        .parse()
        .map_err(|_ignored: std::net::AddrParseError| "after `tcp://` come an IP address (not a name) and a port")?;
    if address.port() == 0 {
        return Err("port 0 is nobody's");
    }
    if address.ip().is_unspecified() || address.ip().is_multicast() {
        return Err("that IP address is nobody's to connect to");
    }
    Ok(Endpoint::Tcp(address))
}

#[cfg(test)]
mod tests {
    use carnet_core::ErrorKind;
    use proptest::prelude::*;

    use super::*;

    fn why(text: &str) -> String {
        let error = text.parse::<Endpoint>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration, "{text}");
        assert!(!error.hints().is_empty(), "{text}");
        error.to_string()
    }

    #[test]
    fn accepts_a_socket_with_three_slashes_or_one() {
        for text in ["unix:///run/a.sock", "unix:/run/a.sock"] {
            assert_eq!(text.parse::<Endpoint>().unwrap(), Endpoint::Unix("/run/a.sock".into()), "{text}");
        }
    }

    #[test]
    fn accepts_ip_addresses_with_a_port() {
        for text in ["tcp://127.0.0.1:8000", "tcp://[::1]:8000", "tcp://169.254.1.1:1"] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn rejects_other_schemes_and_none() {
        for text in ["", "/run/a.sock", "http://127.0.0.1:80", "UNIX:///run/a.sock", "unixx:/a", "npipe:spire"] {
            assert!(why(text).contains("must begin with"), "{text}");
        }
    }

    #[test]
    fn rejects_a_host_before_the_path() {
        assert!(why("unix://run/a.sock").contains("third slash"));
        assert!(why("unix://user@host/run/a.sock").contains("third slash"));
    }

    #[test]
    fn rejects_a_relative_path() {
        for text in ["unix:a.sock", "unix:./a.sock", "unix:", "unix:@abstract"] {
            assert!(why(text).contains("must be absolute"), "{text}");
        }
    }

    #[test]
    fn rejects_a_directory() {
        for text in ["unix:///", "unix:/run/"] {
            assert!(why(text).contains("directory"), "{text}");
        }
    }

    #[test]
    fn rejects_a_query_and_a_fragment() {
        for text in ["unix:///run/a.sock?x=1", "unix:///run/a.sock#x"] {
            assert!(why(text).contains("query or a fragment"), "{text}");
        }
    }

    #[test]
    fn rejects_percent_encoding_and_control_characters() {
        assert!(why("unix:///run/a%20b.sock").contains("percent-encoding"));
        assert!(why("unix:///run/a\0b.sock").contains("control character"));
    }

    #[test]
    fn rejects_a_path_that_no_socket_can_have() {
        let longest = format!("unix:///{}", "a".repeat(106));
        assert!(longest.parse::<Endpoint>().is_ok());
        assert!(why(&format!("{longest}a")).contains("107 bytes"));
    }

    #[test]
    fn rejects_names_and_missing_ports() {
        for text in ["tcp://localhost:8000", "tcp://127.0.0.1", "tcp://::1:8000", "tcp://:8000", "tcp://1.2.3.4:65536"]
        {
            assert!(why(text).contains("an IP address (not a name)"), "{text}");
        }
        assert!(why("tcp:127.0.0.1:8000").contains("two slashes"));
    }

    #[test]
    fn rejects_what_follows_the_port_or_precedes_the_address() {
        for text in ["tcp://127.0.0.1:80/", "tcp://127.0.0.1:80/foo", "tcp://u@127.0.0.1:80", "tcp://127.0.0.1:80?x"] {
            assert!(why(text).contains("nothing else"), "{text}");
        }
    }

    #[test]
    fn rejects_addresses_of_nobody() {
        for text in ["tcp://0.0.0.0:80", "tcp://[::]:80", "tcp://224.0.0.1:80", "tcp://127.0.0.1:0"] {
            assert!(why(text).contains("nobody's"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_and_what_is_read_reads_the_same_again(text in "(unix:|tcp:|)(//|/|)\\PC{0,40}") {
            if let Ok(endpoint) = text.parse::<Endpoint>() {
                prop_assert_eq!(endpoint.to_string().parse::<Endpoint>().unwrap(), endpoint.clone());
                if let Endpoint::Unix(path) = endpoint {
                    prop_assert!(path.starts_with('/') && text.ends_with(&path));
                }
            }
        }

        #[test]
        fn every_address_with_a_port_is_read(ip: std::net::IpAddr, port in 1_u16..) {
            prop_assume!(!ip.is_unspecified() && !ip.is_multicast());
            let address = SocketAddr::new(ip, port);
            prop_assert_eq!(format!("tcp://{address}").parse::<Endpoint>().unwrap(), Endpoint::Tcp(address));
        }
    }
}
