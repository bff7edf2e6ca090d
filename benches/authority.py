"""The token endpoint of whole authorities over HTTP: what a core does, how long callers wait, what a second node adds.

Every figure stands beside the limit that it is measured against in the same run. Exit status 1 when a goal is missed. The last
line is all figures as JSON.

    .venv/bin/python benches/authority.py [SECONDS-PER-FIGURE] [PART]...

needs `cargo build --release`, `cargo xtask setup` and openssl. Parts: exchange, nodes (which needs PostgreSQL). Work is charged
in processor time of the whole server process, so that neighbours on the machine do less harm; wall times are the machine's as it is, and this
script's own time is in every latency.
"""
import base64
import contextlib
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from load import Caller, closed, open_loop, percentile, processor_time

ROOT = pathlib.Path(__file__).resolve().parent.parent
CARNET = os.environ.get("CARNET_BIN", str(ROOT / "target/release/carnet"))
SECONDS = float(sys.argv[1]) if len(sys.argv) > 1 else 4.0
# The second pair: whether this is a cloud's machine is not asked of the network.
ENV = {"PATH": os.environ["PATH"], "HOME": tempfile.gettempdir(), "CARNET_LOG": "error",
       "OCI_METADATA_BASE_URL": "http://127.0.0.1:9/opc/v2", "NO_GCE_CHECK": "true", "AWS_EC2_METADATA_DISABLED": "true"}
CALLERS, LOOKS = 64, 3
ISSUER = "https://token.actions.githubusercontent.com"
TO_ES256, TO_RS256 = "https://audience.example", "sts.amazonaws.com"


class Report:
    def __init__(self):
        self.failed, self.figures = False, {}

    def row(self, name, seen, goal="", ok=True, **figures):
        self.failed |= not ok
        self.figures[name] = figures
        print(f"{'ok    ' if ok else 'MISSED'}  {name:<44} {seen:<64} {goal and 'goal ' + goal}", flush=True)


class Server:
    """A carnet that says on its first line where it is, and ends when its standard input does."""

    def __init__(self, folder, *words):
        command = [CARNET, "--output", "json", *words, "--stop-with-stdin"]
        self.process = subprocess.Popen(command, env=ENV, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder)
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{words} ended with {self.process.wait()}")
        self.ready = json.loads(line)
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()

    def public(self):
        host, port = self.ready["public"].rsplit(":", 1)
        return host, int(port)


