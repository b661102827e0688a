//! Results on standard output. A reader that has gone, such as `head`, is no error.

use std::io::{ErrorKind, Write as _};
use std::process::ExitCode;

use crate::exit::{HELD, Stop};

/// Prints and ends well.
///
/// # Errors
/// If it cannot be written.
pub fn print(text: &str) -> Result<ExitCode, Stop> {
    write(text)?;
    Ok(ExitCode::from(HELD))
}

/// Prints.
///
/// # Errors
/// If it cannot be written.
pub fn write(text: &str) -> Result<(), Stop> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Stop::Infrastructure(format!("standard output cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}
