"""An authority and an agent as processes: memory, start, and what a call through the socket costs.

Every goal is a limit or a ratio to a floor of the same run, and is printed with what was seen. Exit status 1 when one is missed.
What a call costs is counted in processor time of both services, so that the slower client does not matter; latencies are the
client's, beside those of a call that does nothing. The signing limit is OpenSSL's: for RS256 that of every good library; for ES256
others are more than twice as fast, so that row has no goal.

Run it with the project's virtual environment after `cargo build --release` and `cargo xtask setup`:

    .venv/bin/python benches/service.py [CONNECTIONS] [CALLS]
"""
import asyncio
import http.client
import json
import os
import pathlib
import re
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/e2e/python"))
import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from spiffe_generated import HEADER, generate

CARNET = os.environ.get("CARNET_BIN", str(ROOT / "target/release/carnet"))
CONNECTIONS = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
CALLS = int(sys.argv[2]) if len(sys.argv) > 2 else 3000
BARE = {"PATH": os.environ["PATH"], "HOME": tempfile.gettempdir()}
# A program that runs the services, such as a profiler.
UNDER = []
DOMAIN = "bench.test"
messages, services = generate("workload.proto")


class Report:
    failed = False

    def row(self, name, seen, goal, ok):
        self.failed |= not ok
        print(f"{'ok    ' if ok else 'MISSED'}  {name:<52} {seen:<60} goal {goal}", flush=True)

    def note(self, name, seen):
        print(f"seen    {name:<52} {seen}", flush=True)


