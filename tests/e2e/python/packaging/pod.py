"""Runs a rendered pod's containers as processes: volumes are folders with the modes that the kubelet gives them, paths of the container
lead there, and every listener is on loopback at a port that the system chooses."""

import json
import os
import pathlib
import re
import subprocess

import commands
import objects

CARNET = commands.CARNET
ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


def atomic(folder, files, mode):
    """A volume as the kubelet's atomic writer leaves it: a folder for everybody, and links over `..data` to the files."""
    folder.mkdir()
    hidden = folder / "..2026_01_01_00_00_00.0"
    hidden.mkdir()
    for name, text in files.items():
        path = hidden / name
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)
        (folder / name).symlink_to(f"..data/{name}")
    (folder / "..data").symlink_to(hidden.name)
    # emptyDir, which such a volume is made of (Kubernetes, pkg/volume/emptydir).
    folder.chmod(0o777)


class Pod:
    """A pod of one of the documents."""

    def __init__(self, documents, kind, name, folder, outside=()):
        self.documents, self.folder, self.outside = documents, pathlib.Path(folder), dict(outside)
        self.template = objects.named(documents, kind, name)["spec"]["template"]
        self.claims = objects.named(documents, kind, name)["spec"].get("volumeClaimTemplates", [])
        self.places = {ACCOUNT: self.folder / "account"}
        self.folder.mkdir(exist_ok=True)
        by_name = {}
        for container in objects.containers(self.template):
            for mount in container.get("volumeMounts", []):
                by_name[mount["name"]] = mount["mountPath"]
                self.places[mount["mountPath"]] = self.folder / mount["name"]
        for volume in self.template["spec"]["volumes"]:
            if volume["name"] in by_name:
                self.make(volume)
        for claim in self.claims:
            path = self.folder / claim["metadata"]["name"]
            if not path.exists():
                path.mkdir()
                # The group of the pod may write in it (fsGroup).
                path.chmod(0o2775)

    def make(self, volume):
        path = self.folder / volume["name"]
        if "configMap" in volume:
            files = self.data("ConfigMap", volume["configMap"])
            atomic(path, {name: self.at_home(text) for name, text in files.items()}, 0o644)
        elif "secret" in volume:
            # A group that may read them, because fsGroup is set (Kubernetes, pkg/volume/volume_linux.go).
            atomic(path, self.data("Secret", {"name": volume["secret"]["secretName"]} | volume["secret"]), 0o440)
        elif "csi" in volume:
            path.symlink_to(self.outside["workload-api"])
        else:
            path.mkdir()
            path.chmod(0o777)

    def data(self, kind, wanted):
        name = f"{kind}/{wanted['name']}"
        data = self.outside[name] if name in self.outside else objects.named(self.documents, kind, wanted["name"])["data"]
        if "items" not in wanted:
            return data
        return {item["path"]: data[item["key"]] for item in wanted["items"]}

    def at_home(self, text):
        """Paths of the container as paths here, the longest first; listeners on loopback."""
        for inside in sorted(self.places, key=len, reverse=True):
            text = re.sub(rf"{re.escape(inside)}(?![\w-])", str(self.places[inside]), text)
        text = re.sub(r'"0\.0\.0\.0:\d+"', '"127.0.0.1:0"', text)
        for old, new in self.outside.get("replace", {}).items():
            text = text.replace(old, new)
        return text

    def container(self, name):
        return next(one for one in objects.containers(self.template) if one["name"] == name)

    def command(self, name, *before):
        container = self.container(name)
        arguments = [self.at_home(one) for one in commands.arguments(container)]
        return [CARNET, *before, *arguments], self.environment(name)

    def environment(self, name):
        clean = {name: os.environ[name] for name in ("PATH", "HOME")}
        clean |= {"OCI_METADATA_BASE_URL": "http://127.0.0.1:9/opc/v2", "NO_GCE_CHECK": "true"}
        return clean | {key: self.at_home(value) for key, value in commands.environment(self.container(name)).items()}

    def initialise(self):
        """Runs the init containers that end, one after the other."""
        for container in self.template["spec"].get("initContainers", []):
            if container.get("restartPolicy") == "Always":
                continue
            arguments, environment = self.command(container["name"])
            done = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False, timeout=60)
            if done.returncode:
                raise SystemExit(f"the init container {container['name']} ended with {done.returncode}: {done.stderr}")

    def start(self, name):
        return Running(self, name)


class Running:
    """A container that runs. It is ended with this."""

    def __init__(self, pod, name):
        arguments, environment = pod.command(name, "--output", "json")
        self.log = pod.folder / f"{name}.log"
        with self.log.open("w", encoding="utf-8") as log:
            self.process = subprocess.Popen(arguments, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def says(self):
        """The line by which it says that it serves, and where."""
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"it ended with {self.process.wait()}: {self.log.read_text(encoding='utf-8')}")
        return json.loads(line)

    def stop(self):
        """As the node ends it: SIGTERM. Its exit code."""
        self.process.terminate()
        return self.process.wait(timeout=30)
