//! What cargo runs before it compiles: finds out which commit this is, for `dynasti --version`.
//!
//! Sets `DYNASTI_COMMIT` for the compiler where that can be known: in a clone from git, in a package from what cargo put
//! there when it made it. Elsewhere nothing is set, and nothing is missing but the commit.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

/// As many digits as git shows of a commit.
const DIGITS: usize = 7;

/// What `cargo package` writes into the package.
const PACKAGED: &str = ".cargo_vcs_info.json";

fn main() {
    println!("cargo::rerun-if-changed=src/build.rs");
    if let Some(commit) = packaged().or_else(cloned) {
        println!("cargo::rustc-env=DYNASTI_COMMIT={}", &commit[..DIGITS]);
    }
}

/// The commit that this package was made of.
fn packaged() -> Option<String> {
    let written = fs::read_to_string(PACKAGED).ok()?;
    // cargo tries a package in the target directory of the clone that it is made of, and takes the one for the other. There
    // the file is not, and cargo runs this again.
    println!("cargo::rerun-if-changed={PACKAGED}");
    let after = written.split_once("\"sha1\"")?.1;
    hash(after.split('"').nth(1)?)
}

/// The commit that is checked out, if this directory itself is a clone: one that contains it is of something else.
fn cloned() -> Option<String> {
    let top = git(&["rev-parse", "--show-toplevel"])?;
    if fs::canonicalize(top).ok()? != env::current_dir().and_then(fs::canonicalize).ok()? {
        return None;
    }
    // Every commit and every checkout changes one of these, packed references and worktrees included.
    for changes in ["HEAD", "logs/HEAD"] {
        let path = git(&["rev-parse", "--git-path", changes])?;
        // A file that is not there would have cargo run this every time.
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
