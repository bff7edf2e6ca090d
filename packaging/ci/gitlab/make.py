"""Write templates/carnet.yml from carnet.in.yml and the script that installs carnet, which is one for GitHub and GitLab.

A component is one file, so the script has to be in it. `make.py --check` fails when what is written has drifted.
"""

import pathlib
import sys

FOLDER = pathlib.Path(__file__).parent
PLACE = "@INSTALL@"


def made():
    template = (FOLDER / "carnet.in.yml").read_text()
    script = (FOLDER.parent / "github/install.sh").read_text()
    lines = []
    for line in template.splitlines():
        if line.strip() == PLACE:
            indent = line[: line.index(PLACE)]
            lines += [f"{indent}{one}".rstrip() for one in script.splitlines()]
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    target = FOLDER / "templates/carnet.yml"
    if "--check" in sys.argv:
        if target.read_text() != made():
            sys.exit(f"{target} has drifted: run {__file__}")
    else:
        target.write_text(made())
