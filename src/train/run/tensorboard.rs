//! Event files that TensorBoard reads: protobuf events in the framing of TFRecord.
//!
//! A record is the length (u64, little endian), its masked CRC-32C, the bytes, their masked CRC-32C. Field numbers are those of
//! TensorFlow's `event.proto` and `summary.proto`.

use std::io::Write;
use std::path::Path;

use fs_err as fs;
use prost::Message;

#[derive(Clone, PartialEq, prost::Message)]
struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(oneof = "What", tags = "3, 5, 7")]
    what: Option<What>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum What {
    #[prost(string, tag = "3")]
    FileVersion(String),
    #[prost(message, tag = "5")]
    Summary(Summary),
    #[prost(message, tag = "7")]
    SessionLog(SessionLog),
}

#[derive(Clone, PartialEq, prost::Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<Value>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct SessionLog {
    #[prost(int32, tag = "1")]
    status: i32,
}

/// `SessionLog.START`: what an earlier, killed start wrote for later steps is forgotten by the reader.
const START: i32 = 1;

/// One event file, open for appending.
#[derive(Debug)]
pub struct Board {
    file: fs::File,
}

impl Board {
    /// A new file in `folder` for the steps from `step` on. `now`: milliseconds since 1970.
    ///
    /// # Errors
    /// What the file system says.
    pub fn create(folder: &Path, step: usize, now: u64) -> std::io::Result<Self> {
        fs::create_dir_all(folder)?;
        let file = (0..)
            .map(|n| folder.join(format!("events.out.tfevents.{:010}.shopclerk.{n}", now / 1000)))
            .find(|path| !path.exists())
            .ok_or_else(|| std::io::Error::other("no free name"))?;
        let mut board = Self { file: fs::File::create(file)? };
        board.write(now, 0, What::FileVersion("brain.Event:2".to_owned()))?;
        board.write(now, step as i64, What::SessionLog(SessionLog { status: START }))?;
        Ok(board)
    }

    /// Adds values of one step.
    ///
    /// # Errors
    /// A full disk.
    pub fn scalars(&mut self, now: u64, step: usize, values: &[(&str, f64)]) -> std::io::Result<()> {
        let value =
            |(tag, value): &(&str, f64)| Value { tag: (*tag).to_owned(), simple_value: Some(*value as f32) };
        self.write(now, step as i64, What::Summary(Summary { value: values.iter().map(value).collect() }))
    }

    fn write(&mut self, now: u64, step: i64, what: What) -> std::io::Result<()> {
        let event = Event { wall_time: now as f64 / 1000.0, step, what: Some(what) };
        self.file.write_all(&record(&event.encode_to_vec()))
    }
}

fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(data.len() + 16);
    record.extend(length);
    record.extend(masked(&length).to_le_bytes());
    record.extend(data);
    record.extend(masked(data).to_le_bytes());
    record
}

/// TFRecord's mask: the sum turned right by 15 bits, plus a constant.
fn masked(data: &[u8]) -> u32 {
    crc32c::crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first record of a file that TensorFlow's own writer made.
    #[test]
    fn a_record_is_framed_as_tensorflow_frames_it() {
        let event =
            Event { wall_time: 0.0, step: 0, what: Some(What::FileVersion("brain.Event:2".to_owned())) };
        let bytes = record(&event.encode_to_vec());
        assert_eq!(&bytes[..8], &15u64.to_le_bytes());
        assert_eq!(&bytes[12..14], [0x1a, 13]);
        assert_eq!(bytes.len(), 8 + 4 + 15 + 4);
    }
}
