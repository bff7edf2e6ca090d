"""Runners that do to the action and to the component what those of GitHub and GitLab do: inputs, expressions, files for variables and
outputs, masks. What they do not know is an error, so that nothing is passed over.

GitHub: "Workflow commands" and "Metadata syntax", docs.github.com. GitLab: "CI/CD inputs" and "Script", docs.gitlab.com.
"""

import dataclasses
import os
import pathlib
import re
import subprocess

import yaml

CI = pathlib.Path(__file__).resolve().parent.parent


class Refused(Exception):
    """A step ended with another status than 0, or the inputs are not what is allowed. The log is what a person would see."""


@dataclasses.dataclass
class Job:
    log: str
    environment: dict
    outputs: dict
    masks: list


def plain_environment(extra):
    """What a job finds: no more of this process than it needs to run programs."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | extra


def github(inputs, folder, environment=None, wrap=()):
    """Runs the composite action. `wrap` comes before the shell of the step `get`: the sandbox, for instance."""
    action_path = CI / "github"
    action = yaml.safe_load((action_path / "action.yml").read_text())
    unknown = set(inputs) - set(action["inputs"])
    if unknown:
        raise Refused(f"unexpected inputs: {unknown}")
    given = {name: str(inputs.get(name, declared.get("default", ""))) for name, declared in action["inputs"].items()}
    missing = [name for name, declared in action["inputs"].items() if declared["required"] and name not in inputs]
    if missing:
        raise Refused(f"inputs that are required: {missing}")
    temp, work = folder / "temp", folder / "work"
    temp.mkdir(exist_ok=True)
    work.mkdir(exist_ok=True)
    paths, variables, masks, log, steps = [], dict(environment or {}), [], [], {}
    contexts = {"inputs": given, "github": {"action_repository": "owner/carnet"}, "runner": {"temp": str(temp)}, "steps": steps}
    for number, step in enumerate(action["runs"]["steps"]):
        if "if" in step and not condition(step["if"], contexts):
            continue
        files = {name: folder / f"{name}.{number}" for name in ("GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_PATH")}
        for file in files.values():
            file.touch()
        script = folder / f"step{number}.sh"
        script.write_text(expand(step["run"], contexts))
        shell = {
            "bash": ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", str(script)],
            "sh": ["sh", "-e", str(script)],
        }[step["shell"]]
        own = {name: expand(value, contexts) for name, value in step.get("env", {}).items()}
        runner = {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_ACTION_PATH": str(action_path),
            "GITHUB_SERVER_URL": "https://github.com",
            "RUNNER_TEMP": str(temp),
        } | {name: str(file) for name, file in files.items()}
        before = plain_environment(variables)
        before["PATH"] = os.pathsep.join([*reversed(paths), before["PATH"]])
        command = [*wrap, *shell] if step["id"] == "get" else shell
        done = subprocess.run(command, cwd=work, env=before | runner | own, capture_output=True, text=True, timeout=120)
        for line in (done.stdout + done.stderr).splitlines():
            if line.startswith("::add-mask::"):
                masks.append(line.removeprefix("::add-mask::").replace("%0D", "\r").replace("%25", "%"))
            else:
                log.append(line)
        if done.returncode != 0:
            raise Refused("\n".join(log))
        steps[step["id"]] = {"outputs": assignments(files["GITHUB_OUTPUT"].read_text())}
        variables |= assignments(files["GITHUB_ENV"].read_text())
        paths += files["GITHUB_PATH"].read_text().split()
    outputs = {name: expand(output["value"], contexts) for name, output in action["outputs"].items()}
    return Job("\n".join(log), {"PATH": os.pathsep.join(paths)} | variables, outputs, masks)


def expand(text, contexts):
    return re.sub(r"\$\{\{\s*(.*?)\s*\}\}", lambda found: value(found[1], contexts), text)


def value(expression, contexts):
    found = contexts
    for part in expression.split("."):
        if part not in found and expression.startswith("steps."):
            return ""
        found = found[part]
    return found


def condition(expression, contexts):
    found = re.fullmatch(r"([a-z.]+) != ''", expression)
    if not found:
        raise AssertionError(f"a condition that this runner does not know: {expression}")
    return value(found[1], contexts) != ""


def assignments(text):
    """`NAME=VALUE` and `NAME<<DELIMITER` up to a line that is the delimiter."""
    found, lines = {}, iter(text.splitlines())
    for line in lines:
        heredoc = re.fullmatch(r"([A-Za-z_][A-Za-z0-9_]*)<<(.+)", line)
        if heredoc:
            content = []
            for part in lines:
                if part == heredoc[2]:
                    break
                content.append(part)
            else:
                raise AssertionError(f"no end of {heredoc[1]}")
            found[heredoc[1]] = "\n".join(content)
        else:
            name, content = line.split("=", 1)
            found[name] = content
    return found


def component(inputs):
    """The jobs of the component with these inputs in place."""
    header, body = (CI / "gitlab/templates/carnet.yml").read_text().split("\n---\n", 1)
    declared = yaml.safe_load(header)["spec"]["inputs"]
    if set(inputs) - set(declared):
        raise Refused(f"unknown inputs: {set(inputs) - set(declared)}")
    given = {}
    for name, rules in declared.items():
        if name not in inputs and "default" not in rules:
            raise Refused(f"the input {name} is required")
        given[name] = text = str(inputs.get(name, rules.get("default")))
        if "regex" in rules and not re.search(rules["regex"], text):
            raise Refused(f"the input {name} does not match")
        if "options" in rules and text not in rules["options"]:
            raise Refused(f"the input {name} is none of {rules['options']}")
    return yaml.safe_load(re.sub(r"\$\[\[\s*inputs\.([a-z0-9-]+)\s*\]\]", lambda found: given[found[1]], body))


def gitlab(inputs, script, folder, environment=None, shell="bash"):
    """Runs a job that extends the component's, with this script. Everything is one script in one shell, as the runner has it."""
    project = folder / "project"
    project.mkdir(exist_ok=True)
    ((name, job),) = component(inputs).items()
    variables = {key: text for key, text in job["variables"].items()}
    runner = {"CI": "true", "GITLAB_CI": "true", "CI_PROJECT_DIR": str(project)}
    # The runner's own variables are expanded in those of the job.
    text = "set -eo pipefail\n" if shell == "bash" else "set -e\n"
    text += "\n".join([*job["before_script"], *script])
    done = subprocess.run(
        [shell, "-c", text],
        cwd=project,
        env=plain_environment(runner | variables | (environment or {})),
        capture_output=True,
        text=True,
        timeout=120,
    )
    log = done.stdout + done.stderr
    if done.returncode != 0:
        raise Refused(log)
    return Job(log, {}, {"name": name, "id_tokens": job["id_tokens"]}, [])
