//! Just enough of the tar format (POSIX ustar) for a backup: plain files with short names, which every `tar` reads.

use std::io::{self, Read, Write};

const BLOCK: usize = 512;
/// The longest name, in bytes; and the largest file: eleven octal digits.
const MAX_NAME: usize = 100;
const MAX_PREFIX: usize = 155;
const MAX_LEN: u64 = 0o77_777_777_777;

/// Writes entries.
pub(super) struct Writer<W> {
    out: W,
}

impl<W: Write> Writer<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out }
    }

    /// Appends `len` bytes of `from` as the file `name`, of `seconds` since the Unix epoch.
    pub(super) fn file(
        &mut self,
        (name, len, seconds): (&str, u64, u64),
        from: &mut impl Read,
    ) -> io::Result<()> {
        self.out.write_all(&header(name, len, seconds)?)?;
        let copied = io::copy(&mut from.take(len), &mut self.out)?;
        if copied != len {
            return Err(io::Error::other(format!("{name} became shorter while it was copied; try again")));
        }
        self.out.write_all(&[0; BLOCK][..padding(len)])
    }

    /// The end mark; returns what was written to.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.out.write_all(&[0; 2 * BLOCK])?;
        Ok(self.out)
    }
}

fn padding(len: u64) -> usize {
    ((BLOCK as u64 - len % BLOCK as u64) % BLOCK as u64) as usize
}

fn header(name: &str, len: u64, seconds: u64) -> io::Result<[u8; BLOCK]> {
    let too = |what: &str| io::Error::other(format!("{name}: {what} for a backup"));
    if len > MAX_LEN {
        return Err(too("the file is too large"));
    }
    let (prefix, short) = split(name).ok_or_else(|| too("the name is too long"))?;
    let mut block = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, short.as_bytes());
    put(100, b"0000600\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{len:011o}\0").as_bytes());
    put(136, format!("{:011o}\0", seconds.min(MAX_LEN)).as_bytes());
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    put(345, prefix.as_bytes());
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    Ok(block)
}

/// A long name is cut at a slash.
fn split(name: &str) -> Option<(&str, &str)> {
    if name.len() <= MAX_NAME {
        return Some(("", name));
    }
    let cut = name.match_indices('/').map(|(at, _)| at).find(|at| name.len() - at - 1 <= MAX_NAME)?;
    (cut <= MAX_PREFIX).then(|| (&name[..cut], &name[cut + 1..]))
}

/// Reads entries.
pub(super) struct Reader<R> {
    from: R,
}

impl<R: Read> Reader<R> {
    pub(super) fn new(from: R) -> Self {
        Self { from }
    }

    /// Calls `each` with every file's name, length and bytes; what it leaves unread is skipped.
    pub(super) fn each<E: From<io::Error>>(
        &mut self,
        mut each: impl FnMut(&str, u64, &mut dyn Read) -> Result<(), E>,
    ) -> Result<(), E> {
        loop {
            let mut block = [0; BLOCK];
            self.from.read_exact(&mut block)?;
            if block.iter().all(|byte| *byte == 0) {
                return Ok(());
            }
            let (name, len) =
                entry(&block).ok_or_else(|| io::Error::other("this is not a backup, or it is damaged"))?;
            let mut file = (&mut self.from).take(len);
            each(&name, len, &mut file)?;
            let rest = file.limit();
            let skip = rest + padding(len) as u64;
            let skipped = io::copy(&mut (&mut self.from).take(skip), &mut io::sink())?;
            if skipped != skip {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
    }
}

fn entry(block: &[u8; BLOCK]) -> Option<(String, u64)> {
    let text = |at: usize, len: usize| {
        let field = &block[at..at + len];
        let end = field.iter().position(|byte| *byte == 0).unwrap_or(len);
        std::str::from_utf8(&field[..end]).ok().map(str::trim)
    };
    let octal = |at: usize, len: usize| u64::from_str_radix(text(at, len)?, 8).ok();
    let plain: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
    let own: u64 = block[148..156].iter().map(|byte| u64::from(*byte)).sum();
    if octal(148, 8)? != plain - own + 8 * u64::from(b' ') || !matches!(block[156], b'0' | 0) {
        return None;
    }
    let (prefix, name) = (text(345, MAX_PREFIX)?, text(0, MAX_NAME)?);
    let name = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
    Some((name, octal(124, 12)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_damage_is_noticed() {
        let long = format!("runs/{}/{}.json", "r".repeat(90), "x".repeat(60));
        let files = [("a.txt", b"hello".to_vec()), ("b", Vec::new()), (long.as_str(), vec![7; 1_300])];
        let mut tar = Writer::new(Vec::new());
        for (name, bytes) in &files {
            tar.file((name, bytes.len() as u64, 1), &mut bytes.as_slice()).unwrap();
        }
        assert!(tar.file(("short", 9, 1), &mut &b"12"[..]).is_err());
        let mut tar = Writer::new(Vec::new());
        for (name, bytes) in &files {
            tar.file((name, bytes.len() as u64, 1), &mut bytes.as_slice()).unwrap();
        }
        let archive = tar.finish().unwrap();
        let mut seen = Vec::new();
        Reader::new(archive.as_slice())
            .each(|name, len, file| {
                let mut bytes = Vec::new();
                // The second one is skipped, not read.
                if len != 5 {
                    file.read_to_end(&mut bytes)?;
                }
                seen.push((name.to_owned(), len, bytes.len()));
                Ok::<_, io::Error>(())
            })
            .unwrap();
        assert_eq!(seen, [("a.txt".into(), 5, 0), ("b".into(), 0, 0), (long.clone(), 1_300, 1_300)]);
        let read = |bytes: &[u8]| Reader::new(bytes).each(|_, _, _| Ok::<_, io::Error>(()));
        assert!(read(&archive[..archive.len() - 1_600]).is_err(), "cut");
        let mut damaged = archive.clone();
        damaged[3] ^= 1;
        assert!(read(&damaged).is_err());
    }
}
