//! The simulated org as a program.

mod args;

use std::io::{self, Write};

use anyhow::Context;
use clap::Parser;
use okta_sim::Org;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use args::Args;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let tls = args.tls()?;
    let org = Org::new(args.org()?);
    let listener = TcpListener::bind(&args.listen)
        .await
        .with_context(|| format!("cannot listen on {}", args.listen))?;
    let running = match &tls {
        None => org.serve(listener)?,
        Some(tls) => org.serve_tls(listener, tls)?,
    };
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "listening on {}", running.url())?;
    stdout.flush()?;
    drop(stdout);
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminated.recv() => {}
    }
    running.shutdown().await;
    Ok(())
}
