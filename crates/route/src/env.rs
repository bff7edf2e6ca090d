//! The environment variables that carnet itself reads. Sources and exchanges read those of the place they know, and
//! say so in their manuals; every `CARNET_*` is here.

use std::path::PathBuf;

use carnet_core::Environment;

/// One variable, as documented.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct EnvVar {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub about: &'static str,
}

/// The values of all `CARNET_*` variables. An empty variable counts as unset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnvVars {
    /// `CARNET_CONFIG`.
    pub config: Option<PathBuf>,
    /// `CARNET_LOG`.
    pub log: Option<String>,
    /// `CARNET_CA_FILE`.
    pub ca_file: Option<PathBuf>,
    /// `CARNET_SANDBOX`.
    pub sandbox: Option<PathBuf>,
    /// `CARNET_SANDBOX_CONTROL`.
    pub sandbox_control: Option<String>,
    /// `CARNET_AUTHORITY_SOCKET`.
    pub authority_socket: Option<PathBuf>,
}

impl EnvVars {
    /// `CARNET_CONFIG`.
    pub const CONFIG: &str = "CARNET_CONFIG";
    /// `CARNET_LOG`.
    pub const LOG: &str = "CARNET_LOG";
    /// `CARNET_CA_FILE`.
    pub const CA_FILE: &str = "CARNET_CA_FILE";
    /// `CARNET_SANDBOX`.
    pub const SANDBOX: &str = "CARNET_SANDBOX";
    /// `CARNET_SANDBOX_CONTROL`.
    pub const SANDBOX_CONTROL: &str = "CARNET_SANDBOX_CONTROL";

    /// `CARNET_AUTHORITY_SOCKET`.
    pub const AUTHORITY_SOCKET: &str = "CARNET_AUTHORITY_SOCKET";

    /// Every one of them, for the manual.
    pub const ALL: &[EnvVar] = &[
        EnvVar { name: Self::CONFIG, about: "The configuration file. `--config` goes before it." },
        EnvVar {
            name: Self::LOG,
            about: "What is logged to standard error, for instance `debug` or `carnet_net=trace`. `--log` goes before it.",
        },
        EnvVar { name: Self::CA_FILE, about: "PEM certificates of authorities that are trusted besides the system's." },
        EnvVar { name: Self::SANDBOX, about: "The folder of the sandbox." },
        EnvVar {
            name: Self::SANDBOX_CONTROL,
            about: "The URL of a running sandbox's control service, where its clock is moved and faults are switched on.",
        },
        EnvVar {
            name: Self::AUTHORITY_SOCKET,
            about: "The Unix socket of an authority's admin API, for the commands below `carnet authority`.",
        },
    ];

    /// Reads them.
    pub fn read(environment: &dyn Environment) -> Self {
        Self {
            config: environment.get(Self::CONFIG).map(PathBuf::from),
            log: environment.get(Self::LOG),
            ca_file: environment.get(Self::CA_FILE).map(PathBuf::from),
            sandbox: environment.get(Self::SANDBOX).map(PathBuf::from),
            sandbox_control: environment.get(Self::SANDBOX_CONTROL),
            authority_socket: environment.get(Self::AUTHORITY_SOCKET).map(PathBuf::from),
        }
    }
}

#[cfg(test)]
mod tests {
    use carnet_core::MapEnvironment;

    use super::*;

    #[test]
    fn every_documented_variable_is_read() {
        for variable in EnvVars::ALL {
            let read = EnvVars::read(&MapEnvironment::of(&[(variable.name, "value")]));
            assert_ne!(read, EnvVars::default(), "{} is documented but not read", variable.name);
        }
        let all: Vec<(&str, &str)> = EnvVars::ALL.iter().map(|variable| (variable.name, "value")).collect();
        let read = EnvVars::read(&MapEnvironment::of(&all));
        let EnvVars { config, log, ca_file, sandbox, sandbox_control, authority_socket } = read;
        assert!(config.is_some() && log.is_some() && ca_file.is_some());
        assert!(sandbox.is_some() && sandbox_control.is_some() && authority_socket.is_some());
    }
}
