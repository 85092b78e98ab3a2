//! Signs of life during long work: nothing for the first 250 ms, then a calm line.
//!
//! Without a terminal a wait is one plain line; with `-q` it is silent, and with `--json` stderr stays quiet too.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Ui;

/// How long work may take before anything is drawn.
pub(super) const CALM: Duration = Duration::from_millis(250);

/// A wait of unknown length, shown while this lives.
#[derive(Debug)]
pub(crate) struct Waiting {
    stop: std::sync::mpsc::Sender<()>,
    drawer: Option<std::thread::JoinHandle<()>>,
}

impl Waiting {
    /// Begins to wait for what `text` says.
    pub(crate) fn begin(ui: Ui, text: &str) -> Self {
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        if ui.quiet || ui.json {
            return Self { stop, drawer: None };
        }
        let (text, draws) = (text.to_owned(), ui.draws());
        let drawer = std::thread::spawn(move || {
            if stopped.recv_timeout(CALM) != Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                return;
            }
            if !draws {
                super::talk(&text);
                return;
            }
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.set_style(ProgressStyle::default_spinner());
            bar.set_message(text);
            bar.enable_steady_tick(Duration::from_millis(120));
            // Any answer, also a dropped sender, means that the work is over.
            let _ = stopped.recv();
            bar.finish_and_clear();
        });
        Self { stop, drawer: Some(drawer) }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // A drawer that has already gone needs no telling, and one that panicked has nothing left to clear.
        let _ = self.stop.send(());
        if let Some(drawer) = self.drawer.take() {
            let _ = drawer.join();
        }
    }
}
