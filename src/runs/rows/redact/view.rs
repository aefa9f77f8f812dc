//! A text as the detectors read it, with the way back to what was written.
//!
//! Digits of every script and full-width letters become ASCII, invisible characters disappear, dashes and blanks become
//! one kind: a number written to look different is still that number. What is not replaced stays as it was written.

use std::ops::Range;

pub(super) struct View {
    /// What the patterns are matched against.
    pub(super) text: String,
    /// For each byte of `text`, where its character begins in the original; and at the end, the original's length.
    starts: Vec<usize>,
    /// For each byte of `text`, where its character ends in the original.
    ends: Vec<usize>,
}

impl View {
    pub(super) fn of(original: &str) -> Self {
        let mut view = Self {
            text: String::with_capacity(original.len()),
            starts: Vec::with_capacity(original.len()),
            ends: Vec::with_capacity(original.len()),
        };
        for (at, c) in original.char_indices() {
            let Some(plain) = plain(c) else { continue };
            let before = view.text.len();
            view.text.push(plain);
            let bytes = view.text.len() - before;
            view.starts.extend(std::iter::repeat_n(at, bytes));
            view.ends.extend(std::iter::repeat_n(at + c.len_utf8(), bytes));
        }
        view
    }

    /// The bytes of the original that `range` of the view was made from.
    pub(super) fn original(&self, range: &Range<usize>) -> Range<usize> {
        self.starts[range.start]..self.ends[range.end - 1]
    }
}

/// `None` for what cannot be seen.
fn plain(c: char) -> Option<char> {
    Some(match c {
        '\u{00AD}'
        | '\u{034F}'
        | '\u{061C}'
        | '\u{180E}'
        | '\u{200B}'..='\u{200F}'
        | '\u{202A}'..='\u{202E}' => {
            return None;
        }
        '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{2069}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' => {
            return None;
        }
        '\u{E0000}'..='\u{E007F}' => return None,
        // Full-width forms.
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(c as u32 - 0xFEE0).unwrap_or(c),
        '\u{FE6B}' => '@',
        '\u{FE52}' => '.',
        '\u{00A0}' | '\u{1680}' | '\u{2000}'..='\u{200A}' | '\u{202F}' | '\u{205F}' | '\u{3000}' => ' ',
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{FE58}' | '\u{FE63}' | '\u{2043}' => '-',
        '\u{2044}' | '\u{2215}' => '/',
        _ => digit(c).unwrap_or(c),
    })
}

/// First digits of the decimal systems that phones and keyboards offer (Unicode category Nd), and the styled ones.
const ZEROS: [u32; 21] = [
    0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66, 0x0E50,
    0x0ED0, 0x0F20, 0x1040, 0x17E0, 0x1810, 0x1D7CE, 0x1D7D8, 0x1D7E2,
];

fn digit(c: char) -> Option<char> {
    let code = c as u32;
    let zeros = ZEROS.iter().chain(&[0x1D7EC, 0x1D7F6]);
    let value = zeros.into_iter().find_map(|zero| code.checked_sub(*zero).filter(|value| *value < 10)).or(
        match code {
            // Circled 1 to 9, superscripts, subscripts.
            0x2460..=0x2468 => Some(code - 0x245F),
            0x24EA | 0x2070 => Some(0),
            0x00B9 => Some(1),
            0x00B2 | 0x00B3 => Some(code - 0x00B0),
            0x2074..=0x2079 => Some(code - 0x2070),
            0x2080..=0x2089 => Some(code - 0x2080),
            _ => None,
        },
    )?;
    char::from_digit(value, 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disguises_fall_and_the_way_back_is_kept() {
        let original = "价 ４１\u{200B}１\u{2011}٣𝟗 ＠";
        let view = View::of(original);
        assert_eq!(view.text, "价 411-39 @");
        let at = view.text.find("411-39").expect("there");
        assert_eq!(&original[view.original(&(at..at + 6))], "４１\u{200B}１\u{2011}٣𝟗");
    }
}
