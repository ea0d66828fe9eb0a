//! The build script, which cargo runs before it compiles: finds out which commit this is, for `dynasti --version`.
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
    let output = Command::new("git").args(args).output().ok()?;
    let printed = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| printed.trim().to_string())
}

fn hash(text: &str) -> Option<String> {
    (text.len() >= DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| text.to_string())
}
