//! Progress of long work on standard error: bars and spinners on a terminal, plain lines elsewhere.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// Shows how several pieces of work go on, each by its name.
#[derive(Debug)]
pub struct Progress {
    terminal: bool,
    all: MultiProgress,
    bars: Mutex<HashMap<String, ProgressBar>>,
}

impl Progress {
    /// Nothing is under way yet.
    pub fn new() -> Self {
        let terminal = console_is_terminal();
        Self { terminal, all: MultiProgress::new(), bars: Mutex::new(HashMap::new()) }
    }

    /// Whether standard error is a terminal.
    pub const fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// A piece of work is at this; on a terminal only, where it replaces what was said before.
    pub fn at(&self, name: &str, text: &str) {
        if !self.terminal {
            return;
        }
        let mut bars = self.bars.lock().unwrap_or_else(PoisonError::into_inner);
        let bar = bars.entry(name.to_owned()).or_insert_with(|| {
            let bar = self.all.add(ProgressBar::new_spinner().with_prefix(name.to_owned()));
            // The template is a constant; without it the spinner looks plainer.
            if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix}: {wide_msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        bar.set_message(text.to_owned());
    }

    /// A piece of work is done, or has come to something worth a line of its own.
    pub fn line(&self, name: &str, text: &str) {
        if self.terminal {
            // The terminal may have gone; then nobody misses the line.
            let _ = self.all.println(format!("{name}: {text}"));
        } else {
            eprintln!("{name}: {text}");
        }
    }

    /// A piece of work is over.
    pub fn end(&self, name: &str) {
        let mut bars = self.bars.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = bars.remove(name) {
            bar.finish_and_clear();
        }
    }
}

fn console_is_terminal() -> bool {
    std::io::IsTerminal::is_terminal(&std::io::stderr())
}
