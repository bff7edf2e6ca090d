"""What is written for CI systems, by their own published schemas (PyPI, `check-jsonschema`): the action, the component, and every
example in the manuals."""

import importlib.util
import json
import pathlib
import re
import unittest

import jsonschema
import yaml
from runners import CI, component

ROOT = CI.parent.parent
#: What a fenced block of YAML is, by the first words in it.
KINDS = {
    "# .github/workflows": "github-workflows",
    "# .gitlab-ci.yml": "gitlab-ci",
    "# bitbucket-pipelines.yml": "bitbucket-pipelines",
    "# .circleci/config.yml": "circle-ci",
    "# .buildkite/pipeline.yml": "buildkite",
    "# azure-pipelines.yml": "azure-pipelines",
    "# cloudbuild.yaml": "cloudbuild",
}


class Tags(yaml.SafeLoader):
    """`!reference` and the like are GitLab's; `on` is a word of GitHub's and no truth."""


Tags.add_multi_constructor("!", lambda loader, tag, node: loader.construct_sequence(node))
Tags.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in Tags.yaml_implicit_resolvers.items()
}
Tags.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(?:true|false)$"), list("tf"))


def problems(kind, document):
    # Its files, not its code.
    (package,) = importlib.util.find_spec("check_jsonschema").submodule_search_locations
    schema = json.loads((pathlib.Path(package) / f"builtin_schemas/vendor/{kind}.json").read_text())
    validator = jsonschema.validators.validator_for(schema)(schema)
    return [f"{'/'.join(map(str, one.absolute_path))}: {one.message[:200]}" for one in validator.iter_errors(document)]


def with_old_words(kind, block):
    """The schema of Bitbucket does not know yet that `oidc` may name audiences ("Bitbucket Pipelines OIDC now supports multiple
    audiences", atlassian.com)."""
    if kind != "bitbucket-pipelines":
        return block
    return re.sub(r"oidc:\n\s+audiences:\n(\s+- \S+\n)+", "oidc: true\n", block, count=1)


def examples():
    for manual in (ROOT / "providers/ci/README.md", CI / "README.md"):
        for block in re.findall(r"```yaml\n(.*?)```", manual.read_text(), re.S):
            first = block.splitlines()[0]
            kind = next((kind for words, kind in KINDS.items() if first.startswith(words)), None)
            yield manual.name, first, kind, yaml.load(with_old_words(kind, block), Tags)


class Schemas(unittest.TestCase):
    def test_the_action(self):
        action = yaml.load((CI / "github/action.yml").read_text(), Tags)
        self.assertEqual(problems("github-actions", action), [])
        action["runs"]["steps"][0]["shel"] = action["runs"]["steps"][0].pop("shell")
        self.assertNotEqual(problems("github-actions", action), [], "a schema that sees nothing")

    def test_the_component(self):
        header, body = yaml.load_all((CI / "gitlab/templates/carnet.yml").read_text(), Tags)
        self.assertEqual(problems("gitlab-ci", header), [])
        # Of hidden jobs the schema says nothing, so the job is looked at under another name, and with a script.
        given = {"version": "9.8.7", "download-url": "https://a.example/v9.8.7", "audience": "https://a.example"}
        jobs = component(given | {"job": "deploy"})
        jobs["deploy"]["script"] = ["true"]
        self.assertEqual(problems("gitlab-ci", jobs), [])
        jobs["deploy"]["id_tokens"]["CARNET_ID_TOKEN"] = {"audience": "x"}
        self.assertNotEqual(problems("gitlab-ci", jobs), [], "a schema that sees nothing")
        self.assertEqual(len(body), 1)

    def test_every_example_of_the_manuals(self):
        seen = set()
        for manual, first, kind, document in examples():
            self.assertIsNotNone(kind, f"{manual}: an example that does not begin with its file: {first}")
            self.assertEqual(problems(kind, document), [], f"{manual}: {first}")
            seen.add(kind)
        self.assertEqual(seen, set(KINDS.values()))


if __name__ == "__main__":
    unittest.main()
