//! The servers on this network, for `dynasti find`, and for `dynasti join` without a host. Knows the terminal. The
//! library knows how servers are found.

use std::io::{self, BufRead, IsTerminal, Write};

use dynasti::client::Address;
use dynasti::discovery::{self, Found};

use crate::process::report;

/// Prints the servers on this network, one a line. Returns whether there is any.
///
/// # Errors
/// When the network cannot be searched, or nothing can be printed. The error is for standard error.
pub(crate) fn find() -> Result<bool, String> {
    let found = smol::block_on(discovery::find(true)).map_err(|error| report::cannot_search(&error))?;
    let lines: String = found.iter().map(|server| format!("{server}\n")).collect();
    print(&lines)?;
    Ok(!found.is_empty())
}

/// Returns the server to join when none was named: the one on this network, or the one of several that the person
/// chooses. None if none was found.
///
/// # Errors
/// When there are several, and nobody chooses one. The error is for standard error.
pub(crate) fn choose() -> Result<Option<Address>, String> {
    // If the network cannot be searched, this machine may still have a server.
    let found = smol::block_on(discovery::find(false)).unwrap_or_default();
    match &found[..] {
        [] => Ok(None),
        [only] => Ok(Some(address(only))),
        several if io::stdin().is_terminal() && io::stdout().is_terminal() => ask(several).map(Some),
        several => Err(report::several_found(several)),
    }
}

/// Asks the person to choose, until the answer is the number of a server.
fn ask(several: &[Found]) -> Result<Address, String> {
    let list: String = several.iter().zip(1..).map(|(server, number)| format!("{number}  {server}\n")).collect();
    print(&list)?;
    loop {
        print(&format!("Which one? (1 to {}) ", several.len()))?;
        let mut line = String::new();
        if !io::stdin().lock().read_line(&mut line).is_ok_and(|length| length > 0) {
            return Err(report::several_found(several));
        }
        let chosen = line.trim().parse::<usize>().ok().and_then(|number| several.get(number.checked_sub(1)?));
        if let Some(server) = chosen {
            return Ok(address(server));
        }
    }
}

fn print(text: &str) -> Result<(), String> {
    let mut output = io::stdout();
    let printed = output.write_all(text.as_bytes()).and_then(|()| output.flush());
    printed.map_err(|error| report::cannot_print(&error))
}

fn address(server: &Found) -> Address {
    Address { host: server.address.clone(), port: server.port }
}
