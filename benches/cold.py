"""Whole processes against the sandbox, in one run: carnet, the vendors' Python libraries doing the same exchange, and floors.

Each pair is run in turn, so that both see the same machine. Figures are medians; every goal is a ratio or a limit and is
printed with what was seen. Exit status 1 when one is missed.

Run it with the project's virtual environment after `cargo build --release` and `cargo xtask setup`:

    .venv/bin/python benches/cold.py [ROUNDS]

Peak memory is read by GNU time (Debian package `time`): a child of Python itself would be charged with Python's own size.
"""
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time
import typing

ROOT = pathlib.Path(__file__).resolve().parent.parent
CARNET = os.environ.get("CARNET_BIN", str(ROOT / "target/release/carnet"))
ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 15
BARE = {"PATH": os.environ["PATH"], "HOME": tempfile.gettempdir()}

GOOGLE = """
import sys
from google.auth import identity_pool
from google.auth.transport.requests import Request
audience, path, sts = sys.argv[1:]
credentials = identity_pool.Credentials(audience=audience, subject_token_type="urn:ietf:params:oauth:token-type:jwt",
    token_url=sts, credential_source={"file": path}, universe_domain="carnet.test",
    scopes=["https://www.googleapis.com/auth/cloud-platform"])
credentials.refresh(Request())
print(len(credentials.token))
"""
ORACLE = """
import sys
import oci
path, domain, client, secret = sys.argv[1:]
signer = oci.auth.signers.TokenExchangeSigner(open(path).read(), domain, client, open(secret).read(), region="us-ashburn-1")
print(len(signer.get_security_token() if hasattr(signer, "get_security_token") else signer.token))
"""
AZURE = """
import sys
from azure.identity import WorkloadIdentityCredential
path, tenant, client, authority = sys.argv[1:]
credential = WorkloadIdentityCredential(tenant_id=tenant, client_id=client, token_file_path=path, authority=authority,
    disable_instance_discovery=True)
print(len(credential.get_token("https://storage.azure.com/.default").token))
"""
AWS = """
import sys
import boto3
from botocore import UNSIGNED
from botocore.config import Config
path, role, region, url = sys.argv[1:]
sts = boto3.client("sts", region_name=region, endpoint_url=url, config=Config(signature_version=UNSIGNED))
answer = sts.assume_role_with_web_identity(RoleArn=role, RoleSessionName="bench", WebIdentityToken=open(path).read())
print(len(answer["Credentials"]["SessionToken"]))
"""
VAULT = """
import sys
import hvac
path, url, role = sys.argv[1:]
client = hvac.Client(url=url)
client.auth.jwt.jwt_login(role=role, jwt=open(path).read())
print(len(client.secrets.kv.v2.read_secret_version(path="app/db", raise_on_deleted_version=True)["data"]["data"]))
"""


class Case(typing.NamedTuple):
    """A command, the vendor's library doing the same, and how many times faster it is to be."""

    name: str
    ours: list
    theirs: list
    goal: int
    env: dict = BARE


def run(command, env=BARE):
    """Wall time in milliseconds of one process, start to end. Its output goes to files: a pipe would time this script too."""
    with tempfile.TemporaryFile() as errors:
        start = time.perf_counter()
        status = subprocess.call(command, env=env, stdout=subprocess.DEVNULL, stderr=errors)
        wall = (time.perf_counter() - start) * 1000
        if status != 0:
            errors.seek(0)
            sys.exit(f"{command[:3]} ended with {status}:\n{errors.read().decode()}")
    return wall


def peak(command, env=BARE):
    """Peak memory in megabytes of one process."""
    done = subprocess.run(["/usr/bin/time", "-f", "%M", *command], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True)
    return int(done.stderr.split()[-1]) / 1024


def pair(ours, theirs, env=BARE):
    """Medians of both in milliseconds, and the median of the ratios pair by pair."""
    for command in (ours, theirs):
        run(command, env)
    rows = [(run(ours, env), run(theirs, env)) for _ in range(ROUNDS)]
    mine = statistics.median(row[0] for row in rows)
    other = statistics.median(row[1] for row in rows)
    return mine, other, statistics.median(row[1] / row[0] for row in rows)


class Report:
    failed = False

    def row(self, name, seen, goal, ok):
        self.failed |= not ok
        print(f"{'ok    ' if ok else 'MISSED'}  {name:<52} {seen:<46} goal {goal}")


