//! Dependencies that are named and not used.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::Context as _;

use super::packages::{Dependency, Package, Target, packages};

/// The workspaces of the repository.
const MANIFESTS: &[&str] = &["Cargo.toml", "fuzz/Cargo.toml"];

/// Packages whose library is not named as they are.
const LIBRARIES: &[(&str, &str)] = &[("md-5", "md5"), ("rustls-webpki", "webpki")];

/// Looks for every dependency in the Rust files of who names it, and for every entry of the workspace among the members.
///
/// # Errors
/// All breaches at once, and when a file cannot be read.
pub(crate) fn check() -> anyhow::Result<String> {
    let root = super::test::root();
    let (mut breaches, mut crates) = (Vec::new(), 0);
    for manifest in MANIFESTS {
        let manifest = root.join(manifest);
        let packages = packages(&manifest)?;
        let text = fs::read_to_string(&manifest).with_context(|| format!("read {}", manifest.display()))?;
        breaches.extend(of_no_member(&offered(&text)?, &packages));
        for package in &packages {
            breaches.extend(not_in(package, &sources(&package.targets)?));
        }
        crates += packages.len();
    }
    if breaches.is_empty() {
        return Ok(format!("unused: {crates} crates, every dependency is used"));
    }
    anyhow::bail!("dependencies that nothing uses, remove them:\n  {}", breaches.join("\n  "))
}

/// The names under `[workspace.dependencies]`.
fn offered(manifest: &str) -> anyhow::Result<Vec<String>> {
    let manifest: toml::Table = manifest.parse().context("read the manifest of the workspace")?;
    let entries = manifest.get("workspace").and_then(|workspace| workspace.get("dependencies"));
    Ok(entries.and_then(toml::Value::as_table).into_iter().flat_map(toml::Table::keys).cloned().collect())
}

fn of_no_member(offered: &[String], packages: &[Package]) -> Vec<String> {
    let named: BTreeSet<&str> =
        packages.iter().flat_map(|package| &package.dependencies).map(Dependency::key).collect();
    let unused = offered.iter().filter(|entry| !named.contains(entry.as_str()));
    unused.map(|entry| format!("workspace: no member names {entry}")).collect()
}

fn not_in(package: &Package, text: &str) -> Vec<String> {
    let unused = package.dependencies.iter().filter(|needed| !uses(text, &needed.library()));
    unused.map(|needed| format!("{}: no Rust file uses {}", package.name, needed.key())).collect()
}

impl Dependency {
    /// What it is called in the manifest.
    fn key(&self) -> &str {
        self.rename.as_deref().unwrap_or(&self.name)
    }

    /// What it is called in Rust.
    fn library(&self) -> String {
        let otherwise = LIBRARIES.iter().find(|(package, _)| *package == self.key());
        otherwise.map_or_else(|| self.key().replace('-', "_"), |(_, library)| (*library).to_owned())
    }
}

/// Whether a path begins with the library, or the library itself is imported. Its name alone may be any word: `bytes`, `url`.
fn uses(text: &str, library: &str) -> bool {
    text.match_indices(library).any(|(at, _)| {
        let (before, after) = (text.get(..at).unwrap_or_default(), text.get(at + library.len()..).unwrap_or_default());
        let whole = !before.ends_with(|last: char| last.is_alphanumeric() || last == '_');
        let imported = before.ends_with("use ") && (after.starts_with(';') || after.starts_with(" as "));
        whole && (after.starts_with("::") || imported)
    })
}

/// The text of every Rust file in the folders of the targets. A build script stands beside other folders and counts alone.
fn sources(targets: &[Target]) -> anyhow::Result<String> {
    let mut files = BTreeSet::new();
    for target in targets {
        files.insert(target.src_path.clone());
        if let Some(folder) = target.src_path.parent().filter(|_| target.kind != ["custom-build"]) {
            files.extend(super::words::rust_files(folder)?);
        }
    }
    files.iter().map(|file| read(file)).collect()
}

fn read(file: &Path) -> anyhow::Result<String> {
    fs::read_to_string(file).with_context(|| format!("read {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, needs: &[(&str, Option<&str>)]) -> Package {
        let need = |(name, rename): &(&str, Option<&str>)| Dependency {
            rename: rename.map(str::to_owned),
            ..Dependency::on(name)
        };
        Package::named(name, needs.iter().map(need).collect())
    }

    #[test]
    fn an_entry_that_no_member_names_is_a_breach() {
        let offered = offered("[workspace.dependencies]\nurl = '2'\ncms = '0.2'\n").unwrap();
        assert_eq!(of_no_member(&offered, &[package("a", &[("url", None)])]), ["workspace: no member names cms"]);
    }

    #[test]
    fn an_entry_that_renames_a_package_is_found_by_its_new_name() {
        let offered = offered("[workspace.dependencies]\noracle = { package = 'spiffe', version = '0.19' }\n").unwrap();
        assert!(of_no_member(&offered, &[package("a", &[("spiffe", Some("oracle"))])]).is_empty());
    }

    #[test]
    fn a_dependency_that_no_file_uses_is_a_breach() {
        let package = package("a", &[("serde_json", None), ("base64", None)]);
        assert_eq!(not_in(&package, "serde_json::from_str(text)"), ["a: no Rust file uses base64"]);
    }

    #[test]
    fn the_name_in_rust_counts() {
        for (name, rename, text) in [
            ("percent-encoding", None, "use percent_encoding::encode;"),
            ("md-5", None, "use md5::Md5;"),
            ("rustls-webpki", None, "webpki::EndEntityCert"),
            ("spiffe", Some("spiffe-oracle"), "spiffe_oracle::Bundle"),
        ] {
            assert!(not_in(&package("a", &[(name, rename)]), text).is_empty(), "{name}");
        }
    }

    #[test]
    fn what_uses_a_library() {
        for text in ["url::Url", "use url as address;", "use url;", "#[url::test]", "f(url::Url::parse)"] {
            assert!(uses(text, "url"), "{text}");
        }
        for text in ["the url: it", "let url = 1;", "curl::get()", "my_url::x", "urls::x", "use url_of;"] {
            assert!(!uses(text, "url"), "{text}");
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the test makes the files that are looked at")]
    fn a_build_script_does_not_bring_its_neighbours_along() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        fs::create_dir_all(folder.path().join("src/inner")).unwrap();
        put("build.rs", "build");
        put("beside.rs", "beside");
        put("src/lib.rs", "lib");
        put("src/inner/deep.rs", "deep");
        let target =
            |kind: &str, path: &str| Target { kind: vec![kind.to_owned()], src_path: folder.path().join(path) };
        let text = sources(&[target("custom-build", "build.rs"), target("lib", "src/lib.rs")]).unwrap();
        assert!(["build", "lib", "deep"].iter().all(|part| text.contains(part)) && !text.contains("beside"), "{text}");
    }
}
