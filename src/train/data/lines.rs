//! The lines of a file, one at a time, whatever the file is: a BOM, CRLF, empty lines, lines without end, bytes that are not
//! UTF-8. Never holds more than one line of bounded length.

use std::io::{BufRead, Read};

/// The longest line that is read, in bytes.
const LONGEST: u64 = 16 * 1024 * 1024;

/// A line with its number (from 1), or what is wrong with it.
pub(super) type Line = (usize, Result<String, String>);

/// Calls `each` with every line that is not empty.
///
/// # Errors
/// What reading or `each` says.
pub(super) fn for_each<E: From<std::io::Error>>(
    mut reader: impl BufRead,
    mut each: impl FnMut(Line) -> Result<(), E>,
) -> Result<(), E> {
    let mut bytes = Vec::new();
    for number in 1.. {
        bytes.clear();
        if reader.by_ref().take(LONGEST).read_until(b'\n', &mut bytes)? == 0 {
            break;
        }
        if bytes.len() as u64 == LONGEST && !bytes.ends_with(b"\n") {
            skip(&mut reader)?;
            each((number, Err(format!("longer than {} MiB", LONGEST / 1024 / 1024))))?;
            continue;
        }
        let line = if number == 1 { bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes) } else { &bytes };
        let line = line.trim_ascii();
        if !line.is_empty() {
            each((number, String::from_utf8(line.to_vec()).map_err(|_| "not UTF-8".to_owned())))?;
        }
    }
    Ok(())
}

/// Reads past the end of the line without keeping it.
fn skip(reader: &mut impl BufRead) -> std::io::Result<()> {
    loop {
        let held = reader.fill_buf()?;
        if held.is_empty() {
            return Ok(());
        }
        let end = held.iter().position(|b| *b == b'\n');
        let used = end.map_or(held.len(), |at| at + 1);
        reader.consume(used);
        if end.is_some() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Vec<Line> {
        let mut lines = Vec::new();
        for_each::<std::io::Error>(bytes, |line| {
            lines.push(line);
            Ok(())
        })
        .unwrap();
        lines
    }

    #[test]
    fn bom_crlf_empty_lines_and_a_missing_end_are_no_matter() {
        let lines = read(b"\xef\xbb\xbf{\"a\":1}\r\n\r\n  \n{\"b\":2}");
        assert_eq!(lines, [(1, Ok("{\"a\":1}".to_owned())), (4, Ok("{\"b\":2}".to_owned()))]);
    }

    #[test]
    fn a_line_without_end_and_one_that_is_not_text_are_told_and_the_next_is_read() {
        let mut bytes = vec![b'x'; LONGEST as usize + 10];
        bytes.extend(b"\n\xff\xfe\nok\n");
        let lines = read(&bytes);
        assert_eq!(lines[0], (1, Err("longer than 16 MiB".to_owned())));
        assert_eq!(lines[1], (2, Err("not UTF-8".to_owned())));
        assert_eq!(lines[2], (3, Ok("ok".to_owned())));
    }
}
