"""The composite action in a runner, with the real binary and a release on loopback."""

import os
import pathlib
import re
import stat
import tempfile
import unittest

import yaml
from release import ASSET, VERSION, Release
from runners import CI, Refused, github

BINARY = os.environ["CARNET_BIN"]
SECRET = "s3cret-that-nobody may see"


class Action(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)
        self.release = Release(BINARY)
        self.addCleanup(self.release.close)
        (self.folder / "work").mkdir()

    def configure(self, text):
        (self.folder / "work/carnet.toml").write_text("version = 1\n" + text)

    def run_with(self, environment=None, wrap=(), **inputs):
        given = {"version": VERSION, "download-url": self.release.url}
        given |= {name.replace("_", "-"): text for name, text in inputs.items()}
        return github(given, self.folder, environment, wrap)

    def refused(self, *words, **inputs):
        with self.assertRaises(Refused) as refused:
            self.run_with(**inputs)
        for word in words:
            self.assertIn(word, str(refused.exception))

    def test_installs_the_binary_whose_checksum_is_listed(self):
        job = self.run_with()
        binary = pathlib.Path(job.outputs["binary"])
        self.assertEqual(stat.S_IMODE(binary.stat().st_mode), 0o755)
        self.assertEqual(job.environment["PATH"], str(binary.parent))
        self.assertEqual(self.release.asked, ["SHA256SUMS", ASSET])
        self.assertEqual([path.name for path in binary.parent.iterdir()], ["carnet"], "nothing is left over")

    def test_a_pinned_checksum_is_the_only_one_that_counts(self):
        self.run_with(sha256=self.release.sha256.upper())
        self.assertEqual(self.release.asked, [ASSET])
        self.release.files["SHA256SUMS"] = f"{self.release.sha256}  {ASSET}\n".encode()
        self.refused("it is not installed", sha256="0" * 64)

    def test_rejects_a_binary_that_is_another(self):
        self.release.files[ASSET] += b"\n"
        self.refused("it is not installed")
        self.assertFalse((self.folder / "temp/carnet/bin/carnet").exists())

    def test_rejects_lists_without_the_one_checksum(self):
        good = self.release.files["SHA256SUMS"]
        for content in (b"", b"<html>", good + good, good.replace(ASSET.encode(), b"x"), good[:-80]):
            self.release.files["SHA256SUMS"] = content
            self.refused("there is no one checksum")
        del self.release.files["SHA256SUMS"]
        self.refused("cannot download")

    def test_rejects_what_is_no_version_no_checksum_or_no_https(self):
        self.refused("no version", version="1.0/../../x")
        self.refused("no version", version="$(id)")
        self.refused("there is no one checksum", sha256="abc")
        self.refused("is not https", download_url="http://releases.example/v1")
        with self.assertRaises(Refused):
            github({"download-url": self.release.url}, self.folder)

    def test_sets_and_masks_the_variables_of_the_route(self):
        self.configure(
            '[route.job]\nsource = { env = { variable = "GIVEN" } }\n'
            'deliver = [ { env = { variable = "SECRET" } } ]\n'
        )
        for secret in ("opaque-token", "it's", "%25percent%", "$(id)`id`\"$HOME\""):
            job = self.run_with({"GIVEN": secret}, route="job", export="environment")
            self.assertEqual(job.environment["SECRET"], secret)
            self.assertEqual(job.outputs["variables"], "SECRET")
            self.assertEqual(job.masks, [secret])
            self.assertNotIn(secret, job.log)

    def test_what_is_named_as_harmless_is_not_masked(self):
        self.configure(
            '[route.job]\nsource = { env = { variable = "GIVEN" } }\n'
            'deliver = [ { env = { variable = "HARMLESS" } } ]\n'
        )
        job = self.run_with({"GIVEN": "us-east-1"}, route="job", export="environment", unmasked="A HARMLESS B")
        self.assertEqual((job.environment["HARMLESS"], job.masks), ("us-east-1", []))

    def test_writes_files_and_sets_nothing(self):
        target = self.folder / "token"
        self.configure(
            '[route.job]\nsource = { env = { variable = "GIVEN" } }\n'
            f'deliver = [ {{ token-file = {{ path = "{target}" }} }} ]\n'
        )
        job = self.run_with({"GIVEN": "opaque-token"}, route="job")
        self.assertEqual(target.read_text(), "opaque-token")
        self.assertEqual(stat.S_IMODE(target.stat().st_mode), 0o600)
        self.assertEqual((job.outputs["variables"], job.masks), ("", []))
        self.assertNotIn("opaque-token", job.log)

    def test_rejects_a_route_without_variables_and_shows_nothing_of_it(self):
        self.configure('[route.job]\nsource = { env = { variable = "GIVEN" } }\n')
        with self.assertRaises(Refused) as refused:
            self.run_with({"GIVEN": "opaque-token"}, route="job", export="environment")
        self.assertIn("the route has no variables", str(refused.exception))
        self.assertNotIn("opaque-token", str(refused.exception))
        self.refused("write files or environment", route="job", export="both")

    def test_the_configuration_may_be_elsewhere(self):
        (self.folder / "work/ci.toml").write_text(
            'version = 1\n[route.job]\nsource = { env = { variable = "GIVEN" } }\n'
            'deliver = [ { env = { variable = "SECRET" } } ]\n'
        )
        job = self.run_with({"GIVEN": "opaque-token"}, route="job", export="environment", config="ci.toml")
        self.assertEqual(job.environment["SECRET"], "opaque-token")
        self.refused("job", route="job", export="environment")

    def test_a_job_becomes_a_login_at_vault(self):
        self.configure(
            '[route.vault]\nsource = "github-actions"\n'
            'through = [ { vault = { role = "app", audience = "vault" } } ]\n'
            "deliver = [ { vault-env = {} } ]\n"
        )
        sandbox = [BINARY, "sandbox", "run", "--job", "github", "--"]
        job = self.run_with(route="vault", export="environment", wrap=sandbox)
        token = job.environment["VAULT_TOKEN"]
        self.assertTrue(token.startswith("hvs."))
        self.assertIn(token, job.masks)
        self.assertNotIn(token, job.log)
        self.assertNotIn(job.environment["VAULT_ADDR"], job.masks)


class Text(unittest.TestCase):
    def test_nothing_that_is_given_becomes_part_of_a_script(self):
        action = yaml.safe_load((CI / "github/action.yml").read_text())
        for step in action["runs"]["steps"]:
            self.assertNotIn("${{", step["run"], step["id"])

    def test_every_input_is_used_and_described_in_the_manual(self):
        text = (CI / "github/action.yml").read_text()
        manual = (CI / "README.md").read_text()
        for name in yaml.safe_load(text)["inputs"]:
            self.assertIn("inputs." + name, text)
            self.assertIn(f"`{name}`", manual)
        used = set(re.findall(r"inputs\.([a-z0-9-]+)", text))
        self.assertEqual(used, set(yaml.safe_load(text)["inputs"]))


if __name__ == "__main__":
    unittest.main()
