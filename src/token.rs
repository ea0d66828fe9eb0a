//! Tokens: 128 random bits, which nobody can guess. A token names something, and is also the key to it.

use std::fmt;
use std::io;

use rustix::rand::{GetRandomFlags, getrandom};

/// See the module's head.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token(u128);

impl Token {
    /// Returns a new token.
    ///
    /// # Errors
    /// When the system has no random numbers yet, as may be early in its start. This does not wait for them.
    pub fn random() -> io::Result<Token> {
        let mut bytes = [0; 16];
        let mut filled = 0;
        while filled < bytes.len() {
            filled += getrandom(&mut bytes[filled..], GetRandomFlags::NONBLOCK)?;
        }
        Ok(Token(u128::from_ne_bytes(bytes)))
    }

    /// Returns the bits.
    #[cfg(feature = "link")]
    pub(crate) fn bits(self) -> u128 {
        self.0
    }

    /// Reads a token as it is displayed.
    pub fn read(text: &str) -> Option<Token> {
        let plain = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        u128::from_str_radix(text, 16).ok().filter(|_| plain).map(Token)
    }
}

#[cfg(test)]
impl From<u128> for Token {
    fn from(bits: u128) -> Token {
        Token(bits)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for Token {
    /// Does not show the bits, because whoever knows them may use the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}
