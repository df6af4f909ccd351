//! Storms and soaks: the real program, real sockets, and all that can go wrong at once.
//!
//! A **storm** ([`storm`]) starts the program many times and ends it in the midst of its work, while the orgs that it
//! reads answer a share of all requests wrongly, lose cursors, replace tokens and tell a wrong time, and while disks fill
//! up, syncs fail and files are rotated. When it is over, every event that an org persisted must stand once, byte for
//! byte, in each output. One seed decides everything but the machine's own timing, and a seed that fails is printed with
//! the command that tries it again.
//!
//! A **soak** ([`soak`]) reads for minutes as fast as the machine can, and looks at what the program takes meanwhile.
//!
//! `cargo test` runs a short form of each. The long forms are `tests/storm` and `tests/soak`; both say what they can do
//! with `--help`.
//!
//! The modules, in the order in which a storm meets them:
//!
//! - `settings`: what was asked for, and what the seed decides; `plan`: the program's lives, one after the other.
//! - `home`: a folder, a configuration, the program; `org`: the orgs that it reads; `disk`: disks that fail.
//! - `life`: one life, from its start to its end; `rotation`: a rotation in the midst of the work.
//! - `judge`: what must be true in the end; `tally`: what happened, for people and for tests of the harness itself.
//! - `sample`: what the program takes at a moment, for soaks.

#[cfg(test)]
mod disk;
#[cfg(test)]
mod home;
#[cfg(test)]
mod judge;
#[cfg(test)]
mod life;
#[cfg(test)]
mod org;
#[cfg(test)]
mod plan;
#[cfg(test)]
mod rotation;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod soak;
#[cfg(test)]
mod storm;
#[cfg(test)]
mod tally;
