"""Is the container file what it says: pinned, without a root user or a shell, and with all that the build needs?"""

import fnmatch
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import tomllib

import helm

PLACE = helm.ROOT / "packaging/container"
FILE = PLACE / "Containerfile"
# What is in the image beside the libraries, whose names are the system's.
FILES = {
    "usr/bin/carnet", "etc/passwd", "etc/group", "etc/nsswitch.conf", "etc/ssl/certs/ca-certificates.crt",
    "usr/share/doc/libc6/copyright", "usr/share/doc/libgcc-s1/copyright", "usr/share/doc/ca-certificates/copyright",
}


def instructions(text):
    text = re.sub(r"\\\n", " ", re.sub(r"^\s*#.*\n", "", text, flags=re.M))
    return [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]


def pinned(text, channel):
    stages = [rest.split()[0] for word, rest in instructions(text) if word == "FROM"]
    for image in stages:
        if image == "scratch":
            continue
        tag = image.rsplit("/", 1)[-1].partition(":")[2]
        if not re.search(r"\d", tag):
            yield f"{image} is not pinned"
        if "/rust:" in image and not tag.startswith(f"{channel}-"):
            yield f"{image} is not the toolchain {channel}"
    if stages[-1] != "scratch":
        yield f"the image begins with {stages[-1]}"


def user(text):
    last = text[text.rindex("\nFROM "):]
    users = [rest for word, rest in instructions(last) if word == "USER"]
    if len(users) != 1 or not re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[0]):
        yield f"it runs as {users}"
    if any(word == "RUN" for word, _ in instructions(last)):
        yield "something runs in the image itself"


def lint(text):
    done = subprocess.run(["hadolint", "--no-fail", "-"], input=text, capture_output=True, text=True, check=True)
    return [f"hadolint: {line}" for line in done.stdout.splitlines()]


def complaints(text):
    channel = tomllib.loads((helm.ROOT / "rust-toolchain.toml").read_text(encoding="utf-8"))["toolchain"]["channel"]
    return [*pinned(text, channel), *user(text), *lint(text)]


def context(ignore):
    """Paths that the file of what is left out lets through, at the top of the checkout or below it."""
    rules = [line for line in ignore.splitlines() if line and not line.startswith("#")]
    if rules[0] != "*":
        raise SystemExit("everything must be left out first")
    return [one[1:] for one in rules if one.startswith("!")], [one for one in rules[1:] if not one.startswith("!")]


def copied(folder):
    """The context of the build."""
    through, out = context((PLACE / "Containerfile.dockerignore").read_text(encoding="utf-8"))
    names = [pattern.removeprefix("**/") for pattern in out]
    for one in through:
        source, target = helm.ROOT / one, folder / one
        if not source.exists():
            yield f"Containerfile.dockerignore names {one}, which is not there"
        elif source.is_dir():
            shutil.copytree(source, target, ignore=lambda _, found: [name for name in found if any(fnmatch.fnmatch(name, each) for each in names)])
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)


def whole(folder):
    """Cargo finds every member, and no file includes one that is left out."""
    done = subprocess.run(
        [os.environ.get("CARGO", "cargo"), "metadata", "--no-deps", "--offline", "--locked", "--format-version", "1"], cwd=folder, capture_output=True, text=True, check=False,
    )
    if done.returncode:
        yield f"cargo metadata: {done.stderr}"
    for file in folder.rglob("*.rs"):
        # Tests are not built for the image.
        if "tests" in file.parts[len(folder.parts):]:
            continue
        for name in re.findall(r'include(?:_str|_bytes)?!\(\s*"([^"]+)"', file.read_text(encoding="utf-8")):
            if not (file.parent / name).exists():
                yield f"{file.relative_to(folder)} includes {name}, which is left out"


def root(folder):
    """The files of the image, made of the binary under test, and whether it runs with nothing but these."""
    carnet = os.environ["CARNET"]
    done = subprocess.run(["sh", str(PLACE / "rootfs.sh"), carnet, str(folder)], capture_output=True, text=True, check=False, env={"PATH": os.environ["PATH"]})
    if done.returncode:
        yield f"rootfs.sh: {done.stderr}"
        return
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}
    libraries = {one for one in files if re.fullmatch(r"lib(64)?/.*\.so(\.\d+)*", one)}
    yield from (f"the image has {one}" for one in sorted(files - libraries - FILES))
    yield from (f"the image lacks {one}" for one in sorted(FILES - files))
    loader = next(folder / one for one in libraries if "/ld-linux" in one)
    place = next((folder / one).parent for one in libraries if "/libc.so" in one)
    done = subprocess.run([str(loader), "--inhibit-cache", "--library-path", str(place), str(folder / "usr/bin/carnet"), "version"], capture_output=True, text=True, check=False, env={})
    if not done.stdout.startswith("carnet "):
        yield f"it does not run with what is there: {done.stderr}"
    if {path.stat().st_mtime for path in folder.rglob("*")} != {0}:
        yield "files have times of their own"


BENDS = [
    ("a base without a tag", ("rust:1.95.0-slim-bookworm", "rust"), "is not pinned"),
    ("another toolchain", ("rust:1.95.0-", "rust:1.80.0-"), "is not the toolchain"),
    ("root", ("USER 65532:65532", "USER root"), "runs as"),
    ("a shell in the image", ("FROM scratch", "FROM docker.io/library/debian:12.11-slim"), "the image begins with"),
    ("what the linter refuses", ("WORKDIR /src", "WORKDIR src"), "hadolint"),
]


def check():
    text = FILE.read_text(encoding="utf-8")
    problems = complaints(text)
    for what, (old, new), complaint in BENDS:
        if old not in text or not any(complaint in one for one in complaints(text.replace(old, new))):
            problems.append(f"not noticed: {what}")
    with tempfile.TemporaryDirectory() as folder:
        context_folder, root_folder = pathlib.Path(folder, "context"), pathlib.Path(folder, "root")
        context_folder.mkdir()
        problems += list(copied(context_folder)) + list(whole(context_folder)) + list(root(root_folder))
        (context_folder / "benches/Cargo.toml").unlink()
        if not list(whole(context_folder)):
            problems.append("not noticed: a member that is left out")
    return {"bends": len(BENDS) + 1, "problems": problems}
