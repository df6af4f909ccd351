//! What the program takes of the machine, looked at again and again.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::home::Home;

/// One moment.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sample {
    /// Seconds since the soak began.
    pub(crate) at: f64,
    /// MiB of memory in use.
    pub(crate) memory: f64,
    /// Open files and sockets.
    pub(crate) files: f64,
    /// Threads.
    pub(crate) threads: f64,
    /// Records that wait for the output.
    pub(crate) queued: f64,
    /// Records that were read.
    pub(crate) read: f64,
    /// Records of which the ledger knows.
    pub(crate) ledger: f64,
    /// MiB of the state on the disk.
    pub(crate) state: f64,
    /// MiB of the plugin's memory.
    pub(crate) plugin: f64,
}

/// A column of the table: its name, and what stands in it.
pub(crate) type Column = (&'static str, fn(&Sample) -> f64);

/// All of them.
pub(crate) const COLUMNS: [Column; 9] = [
    ("seconds", |sample| sample.at),
    ("memory_mib", |sample| sample.memory),
    ("open_files", |sample| sample.files),
    ("threads", |sample| sample.threads),
    ("queued_records", |sample| sample.queued),
    ("records", |sample| sample.read),
    ("ledger_records", |sample| sample.ledger),
    ("state_mib", |sample| sample.state),
    ("plugin_mib", |sample| sample.plugin),
];

/// Those that must not grow: what takes memory or descriptors, and how much more there may be in the end, besides a
/// tenth.
pub(crate) const FLAT: [(Column, f64); 4] = [
    (COLUMNS[1], 8.0),
    (COLUMNS[2], 8.0),
    (COLUMNS[3], 4.0),
    (COLUMNS[8], 4.0),
];

impl Sample {
    /// As a running program says itself, and as the system says of it.
    pub(crate) fn take(home: &Home, pid: u32, at: Duration) -> Option<Self> {
        let output = home.run(&["status", "--json"]);
        let found: Value = serde_json::from_slice(&output.stdout).ok()?;
        let host = &found["host"];
        let number = |pointer: &str| host.pointer(pointer).and_then(Value::as_f64);
        let mib = |pointer: &str| number(pointer).map(|bytes| bytes / f64::from(1 << 20));
        Some(Self {
            at: at.as_secs_f64(),
            memory: mib("/process/usage/resident_bytes")?,
            files: number("/process/usage/open_files")?,
            threads: threads(pid)?,
            queued: number("/outputs/0/queued_records")?,
            read: number("/sources/0/records")?,
            ledger: number("/sources/0/ledger/records")?,
            state: bytes_below(&home.path(".logweir")) as f64 / f64::from(1 << 20),
            plugin: mib("/sources/0/plugin/memory_bytes")?,
        })
    }
}

fn threads(pid: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("Threads:"))?;
    line.trim().parse().ok()
}

fn bytes_below(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(found) if found.is_dir() => bytes_below(&entry.path()),
            Ok(found) => found.len(),
            Err(_) => 0,
        })
        .sum()
}

/// The table for people and for other programs.
pub(crate) fn csv(samples: &[Sample]) -> String {
    let names = COLUMNS.map(|(name, _)| name).join(",");
    let mut text = format!("{names}\n");
    for sample in samples {
        let row = COLUMNS.map(|(_, value)| format!("{:.3}", value(sample)));
        writeln!(text, "{}", row.join(",")).unwrap();
    }
    text
}

/// The middle one of these.
pub(crate) fn median(samples: &[Sample], (_, value): Column) -> f64 {
    let mut values: Vec<_> = samples.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// A fifth of all samples, from 0 to 4.
pub(crate) fn fifth(samples: &[Sample], number: usize) -> &[Sample] {
    let length = samples.len() / 5;
    &samples[number * length..(number + 1) * length]
}

/// How much more a minute it becomes, by the line that fits best.
pub(crate) fn slope(samples: &[Sample], (_, value): Column) -> f64 {
    let count = samples.len() as f64;
    let mean = |of: &dyn Fn(&Sample) -> f64| samples.iter().map(of).sum::<f64>() / count;
    let (at, level) = (mean(&|sample| sample.at), mean(&|sample| value(sample)));
    let product = |sample: &Sample| (sample.at - at) * (value(sample) - level);
    let square = |sample: &Sample| (sample.at - at).powi(2);
    let (products, squares): (f64, f64) = (
        samples.iter().map(product).sum(),
        samples.iter().map(square).sum(),
    );
    60.0 * products / squares
}

/// What grew that must not, a line each: the last fifth is compared with the second one, as the first is for warming up.
pub(crate) fn grown(samples: &[Sample]) -> Vec<String> {
    let grown = FLAT.into_iter().filter_map(|(column, more)| {
        let before = median(fifth(samples, 1), column);
        let after = median(fifth(samples, 4), column);
        let bound = before * 1.1 + more;
        let (name, _) = column;
        (after > bound).then(|| format!("{name} grew from {before:.1} to {after:.1}"))
    });
    grown.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(memory: impl Fn(f64) -> f64) -> Vec<Sample> {
        let at = (0..100).map(f64::from);
        at.map(|at| Sample {
            at,
            memory: memory(at),
            ..Sample::default()
        })
        .collect()
    }

    #[test]
    fn what_grows_is_told_from_what_is_only_uneven() {
        let leaks = samples(|at| 30.0 + at / 4.0);
        assert_eq!(grown(&leaks).len(), 1, "{:?}", grown(&leaks));
        let uneven = samples(|at| if at < 15.0 { 10.0 } else { 30.0 + at % 7.0 });
        assert_eq!(grown(&uneven), Vec::<String>::new());
    }

    #[test]
    fn a_slope_is_what_becomes_more_in_a_minute() {
        let rising = slope(&samples(|at| at / 60.0), COLUMNS[1]);
        assert!((rising - 1.0).abs() < 1e-9, "{rising}");
    }
}
