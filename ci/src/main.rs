//! The command line of ikeproof: reads it, starts what it asks for, and ends with an exit status.
//!
//! Results go to standard output; errors, progress and logs go to standard error. A command returns
//! its exit status, or a [`Stop`] that says what is wrong and has a status of its own.

mod bench;
mod cli;
mod decode;
mod exit;
mod gate;
mod host;
mod library;
mod list;
mod progress;
mod replay;
mod run;
mod secrets;
mod serve;
mod signals;
mod stdout;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use tracing_subscriber::EnvFilter;

use crate::cli::{Cli, Command, ImagesCommand};
use crate::exit::Stop;

fn main() -> ExitCode {
    let cli = Cli::parse();
    start_logging(cli.verbose);
    plain_errors();
    let ended = start_runtime().and_then(|runtime| {
        let ended = runtime.block_on(dispatch(cli.command, cli.verbose));
        // A thread that waits for a full pipe must not keep the process.
        runtime.shutdown_background();
        ended
    });
    ended.unwrap_or_else(|stop| {
        // If standard error has gone there is nobody left to tell.
        let _ = writeln!(std::io::stderr(), "{}", stop.for_people());
        stop.code()
    })
}

async fn dispatch(command: Command, verbose: u8) -> Result<ExitCode, Stop> {
    match command {
        Command::Run(args) => run::run(args).await,
        Command::List(args) => list::list(&args),
        Command::Explain(args) => list::explain(&args),
        Command::Serve(args) => serve::run(*args).await,
        Command::Replay(args) => replay::run(&args),
        Command::Decode(args) => decode::run(&args, verbose > 0),
        Command::Gate(args) => gate::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Doctor => host::doctor().await,
        Command::Images(args) => match args.command {
            ImagesCommand::Build => host::build_images(verbose > 0).await,
        },
    }
}

fn start_runtime() -> Result<tokio::runtime::Runtime, Stop> {
    let made = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    made.map_err(|error| Stop::Infrastructure(format!("the runtime cannot be started: {error}")))
}

/// Lines of errors with places in files are never broken: scripts and people search them for words.
fn plain_errors() {
    let hook = miette::set_hook(Box::new(|_| {
        Box::new(miette::MietteHandlerOpts::new().wrap_lines(false).build())
    }));
    // It is set once, at the start.
    drop(hook);
}

/// What `-v` shows goes to standard error; `RUST_LOG` overrides it.
fn start_logging(verbose: u8) {
    let level = match verbose {
        0 => "error",
        1 => {
            "warn,ikeproof=debug,ikeproof_driver=debug,ikeproof_scenarios=debug,ikeproof_vendors=debug"
        }
        _ => "trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}
