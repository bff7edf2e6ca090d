//! Tells the linker where code goes: see `layout.ld`, which `benches/layout.py` writes.

fn main() {
    println!("cargo::rerun-if-changed=layout.ld");
    #[expect(clippy::disallowed_methods, reason = "this is how cargo speaks to a build script")]
    let os = std::env::var("CARGO_CFG_TARGET_OS");
    if os.as_deref() == Ok("linux") {
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{}/layout.ld", env!("CARGO_MANIFEST_DIR"));
    }
}
