//! The Rust code of the gRPC services, made from the `.proto` files without `protoc`, and checked in.
//!
//! Compiling the compilers costs more than compiling what they write, so nothing of this runs in an ordinary build.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use protox::Compiler;

/// Where the `.proto` files are.
const PROTO: &str = "crates/grpc/proto";
/// Where the generated files go; nothing else is kept there.
const GENERATED: &str = "crates/grpc/src/generated";
/// The descriptors that server reflection answers with: a FileDescriptorSet with the imported files.
const DESCRIPTORS: &str = "descriptors.bin";
/// The module of the services that have no package.
const NO_PACKAGE: &str = "spiffe_workload";
/// How the generated clients and servers turn messages into bytes.
const CODEC: &str = "crate::codec::ExactCodec";
/// Messages with private keys, tokens or what may be one. Their `Debug` is written by hand in `carnet-grpc` and shows none.
const SECRET: &[&str] = &[
    ".X509SVID",
    ".JWTSVID",
    ".WITSVID",
    ".ValidateJWTSVIDRequest",
    ".csi.v1.NodePublishVolumeRequest",
    ".envoy.config.core.v3.DataSource",
    ".envoy.service.discovery.v3.DiscoveryResponse",
    ".envoy.service.discovery.v3.Resource",
];

/// Writes every generated file.
///
/// # Errors
/// When a `.proto` file is wrong, or a file cannot be read or written.
pub(crate) fn write() -> anyhow::Result<String> {
    let root = super::test::root();
    let folder = root.join(GENERATED);
    let files = generate(&root)?;
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    for name in present(&folder)?.keys().filter(|name| !files.contains_key(*name)) {
        fs::remove_file(folder.join(name)).with_context(|| format!("remove {name}"))?;
    }
    for (name, content) in &files {
        put(&folder.join(name), content)?;
    }
    Ok(format!("codegen: {} files written", files.len()))
}

/// Compares every generated file with what it should be.
///
/// # Errors
/// All that drifted at once.
pub(crate) fn check() -> anyhow::Result<String> {
    let root = super::test::root();
    let files = generate(&root)?;
    let breaches = drifted(&files, &present(&root.join(GENERATED))?);
    if breaches.is_empty() {
        return Ok(format!("codegen: {} files", files.len()));
    }
    bail!("not what the .proto files say, run `cargo xtask codegen`:\n  {}", breaches.join("\n  "))
}

/// File name to content.
type Files = BTreeMap<String, Vec<u8>>;

fn drifted(wanted: &Files, present: &Files) -> Vec<String> {
    let differing = wanted
        .iter()
        .filter(|(name, content)| present.get(*name) != Some(*content))
        .map(|(name, _)| format!("{GENERATED}/{name} has drifted"));
    let stale = present
        .keys()
        .filter(|name| !wanted.contains_key(*name))
        .map(|name| format!("{GENERATED}/{name} is not made any more"));
    differing.chain(stale).collect()
}

fn generate(root: &Path) -> anyhow::Result<Files> {
    let proto = root.join(PROTO);
    let mut sources = Vec::new();
    proto_files(&proto, &mut sources)?;
    sources.sort();

    let target = tempfile::tempdir().context("make a folder to generate into")?;
    rust(&proto, &sources, target.path())?;
    let descriptors = compiled(&proto, &sources)?.include_imports(true).encode_file_descriptor_set();
    put(&target.path().join(DESCRIPTORS), &descriptors)?;
    present(target.path())
}

/// Messages, clients and servers, one file for each package, formatted like everything else.
fn rust(proto: &Path, sources: &[PathBuf], target: &Path) -> anyhow::Result<()> {
    let mut config = tonic_prost_build::Config::new();
    config
        .default_package_filename(NO_PACKAGE)
        .btree_map(["."])
        .skip_debug(SECRET)
        .enable_type_names()
        .type_name_domain(["."], "type.googleapis.com");
    let descriptors = compiled(proto, sources)?.include_imports(true).include_source_info(true).file_descriptor_set();
    tonic_prost_build::configure()
        .out_dir(target)
        .build_transport(false)
        .codec_path(CODEC)
        .compile_fds_with_config(descriptors, config)
        .context("generate Rust from the .proto files")?;
    // From the repository's folder, so that it is the formatter of the repository's toolchain.
    let root = super::test::root();
    for name in present(target)?.keys() {
        let path = target.join(name);
        super::test::run(
            &root,
            "rustfmt",
            &["--edition", "2024", "--config-path", "rustfmt.toml", &path.to_string_lossy()],
        )?;
    }
    Ok(())
}

fn compiled(proto: &Path, sources: &[PathBuf]) -> anyhow::Result<Compiler> {
    let mut compiler = Compiler::new([proto]).context("look for imports")?;
    compiler.open_files(sources).with_context(|| format!("compile {}", proto.display()))?;
    Ok(compiler)
}

fn proto_files(folder: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            proto_files(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            found.push(path);
        }
    }
    Ok(())
}

fn present(folder: &Path) -> anyhow::Result<Files> {
    let mut files = Files::new();
    if !folder.exists() {
        return Ok(files);
    }
    for entry in fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        files.insert(name, fs::read(&path).with_context(|| format!("read {}", path.display()))?);
    }
    Ok(files)
}

#[expect(clippy::disallowed_methods, reason = "generated code is no credential")]
fn put(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    fs::write(path, content).with_context(|| format!("write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(names: &[(&str, &str)]) -> Files {
        names.iter().map(|(name, content)| ((*name).to_owned(), content.as_bytes().to_vec())).collect()
    }

    #[test]
    fn a_changed_a_missing_and_a_stale_file_have_drifted() {
        let wanted = files(&[("same.rs", "1"), ("changed.rs", "2"), ("missing.rs", "3")]);
        let present = files(&[("same.rs", "1"), ("changed.rs", "other"), ("stale.rs", "4")]);
        let breaches = drifted(&wanted, &present).join("\n");
        for name in ["changed.rs has drifted", "missing.rs has drifted", "stale.rs is not made"] {
            assert!(breaches.contains(name), "{breaches}");
        }
        assert!(!breaches.contains("same.rs"), "{breaches}");
    }
}
