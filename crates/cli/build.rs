//! Tells the linker where code goes, see `layout.ld`, which `benches/layout.py` writes; and what a released program has no use
//! for: tables for walking the stack, see `no-unwind.ld`, and the compiler's shared library for that, see `link/libgcc_s.so`. Its
//! constructors ask the processor a dozen times what it is, which costs every start 0.3 ms in a virtual machine.

#[expect(clippy::disallowed_methods, reason = "this is how cargo speaks to a build script")]
fn main() {
    println!("cargo::rerun-if-changed=layout.ld");
    println!("cargo::rerun-if-changed=no-unwind.ld");
    println!("cargo::rerun-if-changed=link/libgcc_s.so");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("linux") {
        return;
    }
    println!("cargo::rustc-link-arg-bins=-Wl,-T,{}/layout.ld", env!("CARGO_MANIFEST_DIR"));
    if std::env::var("PROFILE").as_deref() == Ok("release") {
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{}/no-unwind.ld", env!("CARGO_MANIFEST_DIR"));
        println!("cargo::rustc-link-arg-bins=-Wl,--no-eh-frame-hdr");
        // Found before the system's, of the same name: what little of it is left comes from the static library.
        println!("cargo::rustc-link-search=native={}/link", env!("CARGO_MANIFEST_DIR"));
    }
}
