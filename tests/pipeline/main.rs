//! The pipeline with real state, real dead letter and real files, between scripted sources and destinations.

#[cfg(test)]
mod audit;
#[cfg(test)]
mod backfill;
#[cfg(test)]
mod change;
#[cfg(test)]
mod crowd;
#[cfg(test)]
mod destination;
#[cfg(test)]
mod ends;
#[cfg(test)]
mod errands;
#[cfg(test)]
mod habits;
#[cfg(test)]
mod house;
#[cfg(test)]
mod journal;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod once;
#[cfg(test)]
mod outputs;
#[cfg(test)]
mod overlap;
#[cfg(test)]
mod readers;
#[cfg(test)]
mod stuck;
#[cfg(test)]
mod system;
#[cfg(test)]
mod unwritable;
