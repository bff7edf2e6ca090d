//! The registries of packages, each with its own command.

use super::{Command, JOB, Party, Sandbox, alone, fails, installed, succeeds};

/// npm itself publishes the package that the token is for, and no other.
#[test]
fn npm_publishes() {
    let party = Party::new("npm", ", settings = { package = \"@carnet-sandbox/app\" }");
    let publish = |name: &str| {
        let at = party.put(&format!("{name}/package.json"), &format!("{{\"name\":\"{name}\",\"version\":\"1.0.0\"}}"));
        let folder = at.parent().expect("a folder");
        party.put(&format!("{name}/.npmrc"), "//registry.npmjs.org/:_authToken=${NODE_AUTH_TOKEN}\n");
        let mut npm = Command::new("npm");
        npm.args(["publish", "--access", "public", "--no-update-notifier", "--fetch-retries", "0"]).current_dir(folder);
        // Where npm is configured with certificates of its own it looks at no variable of Node's.
        npm.env("npm_config_cafile", Sandbox::shared().folder().join("ca.pem"));
        npm.env("npm_config_cache", party.folder.path().join("cache"));
        party.run("NODE_AUTH_TOKEN", &npm)
    };
    let said = succeeds(&mut publish("@carnet-sandbox/app"));
    assert!(said.contains("+ @carnet-sandbox/app@1.0.0"), "{said}");
    fails(&mut publish("@carnet-sandbox/neighbour"), "404 Not Found - PUT https://registry.npmjs.org/");
    party.proven("npm");
}

/// A wheel that uv builds of nothing, in this folder of the party's.
fn wheel(party: &Party, project: &str) -> std::path::PathBuf {
    let build = "[build-system]\nrequires = [\"uv_build\"]\nbuild-backend = \"uv_build\"\n";
    let about = format!("[project]\nname = \"{project}\"\nversion = \"1.0.0\"\n{build}");
    let folder = party.put(&format!("{project}/pyproject.toml"), &about).parent().expect("a folder").to_owned();
    party.put(&format!("{project}/src/{}/__init__.py", project.replace('-', "_")), "");
    succeeds(uv(party).args(["build", "--wheel", "--offline"]).current_dir(&folder));
    folder
}

fn uv(party: &Party) -> Command {
    let mut uv = installed("uv");
    uv.env("UV_CACHE_DIR", party.folder.path().join("cache")).env("UV_PYTHON_DOWNLOADS", "never");
    uv
}

#[test]
fn uv_uploads() {
    let party = Party::new("pypi", "");
    let publish = |project: &str| {
        let folder = wheel(&party, project);
        party.run("UV_PUBLISH_TOKEN", uv(&party).args(["publish", "--trusted-publishing", "never"]).current_dir(folder))
    };
    succeeds(&mut publish("carnet-sandbox"));
    fails(&mut publish("neighbour"), "OIDC scoped token is not valid for project 'neighbour'");
    party.proven("uv");
}

#[test]
fn uv_makes_the_exchange() {
    let party = Party::new("pypi", "");
    let publish = |project: &str| {
        let mut uv = uv(&party);
        uv.args(["publish", "--trusted-publishing", "always"]).current_dir(wheel(&party, project));
        uv.envs(Sandbox::shared().environment(&["--proxy", "--job", "github"]));
        uv
    };
    succeeds(&mut publish("carnet-sandbox"));
    fails(&mut publish("neighbour"), "OIDC scoped token is not valid for project 'neighbour'");
    alone(JOB, "pypi", "uv");
}

#[test]
fn cargo_publishes() {
    let party = Party::new("crates-io", "");
    let publish = |name: &str, version: &str| {
        let about = format!(
            "[package]\nname = \"{name}\"\nversion = \"{version}\"\nedition = \"2021\"\nlicense = \"MIT\"\n\
             description = \"nothing\"\n[workspace]\n"
        );
        let manifest = party.put(&format!("{name}/Cargo.toml"), &about);
        party.put(&format!("{name}/src/lib.rs"), "");
        // The toolchain that runs the tests: rustup's own `cargo` looks for one below the home folder.
        let cargo = std::env::var("CARGO").expect("cargo runs the tests");
        let toolchain = std::path::Path::new(&cargo).parent().expect("a folder").to_owned();
        let mut command = Command::new(&cargo);
        command.args(["publish", "--no-verify", "--allow-dirty", "--manifest-path"]).arg(manifest);
        command.env("CARGO_HOME", party.folder.path().join("home")).env("RUSTC", toolchain.join("rustc"));
        command.env("CARGO_HTTP_CAINFO", Sandbox::shared().folder().join("ca.pem"));
        party.run("CARGO_REGISTRY_TOKEN", &command)
    };
    let said = succeeds(&mut publish("carnet-sandbox", "1.0.0"));
    assert!(said.contains("Published carnet-sandbox v1.0.0 at registry `crates-io`"), "{said}");
    fails(
        &mut publish("carnet-neighbour", "1.0.0"),
        "The provided access token is not valid for crate `carnet-neighbour`",
    );
    fails(&mut publish("carnet-new", "1.0.0"), "Trusted Publishing tokens do not support creating new crates");
    fails(&mut publish("carnet-sandbox", "1.0.0"), "already exists on crates.io index");
    party.proven("cargo");
}
