//! Progress bars on stderr, if it is a terminal.

use std::io::IsTerminal as _;
use std::sync::{Mutex, PoisonError};

use artifact_ingestion::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Draws one bar at a time: the bytes of the part of the work that is under way.
pub(crate) struct Bars {
    visible: bool,
    current: Mutex<Option<ProgressBar>>,
}

impl Bars {
    pub(crate) fn new(quiet: bool) -> Self {
        Self { visible: !quiet && std::io::stderr().is_terminal(), current: Mutex::new(None) }
    }

    fn with(&self, f: impl FnOnce(&ProgressBar)) {
        if let Some(bar) = &*self.current.lock().unwrap_or_else(PoisonError::into_inner) {
            f(bar);
        }
    }
}

impl Progress for Bars {
    fn begin(&self, what: &'static str, files: u64, bytes: u64) {
        if !self.visible {
            return;
        }
        let template = "{prefix} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
        let style =
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr())
            .with_style(style)
            .with_prefix(format!("{what} {files} files"));
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar);
    }

    fn bytes(&self, bytes: u64) {
        self.with(|bar| bar.inc(bytes));
    }

    fn file(&self) {}

    fn end(&self) {
        self.with(ProgressBar::finish_and_clear);
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