class Service:
    """A process that says in one line of JSON that it serves, and ends with its standard input."""

    def __init__(self, *words):
        command = [*UNDER, CARNET, "--output", "json", *words, "--stop-with-stdin"]
        self.process = subprocess.Popen(command, env=BARE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{command} did not start")
        self.ready = json.loads(line)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()

    def resident(self):
        """Megabytes."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS:"))

    def spent(self):
        """Seconds of processor time so far."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Unix(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def admin(authority, path, body):
    connection = Unix(authority.ready["admin"])
    connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 201:
        sys.exit(f"POST {path}: {answer.status} {text}")
    return json.loads(text)


def serve(folder, algorithm):
    """An authority that signs with this algorithm, its files in a folder of its own."""
    folder = pathlib.Path(folder) / f"authority-{algorithm}"
    folder.mkdir(mode=0o700)
    config = folder / "authority.toml"
    config.write_text(
        f'version = 1\n[authority]\nissuer = "http://127.0.0.1"\ntrust_domain = "{DOMAIN}"\n'
        f'store = {{ url = "sqlite:{folder}/authority.db" }}\nkeys = {{ seal = {{ key_file = "{folder}/seal.key" }} }}\n'
        f'tokens = {{ default_algorithm = "{algorithm}" }}\n[authority.listen]\npublic = "127.0.0.1:0"\n'
        f'nodes = "127.0.0.1:0"\nadmin = "{folder}/authority.sock"\ndiagnostics = "127.0.0.1:0"\n', encoding="utf-8",
    )
    return Service("authority", "--config", str(config))


def join(authority, folder):
    """An agent of its own process, with an identity for this user."""
    token = admin(authority, "/v1/join-tokens", {"agent_path": "bench"})
    admin(authority, "/v1/entries", {
        "spiffe_id": f"spiffe://{DOMAIN}/bench", "parent_id": token["agent"], "selectors": [f"unix:uid:{os.getuid()}"],
    })
    bundle = http.client.HTTPConnection(authority.ready["public"])
    bundle.request("GET", "/spiffe-bundle")
    folder = pathlib.Path(folder)
    private = {"token": token["token"].encode(), "bundle.json": bundle.getresponse().read()}
    (folder / "state").mkdir(mode=0o700)
    private["agent.toml"] = (
        f'version = 1\n[agent]\ntrust_domain = "{DOMAIN}"\nauthority = "https://{authority.ready["nodes"]}"\n'
        f'attest = {{ join-token = {{ file = "{folder}/token" }} }}\nbootstrap_bundle = "{folder}/bundle.json"\n'
        f'socket = "{folder}/agent.sock"\nstate_directory = "{folder}/state"\n'
    ).encode()
    for name, octets in private.items():
        path = folder / name
        path.touch(mode=0o600)
        path.write_bytes(octets)
    return Service("agent", "--config", str(folder / "agent.toml"))


def cold_start():
    """From nothing to the first X509-SVID, in milliseconds."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        with Service("authority", "--dev", "--with-agent", "--folder", folder + "/a") as authority:
            served = (time.perf_counter() - start) * 1000
            with grpc.insecure_channel(authority.ready["socket"]) as channel:
                next(services.SpiffeWorkloadAPIStub(channel).FetchX509SVID(messages.X509SVIDRequest(), metadata=(HEADER,)))
            return served, (time.perf_counter() - start) * 1000


async def many(target, count):
    """So many connections, each with an open stream that has had its first message."""
    channels, streams = [], []
    for _ in range(count):
        channel = grpc.aio.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)])
        stream = services.SpiffeWorkloadAPIStub(channel).FetchX509SVID(messages.X509SVIDRequest(), metadata=(HEADER,))
        await stream.read()
        channels.append(channel)
        streams.append(stream)
    return channels, streams


async def connected(agent):
    channels, _ = await many(agent.ready["socket"], CONNECTIONS)
    seen = agent.resident()
    for channel in channels:
        await channel.close()
    return seen


def timed(call):
    """Milliseconds of each call, in order of size."""
    for _ in range(100):
        call(0)
    rows = []
    for turn in range(CALLS):
        start = time.perf_counter()
        call(turn)
        rows.append((time.perf_counter() - start) * 1000)
    return sorted(rows)


def p99(rows):
    return rows[int(len(rows) * 0.99)]


def signing(kind):
    """Seconds of processor time of one signature, by OpenSSL."""
    done = subprocess.run(["openssl", "speed", "-seconds", "1", kind], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True)
    row = [line for line in done.stdout.decode().splitlines() if re.match(r"\s*(rsa|256 bits ecdsa)", line)][-1]
    return float(re.findall(r"([\d.]+)s", row)[0]) or 1 / float(row.split()[-2])


async def uncached(agent, count):
    """Calls for tokens that nobody has asked for, 64 at a time."""
    async with grpc.aio.insecure_channel(agent.ready["socket"]) as channel:
        stub = services.SpiffeWorkloadAPIStub(channel)
        turns = iter(range(count))

        async def caller():
            for turn in turns:
                name = f"https://{time.monotonic_ns()}.{turn}.test"
                await stub.FetchJWTSVID(messages.JWTSVIDRequest(audience=[name]), metadata=(HEADER,))

        await asyncio.gather(*(caller() for _ in range(64)))


def measure_latency(report, agent):
    with grpc.insecure_channel(agent.ready["socket"]) as channel:
        stub, health = services.SpiffeWorkloadAPIStub(channel), health_pb2_grpc.HealthStub(channel)
        request = messages.JWTSVIDRequest(audience=["https://audience.test"])
        floor = timed(lambda _: health.Check(health_pb2.HealthCheckRequest()))
        cached = timed(lambda _: stub.FetchJWTSVID(request, metadata=(HEADER,)))
    own = statistics.median(cached) - statistics.median(floor)
    seen = f"p99 {p99(cached):.2f} ms, p50 {own:+.2f} ms to a health check (p99 {p99(floor):.2f} ms)"
    report.row("JWT-SVID, cached", seen, "p99 1 ms", p99(cached) < 1)


def measure_signing(authority, agent, kind):
    """What one uncached token costs, as a share of what its signature alone would, and how that is told."""
    limit = signing(kind)
    asyncio.run(uncached(agent, 100))
    before = authority.spent() + agent.spent()
    start = time.perf_counter()
    asyncio.run(uncached(agent, CALLS))
    wall = time.perf_counter() - start
    each = (authority.spent() + agent.spent() - before) / CALLS
    seen = f"{each * 1e6:.0f} µs against {limit * 1e6:.0f} µs: {limit / each:.0%} ({CALLS / wall:.0f} a second seen)"
    return limit / each, seen


def main():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4 * CONNECTIONS + 200)), hard))
    report = Report()
    starts = [cold_start() for _ in range(7)]
    served, first = (statistics.median(column) for column in zip(*starts))
    report.row("cold start to the first SVID", f"{first:.0f} ms (serves after {served:.0f} ms)", "200 ms", first < 200)
    with tempfile.TemporaryDirectory() as folder, serve(folder, "ES256") as authority:
        report.row("authority, idle", f"{authority.resident():.1f} MB", "30 MB", authority.resident() < 30)
        with join(authority, folder) as agent:
            report.row("agent, idle", f"{agent.resident():.1f} MB", "12 MB", agent.resident() < 12)
            measure_latency(report, agent)
            report.note("JWT-SVID, uncached, ES256, processor time", measure_signing(authority, agent, "ecdsap256")[1])
    with tempfile.TemporaryDirectory() as folder, serve(folder, "RS256") as authority, join(authority, folder) as agent:
        ratio, seen = measure_signing(authority, agent, "rsa2048")
        report.row("JWT-SVID, uncached, RS256, processor time", seen, "50 % of the signing limit", ratio >= 0.5)
    # Another agent: memory that the calls above took stays with a process.
    with tempfile.TemporaryDirectory() as folder, serve(folder, "ES256") as authority, join(authority, folder) as agent:
        full = asyncio.run(connected(agent))
        report.row(f"agent, {CONNECTIONS} connections with streams", f"{full:.1f} MB", "50 MB", full < 50)
    sys.exit(report.failed)


if __name__ == "__main__":
    main()
