//! Real ELF files for the cases: C source through the host's compiler, everything that matters asked for by flags, since compilers
//! differ in their defaults.

use std::path::Path;

/// Flags of a file that keeps every law of the audit.
const HARDENED: &[&str] =
    &["-fstack-protector-strong", "-Wl,-z,relro,-z,now", "-Wl,-z,noexecstack", "-Wl,--enable-new-dtags"];

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    Program,
    Library,
    /// An object file.
    Object,
    /// Neither libc nor loader: firmware, or a kernel.
    Freestanding,
}

/// Compiles `source` to `to`. Later flags win over the hardened ones; `libraries` are linked by path.
pub fn compile(shape: Shape, source: &str, flags: &[String], libraries: &[&Path], to: &Path) {
    let folder = to.parent().expect("a file has a folder");
    fs_err::create_dir_all(folder).unwrap();
    let work = crate::support::scratch();
    let file = work.path().join("source.c");
    fs_err::write(&file, source).unwrap();
    let host = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut build = cc::Build::new();
    build.host(&host).target(&host).opt_level(2).debug(false).out_dir(work.path()).cargo_metadata(false);
    build.cargo_warnings(false).warnings(false);
    let compiler = build.try_get_compiler().expect("a C compiler, as README asks for");
    // The compiler's own flags are not wanted: cc adds what Rust's linker needs.
    let mut command = compiler.to_command();
    command.env("LC_ALL", "C").args(["-O2", "-Wl,--build-id=sha1"]).args(HARDENED);
    match shape {
        Shape::Program => command.args(["-fPIE", "-pie"]),
        Shape::Library => command.args(["-fPIC", "-shared"]),
        Shape::Object => command.args(["-c"]),
        Shape::Freestanding => {
            command.args(["-ffreestanding", "-nostdlib", "-static", "-no-pie", "-fno-pie", "-Wl,-e,start"])
        }
    };
    command.args(flags).arg("-o").arg(to).arg(&file).args(libraries);
    let output = command.output().expect("the compiler can be started");
    assert!(output.status.success(), "{}: {}", to.display(), String::from_utf8_lossy(&output.stderr));
}
