"""Two pods of `packaging/helm/values/postgres.yaml` run here as processes over one PostgreSQL, whose address is in CARNET_TEST_STORE."""

import os
import pathlib
import tempfile

import certificates
import helm
import live_single
import pod

PASSPHRASE = "correct-horse-battery-staple"
PASSWORD = "only-for-this-test"


def outside(store, first, own, tls):
    config = f"{own}/config/"
    names = ("nodes", "entries-operations", "rules-ci")
    return {
        "Secret/carnet-store": {"password": PASSWORD}, "Secret/carnet-seal": {"passphrase": PASSPHRASE}, "Secret/oidc-example-org": tls,
        "ConfigMap/database-ca": {"ca.crt": tls["tls.crt"]},
        # Both pods have their files at one path.
        "replace": {"postgres://carnet@database.example.org/carnet": store} | {f"{config}{name}.toml": f"{first}/config/{name}.toml" for name in names},
    }


def check():
    problems, modes = [], set()
    documents = helm.rendered([helm.examples()["postgres"]])
    tls = certificates.of("oidc.example.org")
    with tempfile.TemporaryDirectory() as place:
        folders = [pathlib.Path(place, name) for name in ("1", "2")]
        pods = [pod.Pod(documents, "Deployment", "carnet-authority", one, outside(os.environ["CARNET_TEST_STORE"], folders[0], one, tls)) for one in folders]
        keys = []
        for one in pods:
            one.initialise()
            secrets = one.places["/run/carnet-secrets"]
            modes |= {oct(path.stat().st_mode & 0o777) for path in secrets.iterdir() if not path.name.startswith(".")}
            if (secrets / "store-password").read_text(encoding="utf-8") != PASSWORD:
                problems.append("the password has changed on its way")
        with pods[0].start("authority") as first, pods[1].start("authority") as second:
            for one, running in zip(pods, (first, second)):
                says = running.says()
                if live_single.probe(one.container("authority"), says["diagnostics"]) != [200, 200, 200]:
                    problems.append(live_single.get(says["diagnostics"] + "/readyz"))
                keys.append(sorted(line for line in str(live_single.info(one)("key", "list")).split("'") if len(line) == 32))
                for listener in ("nodes", "bundle", "public"):
                    if not says[listener]:
                        problems.append(f"{listener} does not listen")
            codes = [first.stop(), second.stop()]
    if keys[0] != keys[1] or not keys[0]:
        problems.append(f"the pods have different keys: {keys}")
    return {"modes": sorted(modes), "keys": len(keys[0]), "ended": codes, "problems": problems}