def limits():
    """Operations of OpenSSL a second of processor time on one core, now: neighbours slow them down as they do everything.

    On a quiet machine aws-lc signs and verifies RSA at the same rate, and signs with P-256 some 15 % faster.
    """
    words = ["openssl", "speed", "-seconds", "1", "rsa2048", "ecdsap256"]
    text = subprocess.run(words, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode()
    rsa2048 = re.search(r"rsa 2048 bits +\S+ +\S+ +(\S+) +(\S+)", text)
    p256 = re.search(r"ecdsa \(nistp256\) +\S+ +\S+ +(\S+) +\S+", text)
    sign, verify, ecdsa = float(rsa2048[1]), float(rsa2048[2]), float(p256[1])
    return {"RS256": sign, "ES256": ecdsa, "verify and ES256": 1 / (1 / verify + 1 / ecdsa)}


def charged(pid, work):
    """What work gives, and the processor seconds of the server meanwhile."""
    before = processor_time(pid)
    result = work()
    return result, processor_time(pid) - before


def dev(folder, *words):
    return Server(folder, "authority", "--dev", *words)


def rated(server, callers, request, bound):
    """One look at a rate: what is done, its price, and its share of the limit."""
    (rate, latencies), spent = charged(server.pid, lambda: closed(callers, request, SECONDS))
    each = spent / len(latencies) * 1e6
    return {"rate": rate, "microseconds": each, "share": 1e6 / each / bound, "limit": bound, "p99": percentile(latencies, 0.99)}


def rated_row(report, name, looks, goal):
    """The look in the middle, by its share."""
    look = sorted(looks, key=lambda look: look["share"])[len(looks) // 2]
    text = f"{look['rate']:.0f} a second, {look['microseconds']:.0f} µs: {look['share']:.0%} of {look['limit']:.0f} a second and core"
    report.row(name, text, f"{goal:.0%}", look["share"] >= goal, **look)
    return look


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def trust(folder):
    """A key of an issuer, a rule that believes it, and a token as GitHub writes them."""
    key = rsa.generate_private_key(65537, 2048)
    modulus = key.public_key().public_numbers().n
    rules = pathlib.Path(folder, "rules.toml")
    rules.write_text(
        f'[[issuer]]\nissuer = "{ISSUER}"\n[[issuer.jwks.keys]]\nkty = "RSA"\nkid = "bench"\nalg = "RS256"\nuse = "sig"\n'
        f'e = "AQAB"\nn = "{encoded(modulus.to_bytes(256, "big"))}"\n'
        f'[[rule]]\nname = "deploy"\nissuer = "{ISSUER}"\nsubject = "repo:carnet-sandbox/app:ref:refs/heads/main"\n'
        'claims = { repository_owner_id = "4242" }\nidentity = "/ci/{repository_id}"\nissue = ["jwt-svid"]\n'
        "condition = \"claims.ref == 'refs/heads/main' && claims.runner_environment == 'github-hosted'\"\n"
        f'audiences = ["{TO_ES256}", "{TO_RS256}"]\n', encoding="utf-8")

    def token(audience):
        now, repository = int(time.time()), "carnet-sandbox/app"
        workflow = f"{repository}/.github/workflows/deploy.yml@refs/heads/main"
        claims = {
            "iss": ISSUER, "aud": audience, "sub": f"repo:{repository}:ref:refs/heads/main", "iat": now, "nbf": now - 10,
            "exp": now + 600, "jti": "6d9b0c0e-0f4e-4f0e-9c38-3d7a1a4d0a52", "ref": "refs/heads/main", "repository": repository,
            "sha": "da39a3ee5e6b4b0d3255bfef95601890afd80709", "repository_owner": "carnet-sandbox", "repository_owner_id": "4242",
            "repository_id": "123456", "repository_visibility": "private", "run_id": "987654321", "run_number": "42",
            "run_attempt": "1", "actor": "somebody", "actor_id": "7", "workflow": "deploy", "event_name": "push",
            "ref_type": "branch", "ref_protected": "true", "head_ref": "", "base_ref": "", "environment": "production",
            "workflow_ref": workflow, "job_workflow_ref": workflow, "runner_environment": "github-hosted",
        }
        head = encoded(json.dumps({"alg": "RS256", "kid": "bench", "typ": "JWT"}).encode())
        signed = head + "." + encoded(json.dumps(claims).encode())
        return signed + "." + encoded(key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))

    return rules, token


def exchange_request(token, audience):
    form = urllib.parse.urlencode({
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "audience": audience, "subject_token": token,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "requested_token_type": "urn:ietf:params:oauth:token-type:jwt"})
    head = "POST /oauth2/token HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-www-form-urlencoded\r\n"
    return f"{head}content-length: {len(form)}\r\n\r\n{form}".encode()


def exchange(report, folder):
    rules, token = trust(folder)
    with dev(folder, "--folder", os.path.join(folder, "exchange"), "--rules", str(rules)) as server:
        callers = [Caller(server.public()) for _ in range(CALLERS)]
        cases = {"ES256": (TO_ES256, "verify and ES256", 0.4, []), "RS256": (TO_RS256, "RS256", 0.7, [])}
        requests = {name: exchange_request(token(server.ready["issuer"]), case[0]) for name, case in cases.items()}
        for _ in range(LOOKS):
            limit = limits()
            for name, (_, bound, _, looks) in cases.items():
                closed(callers, lambda: requests[name], SECONDS / 4)
                looks.append(rated(server, callers, lambda: requests[name], limit[bound]))
        for name, (_, _, goal, looks) in cases.items():
            rate = rated_row(report, f"exchange RS256 to {name}, durable", looks, goal)["rate"] / 2
            waits = [open_loop(callers, lambda: requests[name], rate, SECONDS) for _ in range(LOOKS)]
            latencies = min(waits, key=lambda one: percentile(one, 0.99))
            p50, p99 = statistics.median(latencies), percentile(latencies, 0.99)
            text = f"p50 {p50:.1f} ms, p99 {p99:.1f} ms at {rate:.0f} a second, the best of {LOOKS} looks"
            report.row(f"exchange to {name}, half load", text, "p99 10 ms", p99 < 10, p50=p50, p99=p99)


@contextlib.contextmanager
def postgres(folder):
    """A cluster of its own, durable, at a socket in the folder. PostgreSQL does not run as root."""
    programs = os.environ.get("CARNET_TEST_POSTGRES") or str(sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))[-1])
    data, user = os.path.join(folder, "data"), "postgres" if os.getuid() == 0 else None
    if user:
        shutil.chown(folder, user)
    quiet = {"env": ENV | {"LC_ALL": "C"}, "user": user, "cwd": folder, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run([programs + "/initdb", "-A", "trust", "-U", "carnet", "-E", "UTF8", "-D", data], check=True, **quiet)
    settings = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={folder}"]
    server = subprocess.Popen([programs + "/postgres", "-D", data, *settings], **quiet)
    try:
        while subprocess.call([programs + "/pg_isready", "-q", "-h", folder], **quiet) != 0:
            time.sleep(0.1)
        yield f"postgres://carnet@/postgres?host={folder}"
    finally:
        server.terminate()
        server.wait()


def nodes(report, folder):
    """Each node has one core to itself, as if it were one machine; PostgreSQL and the callers take of both."""
    cores = sorted(os.sched_getaffinity(0))[:2]
    rules, token = trust(folder)
    with tempfile.TemporaryDirectory() as cluster, postgres(cluster) as url, contextlib.ExitStack() as running:
        servers = []
        for index, core in enumerate(cores):
            config = pathlib.Path(folder, f"node{index}.toml")
            config.write_text(
                f'version = 1\n[authority]\nissuer = "https://authority.example"\ntrust_domain = "bench.test"\nrules = ["{rules}"]\n'
                f'[authority.store]\nurl = "{url}"\n[authority.keys]\nseal = {{ key_file = "{folder}/seal.key" }}\n'
                f'[authority.listen]\npublic = "127.0.0.1:0"\nbehind_proxy = true\nadmin = "{folder}/node{index}.sock"\n', encoding="utf-8")
            server = running.enter_context(Server(folder, "--config", str(config), "authority"))
            for task in os.listdir(f"/proc/{server.pid}/task"):
                os.sched_setaffinity(int(task), {core})
            servers.append(server)
        request = exchange_request(token("https://authority.example"), TO_RS256)
        several = [[Caller(server.public()) for _ in range(CALLERS // 2)] for server in servers]
        rates = {"one": [], "two": []}
        for _ in range(LOOKS):
            for name, callers in [("one", several[0]), ("two", several[0] + several[1])]:
                closed(callers, lambda: request, SECONDS / 4)
                rates[name].append(closed(callers, lambda: request, SECONDS)[0])
        one, two = (statistics.median(rates[name]) for name in ("one", "two"))
        text = f"{two:.0f} a second against {one:.0f} of one: {two / one:.2f} times"
        report.row("two nodes on one PostgreSQL, RS256", text, "more than one", two > one, one=one, two=two)


PARTS = {"exchange": exchange, "nodes": nodes}


def main():
    report = Report()
    folder = tempfile.mkdtemp()
    try:
        for part in sys.argv[2:] or PARTS:
            place = os.path.join(folder, part)
            os.mkdir(place, 0o700)
            PARTS[part](report, place)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps(report.figures))
    sys.exit(report.failed)


if __name__ == "__main__":
    main()
