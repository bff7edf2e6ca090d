#!/bin/sh
# Installs the released carnet of one version, after comparing its checksum, and prints its path.
#
#   CARNET_VERSION       the version, for instance 0.1.0
#   CARNET_SHA256        the checksum of the binary for this machine. Empty: that in SHA256SUMS beside the binary
#   CARNET_DOWNLOAD_URL  the folder of the release: https, or http to this machine
#   CARNET_BIN_DIR       where it goes
set -eu

fail() {
    printf 'carnet: %s\n' "$*" >&2
    exit 1
}

# Plain text is for this machine only, where the tests are.
download() {
    case $1 in
        https://*) carnet_protocols='=https' ;;
        http://127.0.0.1:*) carnet_protocols='=http' ;;
        *) fail "$1 is not https" ;;
    esac
    if command -v curl >/dev/null 2>&1; then
        curl --fail --silent --show-error --location --proto "$carnet_protocols" --proto-redir "$carnet_protocols" \
            --retry 3 --max-time 300 --output "$2" "$1"
    elif [ "$carnet_protocols" = '=https' ] && command -v wget >/dev/null 2>&1; then
        wget -q -O "$2" "$1"
    else
        fail "neither curl nor wget is here: install one of them in the job's image"
    fi || fail "cannot download $1"
}

checksum() {
    if command -v sha256sum >/dev/null 2>&1; then
        sha256sum "$1"
    elif command -v shasum >/dev/null 2>&1; then
        shasum -a 256 "$1"
    else
        fail "neither sha256sum nor shasum is here: install one of them in the job's image"
    fi | cut -d ' ' -f 1
}

is_checksum() {
    [ ${#1} -eq 64 ] || return 1
    case $1 in *[!0-9a-f]*) return 1 ;; esac
}

case ${CARNET_VERSION:-} in
    '' | *[!0-9A-Za-z.-]* | [!0-9]*) fail "\`version\` is no version: give one such as 0.1.0" ;;
esac
case $(uname -s) in
    Linux) ;;
    *) fail "there is no released binary for $(uname -s), only for Linux" ;;
esac
case $(uname -m) in
    x86_64 | amd64) carnet_machine=x86_64 ;;
    aarch64 | arm64) carnet_machine=aarch64 ;;
    *) fail "there is no released binary for $(uname -m), only for x86_64 and aarch64" ;;
esac
[ -n "${CARNET_DOWNLOAD_URL:-}" ] || fail "\`download-url\` is empty: give the folder of the release"
[ -n "${CARNET_BIN_DIR:-}" ] || fail "CARNET_BIN_DIR is not set"

carnet_asset="carnet-$CARNET_VERSION-linux-$carnet_machine"
umask 077
mkdir -p "$CARNET_BIN_DIR"
carnet_new=$(mktemp -d "$CARNET_BIN_DIR/.new.XXXXXX")
trap 'rm -rf "$carnet_new"' EXIT

carnet_expected=$(printf '%s' "${CARNET_SHA256:-}" | tr 'A-F' 'a-f')
if [ -z "$carnet_expected" ]; then
    download "${CARNET_DOWNLOAD_URL%/}/SHA256SUMS" "$carnet_new/SHA256SUMS"
    # Exactly one line, with exactly this name.
    carnet_expected=$(awk -v name="$carnet_asset" '$2 == name || $2 == "*" name { print $1 }' "$carnet_new/SHA256SUMS")
fi
is_checksum "$carnet_expected" || fail "there is no one checksum of $carnet_asset: give \`sha256\`, 64 hexadecimal digits"

download "${CARNET_DOWNLOAD_URL%/}/$carnet_asset" "$carnet_new/carnet"
carnet_seen=$(checksum "$carnet_new/carnet")
[ "$carnet_seen" = "$carnet_expected" ] ||
    fail "the checksum of $carnet_asset is $carnet_seen, wanted is $carnet_expected: it is not installed"
chmod 0755 "$carnet_new/carnet"
mv -f "$carnet_new/carnet" "$CARNET_BIN_DIR/carnet"
printf '%s\n' "$CARNET_BIN_DIR/carnet"
