//! The lives of the program in a storm, drawn from the seed before it begins.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use crate::settings::Settings;

/// One life of the program.
#[derive(Debug, Clone)]
pub(crate) struct Life {
    /// What happens besides the faults of the orgs.
    pub(crate) trouble: Trouble,
    /// The org that it happens to, if it happens to one.
    pub(crate) org: usize,
    /// When it ends.
    pub(crate) moment: Moment,
    /// How it ends.
    pub(crate) end: End,
}

/// What happens in a life besides the faults that requests meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Nothing more.
    None,
    /// An org knows none of the cursors any more that it gave.
    CursorsLost,
    /// A token holds no more. An API token is replaced after a while; an app can get a new one at once.
    TokenGone {
        /// How long it takes a person to put the new one into its file.
        noticed: Duration,
    },
    /// An org's clock tells another time from now on.
    ClockJumps {
        /// By so many seconds it is ahead of the right one.
        ahead: i64,
    },
    /// One of the two disks has no room left.
    DiskFull {
        /// Whether it has room again before this life ends.
        heals: bool,
    },
    /// Syncs of files fail.
    SyncsFail {
        /// So many.
        times: u32,
        /// Of which ones.
        of: Synced,
    },
    /// An output's file is rotated away.
    Rotation,
}

/// Whose syncs fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Synced {
    /// The outputs'.
    Outputs,
    /// The state's.
    State,
}

/// When a life ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Moment {
    /// When so much was written: a share of what each life should write, so that in the end most is.
    Written {
        /// 1 is what each life should write.
        share: f64,
        /// So much later: nothing is written at the very moment that is looked at.
        and: Duration,
    },
    /// So long after its start, whatever it does.
    Passed(Duration),
}

/// How a life ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// At once.
    Killed,
    /// At once, so long after it was asked to stop.
    KilledWhileStopping(Duration),
    /// As asked by SIGTERM, with all delivered that was read.
    Terminated,
    /// As asked by SIGINT.
    Interrupted,
    /// As asked twice: without delay.
    AskedTwice,
}

impl End {
    /// Whether the program has no say in it.
    pub(crate) fn is_a_kill(self) -> bool {
        matches!(self, Self::Killed | Self::KilledWhileStopping(_))
    }
}

/// The lives of a storm: as many as it takes for the kills that were asked for.
pub(crate) fn lives(settings: &Settings) -> Vec<Life> {
    let mut random = StdRng::seed_from_u64(settings.seed);
    let (mut lives, mut kills) = (Vec::new(), 0);
    let mut troubles = Vec::new();
    while kills < settings.kills {
        if troubles.is_empty() {
            troubles = deck(&mut random);
        }
        let trouble = troubles.pop().unwrap_or(Trouble::None);
        let life = Life {
            trouble,
            org: random.random_range(0..settings.orgs),
            moment: moment(&mut random),
            end: end(&mut random, lives.len()),
        };
        // A rotation has two lives of its own, which end as they should.
        kills += usize::from(life.end.is_a_kill() && trouble != Trouble::Rotation);
        lives.push(life);
    }
    lives
}

/// Every trouble once, among as many quiet lives.
fn deck(random: &mut StdRng) -> Vec<Trouble> {
    let ahead = [-7_200, -90, 45, 3_600][random.random_range(0..4)];
    let outputs = Trouble::SyncsFail {
        times: random.random_range(1..4),
        of: Synced::Outputs,
    };
    let state = Trouble::SyncsFail {
        times: random.random_range(1..3),
        of: Synced::State,
    };
    let mut deck = vec![
        Trouble::CursorsLost,
        Trouble::CursorsLost,
        Trouble::TokenGone {
            noticed: Duration::from_millis(random.random_range(0..900)),
        },
        Trouble::ClockJumps { ahead },
        Trouble::ClockJumps { ahead: 0 },
        Trouble::DiskFull { heals: true },
        Trouble::DiskFull { heals: false },
        outputs,
        state,
        Trouble::Rotation,
    ];
    deck.extend([Trouble::None; 10]);
    deck.shuffle(random);
    deck
}

fn moment(random: &mut StdRng) -> Moment {
    if random.random_range(0..6) == 0 {
        // Before the first request too.
        return Moment::Passed(Duration::from_millis(random.random_range(0..120)));
    }
    Moment::Written {
        share: random.random_range(0.0..2.2),
        and: Duration::from_micros(random.random_range(0..3_000)),
    }
}

fn end(random: &mut StdRng, number: usize) -> End {
    match number % 12 {
        3 => End::Terminated,
        7 => End::Interrupted,
        9 => End::AskedTwice,
        5 | 11 => End::KilledWhileStopping(Duration::from_micros(random.random_range(0..40_000))),
        _ => End::Killed,
    }
}
