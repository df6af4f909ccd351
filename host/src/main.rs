//! The `logweir` command.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod cli;

fn main() -> ExitCode {
    without_huge_pages();
    cli::main()
}

/// The allocator asks for pages of 2 MiB, most of which it touches in part alone: a third of the memory at full speed,
/// for no time saved that could be measured. Where the system can't do without, nothing is lost.
fn without_huge_pages() {
    #[cfg(target_os = "linux")]
    rustix::thread::disable_transparent_huge_pages(true).ok();
}
