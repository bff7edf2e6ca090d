//! Tells the linker where code goes: see `layout.ld`.

#![expect(clippy::print_stdout, reason = "this is how a build script speaks to cargo")]

fn main() {
    println!("cargo::rerun-if-changed=layout.ld");
    let (os, folder) = (std::env::var("CARGO_CFG_TARGET_OS"), std::env::var("CARGO_MANIFEST_DIR"));
    if let (Ok("linux"), Ok(folder)) = (os.as_deref(), folder) {
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{folder}/layout.ld");
    }
}
