#!/usr/bin/env bash
# The Azure CLI, signed in by carnet's delivery `azure-cli`, lists and reads the sandbox's blobs. Not among the tests: it takes
# minutes to install. CARNET_BIN names the binary, by default the release binary.
set -euo pipefail
cd "$(dirname "$0")/../.."
export CARNET="${CARNET_BIN:-$PWD/target/release/carnet}"
export AZ_FOLDER="$PWD/target/azure-cli"
if ! [ -e "$AZ_FOLDER/installed" ]; then
    python3 -m venv --clear "$AZ_FOLDER"
    "$AZ_FOLDER/bin/python" -m pip install --quiet --disable-pip-version-check azure-cli==2.91.0
    touch "$AZ_FOLDER/installed"
fi
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
export AZURE_CONFIG_DIR="$folder/azure" TOKEN_FILE="$folder/token" PATH="$AZ_FOLDER/bin:$PATH"
# No telemetry, no look at Microsoft's list of clouds.
export AZURE_CORE_COLLECT_TELEMETRY=no AZURE_CORE_INSTANCE_DISCOVERY=false
"$CARNET" sandbox run --job github -- bash -euo pipefail -c '
    "$CARNET" get --quiet --from github-actions --audience api://AzureADTokenExchange \
        --deliver azure-cli tenant=c0ffee00-0000-4000-8000-00000000a001 \
        client_id=c0ffee00-0000-4000-8000-00000000b001 token_file="$TOKEN_FILE" config_dir="$AZURE_CONFIG_DIR"
    blobs() { az storage blob "$@" --auth-mode login --account-name carnetsandbox --container-name reports --only-show-errors; }
    listed="$(blobs list --query "[].name" --output tsv)"
    [ "$listed" = "2026/11/report.txt" ] || { echo "listed: $listed" >&2; exit 1; }
    blobs download --name "$listed" --file "$TOKEN_FILE.report" --no-progress --output none
    grep -qx "carnet sandbox report" "$TOKEN_FILE.report"
    echo "az has listed and read a blob"
'
