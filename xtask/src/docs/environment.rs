//! `reference/environment.md`: the variables that carnet reads and sets.

use std::fmt::Write as _;

use anyhow::Context as _;
use serde::Deserialize;

use super::{NOTICE, markdown::cell};

/// What is not in the list that carnet prints: variables that many programs share, and those that carnet sets.
const REST: &str = "
## Shared with other programs

| variable | what it does |
| --- | --- |
| `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY` | The proxy for `https` and for `http`, and the hosts that are reached without one; loopback always is. In lower case they go before those in upper case. Metadata services are never reached through a proxy. |
| `SSL_CERT_FILE` | A PEM bundle of trusted authorities, instead of the system's. |
| `NO_COLOR` | No colour on the terminal. |
| `CSI_ENDPOINT` | Where `carnet csi` listens for the kubelet: `unix:///csi/csi.sock`. `--endpoint` goes before it. |
| `XDG_CONFIG_HOME` | Where the user's configuration is: `carnet/carnet.toml` in it; otherwise in `~/.config`. |
| `XDG_RUNTIME_DIR` | Where `carnet run` keeps the files of a route that names no delivery; otherwise `/tmp`. The folder is private, and removed at the end. |

## Set by carnet

| variable | for whom |
| --- | --- |
| `CARNET_AUDIENCE` | The program of the source `command`: the audience that the next step needs. |
| `CARNET_ACCESS_TOKEN`, `CARNET_ID_TOKEN` | The child of `carnet run`, by the delivery `env`. |
| `CARNET_SANDBOX_TOKEN_FILE` | Programs in the sandbox: the file with the token of its control service. |

Further variables are set by [deliveries](../deliveries.md).

## Of the clouds

Each source, exchange and delivery reads and sets the variables that its cloud's own tools use. They stand on the cloud's page:
[Oracle Cloud Infrastructure](../providers/oci.md), [Google Cloud](../providers/gcp.md), [Microsoft Azure](../providers/azure.md),
[Vault and OpenBao](../providers/vault.md), [Infisical](../providers/infisical.md), [AWS](../providers/aws.md), [CI systems](../providers/ci.md),
[files, variables, commands, URLs](../providers/generic.md).

In the configuration file `${NAME}` stands for any variable.
";

#[derive(Deserialize)]
struct Answer {
    variables: Vec<Variable>,
}

#[derive(Deserialize)]
struct Variable {
    name: String,
    about: String,
}

/// The page.
pub(super) fn page(answer: &str) -> anyhow::Result<String> {
    let answer: Answer = serde_json::from_str(answer).context("read the variables")?;
    let mut page = format!(
        "# Environment\n\n{NOTICE}\nA flag goes before a variable, a variable before the file, the file before the default. A \
         variable that is empty counts as unset.\n\n## carnet's own\n\n| variable | what it does |\n| --- | --- |\n"
    );
    for Variable { name, about } in answer.variables {
        writeln!(page, "| `{name}` | {} |", cell(&about))?;
    }
    page.push_str(REST);
    Ok(page)
}
