//! The simulated org over real sockets: each behaviour that collectors of Okta logs met, or should have.

#[cfg(test)]
mod client;
#[cfg(test)]
mod control;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod oauth;
#[cfg(test)]
mod others;
#[cfg(test)]
mod paging;
#[cfg(test)]
mod program;
#[cfg(test)]
mod refusals;
