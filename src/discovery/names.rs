//! The server's name on the network, and the next name to try when that one is taken. Knows nothing of who decides
//! that.

/// The most that a label of DNS may have, in bytes.
const MAX_LABEL: usize = 63;

/// The longest name without a number, in bytes.
const MAX_NAME: usize = MAX_LABEL - "-4294967295".len();

/// A name, or the same with a number: `dynasti`, `dynasti-2`, `dynasti-3` and so on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Numbered {
    base: String,
    number: u32,
}

impl Numbered {
    /// Begins without a number. A name that is too long is cut.
    pub(crate) fn new(base: &str) -> Numbered {
        let mut end = base.len().min(MAX_NAME);
        while !base.is_char_boundary(end) {
            end -= 1;
        }
        Numbered { base: base[..end].to_owned(), number: 1 }
    }

    /// The name as it is now: one label.
    pub(crate) fn label(&self) -> String {
        match self.number {
            1 => self.base.clone(),
            number => format!("{}-{number}", self.base),
        }
    }

    /// Goes on to the next name.
    pub(crate) fn advance(&mut self) {
        self.number = self.number.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn section_9_names_are_numbered_from_two() {
        let mut name = Numbered::new("dynasti");
        let mut labels = Vec::new();
        for _ in 0..3 {
            labels.push(name.label());
            name.advance();
        }
        assert_eq!(labels, ["dynasti", "dynasti-2", "dynasti-3"]);
    }

    #[test]
    fn a_label_always_fits() {
        let mut name = Numbered::new(&"ü".repeat(40));
        name.number = u32::MAX;
        name.advance();
        assert!(name.label().len() <= MAX_LABEL, "{}", name.label());
        assert!(name.label().starts_with("üü"));
    }
}
