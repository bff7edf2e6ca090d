"""The component in a runner, with the real binary and a release on loopback."""

import os
import pathlib
import stat
import sys
import tempfile
import unittest

from release import ASSET, VERSION, Release
from runners import CI, Refused, component, gitlab

sys.path.insert(0, str(CI / "gitlab"))
import make  # noqa: E402

BINARY = os.environ["CARNET_BIN"]
ROUTE = '[route.job]\nsource = { env = { variable = "GIVEN" } }\n'


class Component(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)
        self.release = Release(BINARY)
        self.addCleanup(self.release.close)
        (self.folder / "project").mkdir()

    def inputs(self, **changed):
        given = {"version": VERSION, "download-url": self.release.url, "audience": "https://a.example"}
        return given | {name.replace("_", "-"): text for name, text in changed.items()}

    def run_with(self, script, environment=None, shell="bash", **inputs):
        return gitlab(self.inputs(**inputs), script, self.folder, environment, shell)

    def refused(self, word, script=(), environment=None, **inputs):
        with self.assertRaises(Refused) as refused:
            self.run_with(list(script), environment, **inputs)
        self.assertIn(word, str(refused.exception))
        return str(refused.exception)

    def configure(self, text):
        (self.folder / "project/carnet.toml").write_text("version = 1\n" + text)

    def test_installs_the_binary_beside_the_project(self):
        for shell in ("bash", "sh"):
            job = self.run_with(["command -v carnet", "carnet version"], shell=shell)
            self.assertEqual(job.log.splitlines()[0], f"{self.folder}/project.tmp/carnet/bin/carnet")
            self.assertEqual(list((self.folder / "project").iterdir()), [])
            self.assertEqual(job.outputs["id_tokens"], {"CARNET_ID_TOKEN": {"aud": "https://a.example"}})

    def test_rejects_a_binary_that_is_another(self):
        self.release.files[ASSET] += b"\n"
        self.refused("it is not installed", ["echo ran"])
        self.refused("it is not installed", sha256="0" * 64)

    def test_sets_the_variables_for_the_script_and_prints_none(self):
        self.configure(ROUTE + 'deliver = [ { env = { variable = "SECRET" } } ]\n')
        check = ['test "$SECRET" = "$GIVEN"', "echo done"]
        for shell in ("bash", "sh"):
            for secret in ("opaque-token", "it's", "$(id)`id`\"$HOME\""):
                job = self.run_with(check, {"GIVEN": secret}, shell, route="job", export="environment")
                self.assertEqual(job.log.strip(), "done")

    def test_writes_files(self):
        target = self.folder / "token"
        self.configure(ROUTE + f'deliver = [ {{ token-file = {{ path = "{target}" }} }} ]\n')
        job = self.run_with(["echo done"], {"GIVEN": "opaque-token"}, route="job")
        self.assertEqual((target.read_text(), job.log.strip()), ("opaque-token", "done"))
        self.assertEqual(stat.S_IMODE(target.stat().st_mode), 0o600)

    def test_rejects_traces_and_routes_without_variables(self):
        self.configure(ROUTE)
        environment = {"GIVEN": "opaque-token"}
        said = self.refused("no variables", ["echo ran"], environment, route="job", export="environment")
        self.assertNotIn("opaque-token", said)
        self.assertNotIn("ran", said.splitlines())
        traced = environment | {"CI_DEBUG_TRACE": "true"}
        self.refused("CI_DEBUG_TRACE", ["echo ran"], traced, route="job", export="environment")
        self.refused("gone", ["echo ran"], environment, route="gone")

    def test_rejects_inputs_that_could_become_more_than_a_value(self):
        for name, text in (
            ("version", "1.0"),
            ("version", "latest"),
            ("sha256", "abc"),
            ("download_url", "file:///tmp"),
            ("download_url", 'https://a"b'),
            ("audience", 'a"\n'),
            ("route", "job; id"),
            ("config", "$(id)"),
            ("export", "both"),
            ("job", "a b"),
        ):
            with self.assertRaises(Refused, msg=f"{name} = {text}"):
                component(self.inputs(**{name: text}))
        with self.assertRaises(Refused):
            component({"version": VERSION})

    def test_the_template_is_what_it_is_made_of(self):
        self.assertEqual((CI / "gitlab/templates/carnet.yml").read_text(), make.made())


if __name__ == "__main__":
    unittest.main()
