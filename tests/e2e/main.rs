//! End-to-end tests: the real program, real components, a simulated org behind real sockets.
#![cfg_attr(
    test,
    expect(
        clippy::too_many_lines,
        clippy::string_slice,
        reason = "the pages that tests compare with are long, and what fails is told apart by where"
    )
)]

#[cfg(test)]
mod audit;
#[cfg(test)]
mod budget;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod connect;
#[cfg(test)]
mod connect_client;
#[cfg(test)]
mod control;
#[cfg(test)]
mod cursor;
#[cfg(test)]
mod dry_run;
#[cfg(test)]
mod echo;
#[cfg(test)]
mod either;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod house;
#[cfg(test)]
mod live;
#[cfg(test)]
mod many;
#[cfg(test)]
mod oauth;
#[cfg(test)]
mod oauth_input;
#[cfg(test)]
mod once;
#[cfg(test)]
mod operator;
#[cfg(test)]
mod org;
#[cfg(test)]
mod plugins;
#[cfg(test)]
mod proof;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod signals;
#[cfg(test)]
mod telemetry;
#[cfg(test)]
mod trust;
#[cfg(test)]
mod warm;
