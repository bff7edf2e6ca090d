"""The pods of `packaging/helm/values/single.yaml` and of discovery run here as processes, over folders with a cluster's modes."""

import json
import pathlib
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request

import helm
import pod



def get(url, host=None):
    request = urllib.request.Request(url, headers={"Host": host} if host else {})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def probe(container, diagnostics):
    """What the kubelet asks, again and again: what is watched has a look soon after the start."""
    asked = [container[name]["httpGet"]["path"] for name in ("startupProbe", "livenessProbe", "readinessProbe")]
    for _ in range(5000):
        answers = [get(diagnostics + path)[0] for path in asked]
        if answers == [200, 200, 200]:
            break
    return answers


def authority(folder):
    documents = helm.rendered([helm.examples()["single"]])
    return pod.Pod(documents, "StatefulSet", "carnet-authority", folder)


def info(one):
    """`kubectl exec … -- carnet authority …`: the same user, the environment of the container."""
    def ask(*arguments):
        done = subprocess.run(
            [pod.CARNET, "--output", "json", "authority", *arguments], env=one.environment("authority"), capture_output=True, text=True, check=False, timeout=30,
        )
        return json.loads(done.stdout) if done.returncode == 0 else done.stderr
    return ask


def first_start(folder, problems):
    one = authority(folder)
    with one.start("authority") as running:
        says = running.says()
        if probe(one.container("authority"), says["diagnostics"]) != [200, 200, 200]:
            problems.append(f"probes: {get(says['diagnostics'] + '/readyz')}")
        status, text = get(f"http://{says['public']}/.well-known/openid-configuration")
        if status != 200 or json.loads(text)["issuer"] != "https://oidc.example.org":
            problems.append(f"discovery: {status} {text}")
        listed = json.dumps(info(one)("entry", "list"))
        for wanted in ("/nodes/production", "/ns/{k8s:ns}/sa/{k8s:sa}"):
            if wanted not in listed:
                problems.append(f"no entry {wanted}: {listed}")
        keys = get(f"http://{says['public']}/keys")[1]
        bundle = get(f"http://{says['public']}/spiffe-bundle")[1]
        code = running.stop()
    if code:
        problems.append(f"it ended with {code}")
    return keys, bundle


def renew(folder):
    """All but the volume is new with each pod."""
    for path in folder.iterdir():
        if path.name != "data":
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def again(folder):
    """A new pod over the same volume, as after an update."""
    renew(folder)
    with authority(folder).start("authority") as running:
        keys = get(f"http://{running.says()['public']}/keys")[1]
        running.stop()
    return keys


def group_may_write(folder, problems):
    """What `fsGroupChangePolicy: Always` would do at each start: then the store is one that others may change, and is refused."""
    renew(folder)
    for path in (folder / "data").rglob("*"):
        path.chmod(path.stat().st_mode | (0o2770 if path.is_dir() else 0o660))
    one = authority(folder)
    with one.start("authority") as running:
        line = running.process.stdout.readline()
        log = running.log.read_text(encoding="utf-8") if not line else ""
    if "other users may" not in log:
        problems.append(f"it starts over a volume that its group may write: {line}{log}")
    if one.template["spec"]["securityContext"]["fsGroupChangePolicy"] != "OnRootMismatch":
        problems.append("the chart lets each start change the modes of the volume")


def discovery(folder, bundle, problems):
    documents = helm.rendered([helm.examples()["single"]], ["discovery.enabled=true", 'discovery.source.configMap.name="carnet-bundle"'])
    one = pod.Pod(documents, "Deployment", "carnet-discovery", folder, {"ConfigMap/carnet-bundle": {"bundle.json": bundle}})
    with one.start("discovery") as running:
        says = running.says()
        diagnostics = says["diagnostics"] if says["diagnostics"].startswith("http") else f"http://{says['diagnostics']}"
        if probe(one.container("discovery"), diagnostics) != [200, 200, 200]:
            problems.append(f"probes of discovery: {get(diagnostics + '/readyz')}")
        address = says["address"] if says["address"].startswith("http") else f"http://{says['address']}"
        keys = get(f"{address}/keys", "oidc.example.org")
        if keys[0] != 200 or {one["kid"] for one in json.loads(keys[1])["keys"]} == set():
            problems.append(f"keys of discovery: {keys}")
        if running.stop():
            problems.append("discovery did not end well")
    return keys[1]


def kids(text):
    return sorted(one["kid"] for one in json.loads(text)["keys"])


def check():
    problems = []
    with tempfile.TemporaryDirectory() as place:
        folder = pathlib.Path(place, "authority")
        keys, bundle = first_start(folder, problems)
        if kids(again(folder)) != kids(keys):
            problems.append("after a new start the keys are others")
        if kids(discovery(pathlib.Path(place, "discovery"), bundle, problems)) != kids(keys):
            problems.append("discovery has other keys than the authority")
        names = sorted(path.name for path in (folder / "data/data").iterdir())
        group_may_write(folder, problems)
    return {"keys": len(kids(keys)), "volume": names, "problems": problems}