def main():
    report = Report()
    folder = tempfile.mkdtemp()
    start = time.perf_counter()
    emulators, ready = sandbox(folder)
    ready_after = (time.perf_counter() - start) * 1000
    try:
        resident = memory(emulators.pid)
        measure(report, folder, ready)
        report.row("sandbox ready", f"{ready_after:.0f} ms", "200 ms", ready_after < 200)
        started(report)
        report.row("sandbox resident when ready", f"{resident:.1f} MB", "40 MB", resident < 40)
        size = os.path.getsize(CARNET) / 1e6
        report.row("release binary", f"{size:.1f} MB", "25 MB", size < 25)
    finally:
        emulators.terminate()
        emulators.wait()
    sys.exit(report.failed)


def sandbox(folder):
    """The emulators, and what they say when they are ready."""
    process = subprocess.Popen(
        [CARNET, "--output", "json", "sandbox", "--folder", folder], env=BARE, stdout=subprocess.PIPE, stdin=subprocess.PIPE
    )
    return process, json.loads(process.stdout.readline())


def started(report):
    """What follows on the first line that the sandbox says: both wait for the RSA keys that are in its files."""
    for name, once in [("first `sandbox env`", first_environment), ("child of `sandbox run` starts", child_starts)]:
        seen = [once() for _ in range(ROUNDS)]
        middle = statistics.median(seen)
        report.row(name, f"{middle:.0f} ms, worst {max(seen):.0f} ms", "200 ms", middle < 200)


def first_environment():
    """Milliseconds of `sandbox env` in a sandbox that has just said that it is ready."""
    with tempfile.TemporaryDirectory() as parent:
        folder = os.path.join(parent, "sandbox")
        emulators, _ = sandbox(folder)
        try:
            return run([CARNET, "sandbox", "env", "--at", folder])
        finally:
            emulators.terminate()
            emulators.wait()


def child_starts():
    """Milliseconds from the call of `sandbox run` until its command runs, by that command's own clock."""
    start = time.time_ns()
    command = [CARNET, "sandbox", "run", "--", "date", "+%s%N"]
    return (int(subprocess.run(command, env=BARE, check=True, stdout=subprocess.PIPE).stdout) - start) / 1e6


