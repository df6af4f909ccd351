//! What this process takes of the machine, where the system says so cheaply (`/proc` of Linux).

use std::fs;

use serde::{Deserialize, Serialize};

/// Clock ticks a second in `/proc/self/stat`: `USER_HZ`, which Linux keeps at 100 on every architecture it still runs
/// on, so that files like this one mean the same everywhere.
const TICKS_PER_SECOND: f64 = 100.0;

/// What a process takes. Absent where the system does not say.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Bytes of memory that are in use.
    pub resident_bytes: Option<u64>,
    /// CPU time since it started, all threads together.
    pub cpu_seconds: Option<f64>,
    /// Open files and sockets.
    pub open_files: Option<u64>,
}

impl Usage {
    /// As it is now. Reads three small files.
    pub fn now() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let files = fs::read_dir("/proc/self/fd").ok();
        Self {
            resident_bytes: resident_bytes(&status),
            cpu_seconds: cpu_seconds(&stat),
            open_files: files.map(|files| files.count() as u64),
        }
    }
}

/// `VmRSS:      1234 kB`
fn resident_bytes(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    kilobytes.checked_mul(1024)
}

/// The fields `utime` and `stime`, 14 and 15 (proc(5)). The second one, in parentheses, may hold anything.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) as f64 / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_the_system_are_read_as_they_are_written() {
        assert_eq!(
            resident_bytes("VmHWM:\t 9 kB\nVmRSS:\t   2048 kB\n"),
            Some(2 << 20)
        );
        let stat = "7 (a) b) c) S 1 7 7 0 -1 4194560 900 0 1 0 250 50 0 0 20 0 5 0 100 1000 300";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(cpu_seconds("nothing"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_takes_something() {
        let usage = Usage::now();
        assert!(usage.resident_bytes > Some(1 << 20), "{usage:?}");
        assert!(usage.open_files > Some(2), "{usage:?}");
        assert!(usage.cpu_seconds.is_some(), "{usage:?}");
    }
}
