//! When changed files are taken up: when nobody has written to them for a moment, once for each content.
//!
//! Times of modification are compared, every few seconds, as those of secret files are. Events of the file system would
//! be faster, and silent on network file systems, for mounted configuration maps, and when too many come at once: they
//! would need this beside them.

use std::time::Duration;

use tokio::time::Instant;

/// How often what was refused is tried again: what was in its way may be gone, such as a secret that comes later.
const AGAIN: Duration = Duration::from_secs(30);

/// Watches the stamps of files ([`crate::config::stamp`]).
#[derive(Debug, Clone, Copy)]
pub struct FileWatch {
    /// As they were at the look before.
    before: u64,
    /// As they were when they were taken up, or could not be.
    taken: u64,
    /// When they were refused the newest time, if they were.
    refused: Option<Instant>,
}

impl FileWatch {
    /// What is there now is what the host does.
    pub fn new(stamp: u64) -> Self {
        Self {
            before: stamp,
            taken: stamp,
            refused: None,
        }
    }

    /// What is there is what the host does.
    pub fn applied(&mut self) {
        self.refused = None;
    }

    /// What is there was refused.
    pub fn refused(&mut self, now: Instant) {
        self.refused = Some(now);
    }

    /// Looks; says whether they are to be taken up now: they are other ones than those that were, or were refused a
    /// while ago; and the same as at the look before. Who is in the midst of writing has not finished a moment later.
    pub fn look(&mut self, stamp: u64, now: Instant) -> bool {
        let rests = stamp == self.before;
        self.before = stamp;
        let is_new = rests && stamp != self.taken;
        if is_new {
            self.taken = stamp;
        }
        let was_refused = self.refused.is_some_and(|at| now >= at + AGAIN);
        is_new || rests && was_refused
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::stamp;

    fn looks(stamps: &[u64]) -> Vec<usize> {
        let (mut watch, now) = (FileWatch::new(1), Instant::now());
        let taken = stamps.iter().enumerate();
        let taken = taken.filter_map(|(at, stamp)| watch.look(*stamp, now).then_some(at));
        taken.collect()
    }

    /// Looks every two seconds at files that are refused each time, and are as `stamp` says after so many seconds. When
    /// they were taken up.
    fn tries(stamp: impl Fn(u64) -> u64) -> Vec<u64> {
        let (mut watch, begin) = (FileWatch::new(1), Instant::now());
        let looks = (0..=100).step_by(2);
        let tried = looks.filter(|second| {
            let now = begin + Duration::from_secs(*second);
            let tries = watch.look(stamp(*second), now);
            if tries {
                watch.refused(now);
            }
            tries
        });
        tried.collect()
    }

    #[test]
    fn a_stamp_is_another_one_after_a_file_was_changed_came_or_went() {
        let folder = tempfile::tempdir().unwrap();
        let main = folder.path().join("logweir.yaml");
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let mut seen = vec![stamp(&main, &[])];
        write("logweir.yaml", "a");
        seen.push(stamp(&main, &[]));
        std::fs::create_dir(folder.path().join("logweir.d")).unwrap();
        write("logweir.d/one.yaml", "a");
        seen.push(stamp(&main, &[]));
        write("logweir.d/one.yaml", "ab");
        seen.push(stamp(&main, &[]));
        write("logweir.d/two.yml", "a");
        seen.push(stamp(&main, &[]));
        std::fs::remove_file(folder.path().join("logweir.d/one.yaml")).unwrap();
        seen.push(stamp(&main, &[]));
        let different: std::collections::HashSet<_> = seen.iter().collect();
        assert_eq!(different.len(), seen.len(), "{seen:?}");
        // A list that a template names may be anywhere.
        let list = folder.path().join("list.yaml");
        let with_list =
            |seen: &mut Vec<u64>| seen.push(stamp(&main, &[main.clone(), list.clone()]));
        with_list(&mut seen);
        std::fs::write(&list, "a").unwrap();
        with_list(&mut seen);
        let once = stamp(&main, std::slice::from_ref(&main));
        assert_eq!(once, stamp(&main, &[]));
        let different: std::collections::HashSet<_> = seen.iter().collect();
        assert_eq!(different.len(), seen.len(), "{seen:?}");
        // What is not read does not count.
        let before = stamp(&main, &[]);
        write("logweir.d/.two.yml.swp", "ab");
        write("logweir.d/notes.txt", "ab");
        assert_eq!(stamp(&main, &[]), before);
    }

    #[test]
    fn files_are_taken_up_once_when_they_rest() {
        assert_eq!(looks(&[1, 1, 1]), [0; 0]);
        assert_eq!(looks(&[2, 2, 2, 2]), [1]);
        assert_eq!(
            looks(&[2, 3, 4, 5, 5, 5]),
            [4],
            "not while they are written"
        );
        assert_eq!(looks(&[2, 2, 3, 3]), [1, 3]);
        assert_eq!(looks(&[2, 2, 1, 1]), [1, 3], "back to what was");
        assert_eq!(looks(&[2, 1, 1]), [0; 0], "never mind");
    }

    #[test]
    fn what_was_refused_is_tried_again_every_half_minute_although_no_file_changed() {
        assert_eq!(tries(|_| 2), [2, 32, 62, 92]);
        let put_right = |second| if second < 40 { 2 } else { 3 };
        assert_eq!(tries(put_right), [2, 32, 42, 72], "at once when it changes");
    }

    #[test]
    fn what_was_refused_is_not_tried_again_while_it_is_being_written() {
        let written = |second| match second {
            30..=50 => second,
            _ => 2,
        };
        assert_eq!(tries(written), [2, 54, 84]);
    }

    #[test]
    fn what_was_applied_after_all_is_not_tried_again() {
        let (mut watch, begin) = (FileWatch::new(1), Instant::now());
        watch.refused(begin);
        watch.applied();
        assert!((0..50).all(|minute| !watch.look(1, begin + Duration::from_secs(60) * minute)));
    }
}
