//! A QR code for a terminal: two modules in each character, by half blocks. Pure.

use qrcodegen::{QrCode, QrCodeEcc};

/// The margin around the code, in modules. The standard asks for four, but phones read a code with two, and that leaves
/// more of the window.
const MARGIN: i32 = 2;

/// Draws the code of an address: black on white, whatever the terminal's colours are. Empty if the address is too long.
pub(crate) fn code(address: &str) -> String {
    let Ok(code) = QrCode::encode_text(address, QrCodeEcc::Low) else { return String::new() };
    let range = -MARGIN..code.size() + MARGIN;
    let rows = range.clone().step_by(2).map(|y| {
        let row: String =
            range.clone().map(|x| half_blocks(code.get_module(x, y), code.get_module(x, y + 1))).collect();
        format!("\x1b[30;107m{row}\x1b[0m")
    });
    rows.collect::<Vec<_>>().join("\n")
}

fn half_blocks(upper: bool, lower: bool) -> char {
    match (upper, lower) {
        (true, true) => '█',
        (true, false) => '▀',
        (false, true) => '▄',
        (false, false) => ' ',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_fits_a_terminal() {
        for address in ["http://192.168.100.100:65535/", "http://[2001:db8:1111:2222:3333:4444:5555:6666]:65535/"] {
            let code = code(address);
            let rows: Vec<&str> =
                code.lines().map(|row| &row["\x1b[30;107m".len()..row.len() - "\x1b[0m".len()]).collect();
            assert!(rows.len() <= 20, "{} rows", rows.len());
            assert!(rows.iter().all(|row| row.chars().count() <= 41), "{code}");
            assert!(rows[0].trim().is_empty() && rows[1].contains('█'), "{code}");
        }
    }

    #[test]
    fn what_is_drawn_is_the_code_of_the_address() {
        let address = "http://192.168.1.10:4080/";
        let drawn = code(address);
        // Each character is two modules, one above the other; a dark one is drawn in the text's colour, which is black.
        let modules: Vec<Vec<bool>> = drawn
            .lines()
            .flat_map(|row| {
                let row = row.strip_prefix("\x1b[30;107m").and_then(|row| row.strip_suffix("\x1b[0m"));
                let row = row.expect("black on white, and nothing after it");
                let upper = row.chars().map(|both| matches!(both, '█' | '▀')).collect();
                let lower = row.chars().map(|both| matches!(both, '█' | '▄')).collect();
                [upper, lower]
            })
            .collect();
        let code = QrCode::encode_text(address, QrCodeEcc::Low).expect("it is short");
        let whole = usize::try_from(code.size() + 2 * MARGIN).expect("it is small");
        // An odd number of rows leaves half of the last line empty.
        assert_eq!(modules.len(), whole.next_multiple_of(2));
        for (y, row) in (-MARGIN..).zip(&modules) {
            assert_eq!(row.len(), whole);
            for (x, dark) in (-MARGIN..).zip(row) {
                assert_eq!(*dark, code.get_module(x, y), "{x} {y}");
            }
        }
    }
}
