//! An address as a QR code.

use fast_qr::{ECL, QRBuilder};

/// The squares of a code, dark or light, row by row; without the light rim that has to be around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QrCode {
    pub size: usize,
    dark: Vec<bool>,
}

/// So many squares of light around it are needed to be read (ISO 18004).
pub const RIM: usize = 4;

impl QrCode {
    /// `None`: it is too long for a code.
    pub fn of(text: &str) -> Option<Self> {
        let code = QRBuilder::new(text).ecl(ECL::M).build().ok()?;
        let rows = (0..code.size).flat_map(|y| code[y][..code.size].iter());
        let dark = rows.map(|module| module.value()).collect();
        Some(Self { size: code.size, dark })
    }

    pub fn is_dark(&self, x: usize, y: usize) -> bool {
        x < self.size && y < self.size && self.dark[y * self.size + x]
    }

    /// As lines of text for a terminal, two squares above each other in a letter. `colours`: black
    /// on white, whatever the terminal has; without them light squares are drawn, as a dark
    /// terminal needs it.
    pub fn lines(&self, colours: bool) -> Vec<String> {
        let side = self.size + 2 * RIM;
        let dark = |x: usize, y: usize| x >= RIM && y >= RIM && self.is_dark(x - RIM, y - RIM);
        let line = |y: usize| {
            let letters: String = (0..side)
                .map(|x| match (dark(x, y), y + 1 < side && dark(x, y + 1)) {
                    (false, false) => '█',
                    (false, true) => '▀',
                    (true, false) => '▄',
                    (true, true) => ' ',
                })
                .collect();
            if colours {
                // White letters on black, out of the 256 colours that themes leave alone.
                format!("\u{1b}[38;5;231;48;5;16m{letters}\u{1b}[0m")
            } else {
                letters
            }
        };
        (0..side).step_by(2).map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_its_three_corners_and_a_light_rim() {
        let code = QrCode::of("http://192.168.178.120:8080/#ABC234").unwrap();
        assert_eq!(code.size, 29, "version 3 holds an address and a code");
        for (left, top) in [(0, 0), (22, 0), (0, 22)] {
            // A finder pattern: a dark frame of 7, a light one in it, 3 dark in the middle.
            assert!((0..7).all(|at| code.is_dark(left + at, top) && code.is_dark(left, top + at)));
            assert!((1..6).all(|at| !code.is_dark(left + at, top + 1)));
            assert!(code.is_dark(left + 3, top + 3));
        }
        let lines = code.lines(false);
        assert_eq!(lines.len(), (29_usize + 8).div_ceil(2));
        assert!(lines[0].chars().all(|c| c == '█') && lines[1].chars().all(|c| c == '█'));
        assert!(code.lines(true)[0].starts_with("\u{1b}["));
        assert!(QrCode::of(&"a".repeat(5000)).is_none());
    }
}
