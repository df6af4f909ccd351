//! What Logweir is compared with: the same work in native Rust, without plugins, and the same work side by side.
//!
//! - [`pull`]: HTTP → page split → file, as a careful programmer would write it for this one purpose.
//! - [`micro`]: what one event costs in a component, and natively.
//! - [`values`]: how a page is split without the plugin's scanner.

use std::io::Write;

use clap::Parser;

mod micro;
mod pull;
mod values;

// As in `logweir`: two allocators would be what is compared.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The same work as Logweir's, without plugins; what tests/bench compares with.
#[derive(Debug, Parser)]
enum Command {
    /// Read everything an org has into a file, a line an event; say how many.
    Pull(pull::Args),
    /// Time one event's work in a component and natively; print JSON.
    Micro(micro::Args),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // As in `logweir`.
    #[cfg(target_os = "linux")]
    rustix::thread::disable_transparent_huge_pages(true)?;
    let told = match Command::parse() {
        Command::Pull(args) => pull::run(&args).await?.to_string(),
        Command::Micro(args) => serde_json::to_string_pretty(&micro::run(&args).await?)?,
    };
    writeln!(std::io::stdout(), "{told}")?;
    Ok(())
}
