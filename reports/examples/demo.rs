//! Writes the files of a made-up run, to look at the page and the other renderings.
//!
//! `cargo run -p ikeproof-reports --example demo -- DIR [WIDTH]` writes into DIR (`ikeproof-out/demo` if none
//! is given) and prints the terminal's table in the given width.

use std::{error::Error, path::PathBuf};

use ikeproof_reports::{TerminalOptions, terminal, write_run};

#[path = "../tests/fixture/demo.rs"]
mod demo;
#[path = "../tests/fixture/talk.rs"]
mod talk;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir = PathBuf::from(arguments.next().unwrap_or("ikeproof-out/demo".to_owned()));
    let width = arguments.next().map_or(Ok(100), |width| width.parse())?;
    let (report, timelines) = demo::demo();
    let written = write_run(&dir, &report, &timelines, &[])?;
    println!("{}", terminal(&report, &TerminalOptions { width, colour: false }));
    for warning in &written.warnings {
        println!("warning: {warning}");
    }
    println!("{} files, see {}", written.files.len(), dir.join("index.html").display());
    Ok(())
}