def memory(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS:"))


def mint(folder, name, audience):
    """A file with a token of the emulated GitHub."""
    words = [CARNET, "--output", "json", "sandbox", "token", "github", "--at", folder, "--audience", audience]
    minted = subprocess.run(words, env=BARE, check=True, stdout=subprocess.PIPE)
    path = os.path.join(folder, name)
    pathlib.Path(path).write_text(json.loads(minted.stdout)["token"], encoding="utf-8")
    return path


def bundle(folder):
    """The certificates by which the emulators are known, beside those of the system."""
    said = subprocess.run([CARNET, "sandbox", "env", "--at", folder], env=BARE, check=True, stdout=subprocess.PIPE, text=True).stdout
    return re.search(r"SSL_CERT_FILE='?([^'\n]+)", said)[1]


def cases(folder, ready, kind):
    """What is measured, by the addresses of this kind, `plain` or `tls`."""
    url = {name: value[kind].rstrip("/") for name, value in ready["urls"].items()}
    seed = ready["seed"]
    for_google = mint(folder, "google.jwt", "https:" + seed["gcp_github_audience"])
    for_oracle = mint(folder, "oracle.jwt", seed["oci_domain"])
    secret, key = os.path.join(folder, "bench.secret"), os.path.join(folder, "bench.key")
    pathlib.Path(secret).write_text(seed["oci_client_secret"], encoding="utf-8")
    subprocess.run(["openssl", "genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", key], check=True)
    os.chmod(key, 0o600)
    python = sys.executable
    sts = url["gcp-sts"] + "/v1/token"
    google = [CARNET, "get", "--from", "file", f"path={for_google}", "--to", "gcp", f"audience={seed['gcp_github_audience']}",
              f"token_url={sts}", "--format", "token"]
    oracle = [CARNET, "get", "--from", "file", f"path={for_oracle}", "--to", "oci-upst", f"url={url['oci-domain']}",
              f"client_id={seed['oci_client_id']}", f"client_secret_file={secret}"]
    theirs_google = [python, "-c", GOOGLE, seed["gcp_github_audience"], for_google, sts]
    theirs_oracle = [python, "-c", ORACLE, for_oracle, url["oci-domain"], seed["oci_client_id"], secret]
    return [
        Case("Google STS exchange", google, theirs_google, 40),
        Case("OCI UPST exchange, key given", oracle + [f"session_key.file={key}"], theirs_oracle, 40),
        Case("OCI UPST exchange, key generated", oracle, theirs_oracle, 4),
        entra(folder, ready),
        aws(folder, seed, url["aws-sts"]),
        vault(folder, seed, url["vault"]),
    ]


def entra(folder, ready):
    """Over TLS in both kinds: Microsoft's library takes no other authority."""
    seed, authority = ready["seed"], ready["urls"]["azure-entra"]["tls"].rstrip("/")
    token, roots = mint(folder, "entra.jwt", "api://AzureADTokenExchange"), bundle(folder)
    tenant, client = seed["azure_tenant"], seed["azure_application"]
    ours = [CARNET, "get", "--from", "file", f"path={token}", "--to", "entra", f"tenant={tenant}", f"client_id={client}",
            "scope=https://storage.azure.com/.default", f"authority={authority}", "--format", "token"]
    theirs = [sys.executable, "-c", AZURE, token, tenant, client, authority]
    return Case("Entra exchange, over TLS", ours, theirs, 40, {**BARE, "SSL_CERT_FILE": roots, "REQUESTS_CA_BUNDLE": roots})


def aws(folder, seed, url):
    token, role, region = mint(folder, "aws.jwt", "sts.amazonaws.com"), seed["aws_role"], seed["aws_region"]
    ours = [CARNET, "get", "--from", "file", f"path={token}", "--to", "aws", f"role_arn={role}", f"region={region}",
            f"endpoint_url={url}", "--format", "aws-process"]
    return Case("AWS web identity", ours, [sys.executable, "-c", AWS, token, role, region, url], 40)


def vault(folder, seed, url):
    """The login, and a secret read with its token. Into variables: hvac keeps no file either."""
    token, role = mint(folder, "vault.jwt", seed["vault_audience"]), seed["vault_role"]
    # A text in JSON is one in TOML.
    quoted = {name: json.dumps(value) for name, value in {
        "token": token, "url": url, "role": role, "audience": seed["vault_audience"],
    }.items()}
    config = os.path.join(folder, "vault.toml")
    pathlib.Path(config).write_text(
        "version = 1\n[route.db]\nsource = {{ file = {{ path = {token} }} }}\n"
        "through = [{{ vault = {{ address = {url}, role = {role}, audience = {audience} }} }}]\n"
        "[[route.db.deliver]]\n[route.db.deliver.vault-secrets]\n"
        "secrets = [{{ mount = \"secret\", path = \"app/db\", variables = {{ PASSWORD = \"password\" }} }}]\n".format(**quoted),
        encoding="utf-8",
    )
    ours = [CARNET, "get", "--quiet", "--config", config, "db"]
    return Case("Vault login and read", ours, [sys.executable, "-c", VAULT, token, url, role], 40)


def measure(report, folder, ready):
    for case in cases(folder, ready, "plain"):
        mine, other, ratio = pair(case.ours, case.theirs, case.env)
        report.row(case.name, f"{mine:.2f} ms against {other:.0f} ms: {ratio:.0f} times", f"{case.goal} times", ratio >= case.goal)
        most = max(peak(case.ours, case.env) for _ in range(3))
        report.row(case.name + ", peak memory", f"{most:.1f} MB", "12 MB", most <= 12)
    secure = {**BARE, "SSL_CERT_FILE": bundle(folder)}
    for case in cases(folder, ready, "tls"):
        # One that knows no other way was measured over TLS already.
        if case.env is BARE:
            most = max(peak(case.ours, secure) for _ in range(3))
            report.row(case.name + " over TLS, peak memory", f"{most:.1f} MB", "12 MB", most <= 12)
    version, floor, _ = pair([CARNET, "version"], ["/bin/true"])
    report.row("carnet version", f"{version:.2f} ms (an empty process {floor:.2f} ms)", "5 ms", version < 5)
    find = [run(["openssl", "genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]) for _ in range(ROUNDS)]
    print(f"floor   one RSA-2048 key by OpenSSL, whole process: median {statistics.median(find):.0f} ms, worst {max(find):.0f} ms")


if __name__ == "__main__":
    main()
