//! The build script, which cargo runs before it compiles: finds out which commit this is, for `dynasti --version`, and
//! whether the program's relocations can be packed.
//!
//! Sets `DYNASTI_COMMIT` for the compiler. In a clone git knows the commit; in a package it is in a file that
//! `cargo package` has added. Elsewhere nothing is set, and the version is shown without a commit.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

/// How many digits of a commit are shown: as many as git shows.
const DIGITS: usize = 7;

/// The file with the commit, which `cargo package` adds to the package.
const PACKAGED: &str = ".cargo_vcs_info.json";

fn main() {
    println!("cargo::rerun-if-changed=src/build.rs");
    if let Some(commit) = packaged().or_else(cloned) {
        println!("cargo::rustc-env=DYNASTI_COMMIT={}", &commit[..DIGITS]);
    }
    if applies_packed_relocations() {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// Returns whether the C library, which is a part of the program and relocates it at its start, knows packed relocations
/// (`DT_RELR`): glibc does since 2.36. They take 1 KB of the program instead of 78. With an older glibc the program would
/// crash at its start, so what is not known is not assumed: the C library of another machine is not asked.
fn applies_packed_relocations() -> bool {
    let is_for_here = env::var("TARGET").is_ok_and(|target| env::var("HOST") == Ok(target));
    let version = is_for_here.then(|| printed("getconf", &["GNU_LIBC_VERSION"])).flatten();
    let numbers = version.as_deref().and_then(|version| version.strip_prefix("glibc ")?.split_once('.'));
    numbers.is_some_and(|(major, minor)| major == "2" && minor.parse().is_ok_and(|minor: u32| minor >= 36))
}

/// Returns the commit that this package was made of.
fn packaged() -> Option<String> {
    let written = fs::read_to_string(PACKAGED).ok()?;
    // `cargo package` builds the package once, to try it, in the target directory of the clone. cargo then takes the
    // clone's next build for the same one. The clone has no such file, so this line makes cargo run the script again.
    println!("cargo::rerun-if-changed={PACKAGED}");
    let after = written.split_once("\"sha1\"")?.1;
    hash(after.split('"').nth(1)?)
}

/// Returns the commit that is checked out, if this directory is the top of a clone. If it is below the top, the clone
/// is of another project.
fn cloned() -> Option<String> {
    let top = git(&["rev-parse", "--show-toplevel"])?;
    if fs::canonicalize(top).ok()? != env::current_dir().and_then(fs::canonicalize).ok()? {
        return None;
    }
    // Every commit and every checkout changes one of these, packed references and worktrees included.
    for changes in ["HEAD", "logs/HEAD"] {
        let path = git(&["rev-parse", "--git-path", changes])?;
        // A file that does not exist would make cargo run this every time.
        if Path::new(&path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    hash(&git(&["rev-parse", "HEAD"])?)
}

fn git(args: &[&str]) -> Option<String> {
    printed("git", args)
}

/// Returns what a command printed, if it succeeded.
fn printed(command: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(command).args(args).output().ok()?;
    let printed = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| printed.trim().to_string())
}

fn hash(text: &str) -> Option<String> {
    (text.len() >= DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| text.to_string())
}
