"""Writes `crates/cli/layout.ld`: what ran of the binary, so that the linker puts it side by side.

The kernel maps a file's pages in runs around the one that is touched. A process therefore holds what lies beside the code that
it runs as well: several times the code itself, unless that lies together. This runs the commands that are to be small under
callgrind and writes patterns of the functions that they entered. Nothing depends on the patterns: one that meets nothing, after a
rename or with another compiler, does nothing. Run it again when `benches/cold.py` or `benches/service.py` misses its memory.

It needs valgrind, the project's virtual environment, and a release binary with symbols and the linker's map beside it:

    cargo rustc --release -p carnet -- -C strip=none -C link-arg=-Wl,-Map=$PWD/target/release/carnet.map
    .venv/bin/python benches/layout.py
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import cold
import service

ROOT = pathlib.Path(__file__).resolve().parent.parent
LAYOUT = ROOT / "crates/cli/layout.ld"
MAP = pathlib.Path(os.environ.get("CARNET_MAP", cold.CARNET + ".map"))
# A pattern may take in this much beside what ran: fewer and shorter patterns last longer.
LEAST = 0.7
HEAD = """/* What runs in commands and in an idle agent lies side by side: the kernel maps a file's pages in runs around the one that is
 * touched, so a process holds what lies beside the code that it runs as well. Written by `benches/layout.py`, which says how.
 * Nothing depends on it; a pattern that meets nothing does nothing. `Cs???????????_` is a crate's disambiguator (rustc book,
 * "v0 symbol format"), which differs from build to build. */
"""


def callgrind(folder, name):
    return ["valgrind", "--tool=callgrind", "--demangle=no", f"--callgrind-out-file={folder}/{name}.prof"]


def entered(folder):
    """The functions that ran, from all profiles in the folder."""
    lines = (line for path in pathlib.Path(folder).glob("*.prof") for line in path.read_text(encoding="utf-8").splitlines())
    found = (re.match(r"c?fn=\(\d+\) (.+)", line) for line in lines)
    # callgrind counts the frames of a recursion.
    return {re.sub(r"'\d+$", "", match[1].strip()) for match in found if match}


def commands(folder):
    """Exchanges with and without TLS, and the least there is."""
    at = os.path.join(folder, "sandbox")
    sandbox, ready = cold.sandbox(at)
    try:
        secure = {**cold.BARE, "SSL_CERT_FILE": cold.bundle(at)}
        for kind in ("plain", "tls"):
            for number, case in enumerate(cold.cases(at, ready, kind)):
                run = [*callgrind(folder, f"{kind}{number}"), *case.ours]
                subprocess.run(run, env=secure, check=True, capture_output=True)
        subprocess.run([*callgrind(folder, "version"), cold.CARNET, "version"], env=cold.BARE, check=True, capture_output=True)
    finally:
        sandbox.terminate()
        sandbox.wait()
    return entered(folder)


def agent(folder):
    """From its start until it idles."""
    with service.serve(folder, "ES256") as authority:
        service.UNDER = callgrind(folder, "agent")
        with service.join(authority, folder):
            pass
        service.UNDER = []
    return entered(folder)


def sections():
    """Name and size of each function's section in the linker's map."""
    sizes = {}
    for line in MAP.read_text(encoding="utf-8").splitlines():
        match = re.match(r"\s*[0-9a-f]+\s+[0-9a-f]+\s+([0-9a-f]+)\s+\d+\s+\S*:\((\.text\.[^)]+)\)$", line)
        if match:
            name = re.sub(r"Cs([0-9A-Za-z]{9,11})_", lambda hash: "Cs" + "?" * len(hash[1]) + "_", match[2])
            function = re.sub(r"^\.text\.(unlikely\.|hot\.)?", "", match[2])
            before = sizes.setdefault(name, [0, set()])
            before[0] += int(match[1], 16)
            before[1].add(function)
    return sizes


def shared(one, other):
    return len(os.path.commonprefix([one, other]))


def patterns(sizes, ran):
    """The shortest beginnings of names under which most of what lies there ran."""
    names = sorted(sizes)
    bytes_of = [(sizes[name][0] if sizes[name][1] & ran else 0, sizes[name][0]) for name in names]
    found, todo = [], [(0, len(names), 0)]
    while todo:
        low, high, depth = todo.pop()
        hot, whole = (sum(column) for column in zip(*bytes_of[low:high]))
        if not hot:
            continue
        if hot >= LEAST * whole or high - low == 1:
            neighbours = [shared(names[low - 1], names[low]) if low else 0]
            neighbours.append(shared(names[high], names[high - 1]) if high < len(names) else 0)
            found.append(names[low][: max(neighbours) + 1])
            continue
        depth = max(depth, shared(names[low], names[high - 1]))
        start = low
        for at in range(low + 1, high + 1):
            if at == high or names[at][depth : depth + 1] != names[start][depth : depth + 1]:
                todo.append((start, at, depth + 1))
                start = at
    return sorted(found)


def main():
    # Run once as any process does: what runs under callgrind is found by name in this very binary.
    with tempfile.TemporaryDirectory() as folder:
        of_commands = commands(folder)
    with tempfile.TemporaryDirectory() as folder:
        of_agent = agent(folder) - of_commands
    sizes = sections()
    if not sizes:
        sys.exit(f"{MAP} holds no section of a function: build as the top of this script says")
    text = HEAD + "SECTIONS\n{\n"
    for name, ran, more in [(".text.commands", of_commands, ["*libaws_lc_sys*:*(.text)"]), (".text.agent", of_agent, [])]:
        found = [f"*({pattern}*)" for pattern in patterns(sizes, ran)]
        print(f"{name}: {len(ran)} functions ran, {len(found)} patterns")
        text += f"  {name} :\n  {{\n" + "".join(f"    {line}\n" for line in found + more) + "  }\n"
    LAYOUT.write_text(text + "}\nINSERT AFTER .text;\n", encoding="utf-8")


if __name__ == "__main__":
    main()
