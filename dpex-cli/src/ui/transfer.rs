//! Progress of many files at once: a line for each that is under way and one for all.
//!
//! On a terminal the lines move, beginning after 250 ms; without one, each file is a plain line when it ends, or each for
//! which something was done, where there may be many others. With `-q` there are only those that failed, and with `--json`
//! each beginning, end, and second of a file is a record.
//!
//! What is told of many small files is gathered, and handed out by [`Transfers::flush`] in one piece.

use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};

use super::progress::CALM;
use super::{Ui, escape, record_line, size};
use crate::error::CliResult;

/// How often a program is told about the same file.
const EVERY: Duration = Duration::from_secs(1);
/// Lines of single files at once. More would not fit on a screen, and those of small files come and go unread.
const MOST_LINES: usize = 8;
/// Bytes of lines that are gathered at most.
const MOST_GATHERED: usize = 64 * 1024;
/// How often the screen is drawn.
const FRAMES_A_SECOND: u8 = 8;

/// All the files of one command.
#[derive(Debug)]
pub(crate) struct Transfers {
    ui: Ui,
    lines: MultiProgress,
    all: ProgressBar,
    begun: Instant,
    shown: bool,
    /// Files for which nothing had to be done are only counted.
    terse: bool,
    /// Lines of single files among them.
    drawn: usize,
    /// What is told, and not handed out: records with `--json`, and else lines for people.
    gathered: String,
}

/// One file under way.
#[derive(Debug)]
pub(crate) struct Transfer {
    path: String,
    size: u64,
    have: u64,
    /// Its line, if it is among those that are drawn.
    line: Option<ProgressBar>,
    told: Option<Instant>,
}

/// How a file ended.
#[derive(Clone, Debug)]
pub(crate) enum End {
    /// Complete, verified, and under its name.
    Done {
        /// The file's plain BLAKE3 hash, in hexadecimal.
        hash: String,
        /// Its name, if that is another than was asked for.
        renamed: Option<String>,
    },
    /// Nothing had to be done, and why.
    Skipped(String),
    /// It is not there, and why.
    Failed(String),
}

impl Transfer {
    /// Bytes of it that are still to come.
    pub(crate) fn missing(&self) -> u64 {
        self.size.saturating_sub(self.have)
    }
}

impl Transfers {
    /// Begins to show so many bytes.
    pub(crate) fn begin(ui: Ui, bytes: u64, now: Instant) -> Self {
        let lines = MultiProgress::with_draw_target(ProgressDrawTarget::hidden());
        let all = lines.add(ProgressBar::new(bytes));
        all.set_style(style("{bar:30} {decimal_bytes} of {decimal_total_bytes}, {decimal_bytes_per_sec}, {eta} left"));
        Self { ui, lines, all, begun: now, shown: false, terse: false, drawn: 0, gathered: String::new() }
    }

    /// Gives files for which nothing has to be done no line of their own, except to somebody who asked for more with `-v`.
    pub(crate) fn tersely(mut self) -> Self {
        self.terse = !self.ui.verbose;
        self
    }

    /// A file begins, of which `have` bytes were there already.
    pub(crate) fn start(&mut self, path: &str, bytes: u64, have: u64) -> CliResult<Transfer> {
        if have > 0 {
            self.all.inc(have);
        }
        if self.ui.json {
            self.record("start", &json!({ "path": path, "size": bytes, "have": have }))?;
        }
        Ok(Transfer { path: path.to_owned(), size: bytes, have, line: None, told: None })
    }

    fn record(&mut self, kind: &str, fields: &Value) -> CliResult {
        self.gathered.push_str(&record_line(kind, fields));
        self.flush_if_full()
    }

    fn tell(&mut self, line: &str) -> CliResult {
        self.gathered.push_str(line);
        self.gathered.push('\n');
        self.flush_if_full()
    }

    fn flush_if_full(&mut self) -> CliResult {
        if self.gathered.len() < MOST_GATHERED { Ok(()) } else { self.flush() }
    }

    /// Hands out what was told so far; to be called before anything is waited for.
    pub(crate) fn flush(&mut self) -> CliResult {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let text = std::mem::take(&mut self.gathered);
        if self.ui.json {
            return self.ui.answer(&text);
        }
        self.lines.suspend(|| super::talk(text.trim_end_matches('\n')));
        Ok(())
    }

    /// A file goes on with so many bytes that an earlier try has left.
    pub(crate) fn resume(&mut self, file: &mut Transfer, held: u64) -> CliResult {
        self.all.inc(held.saturating_sub(file.have));
        file.have = held;
        if self.ui.json {
            return self.record("resume", &json!({ "path": file.path, "size": file.size, "have": held }));
        }
        self.note(&file.path, &format!("goes on, {} are here", size(held)))
    }

    /// Says something about a file that goes on.
    pub(crate) fn note(&mut self, path: &str, what: &str) -> CliResult {
        if self.ui.json {
            return self.record("note", &json!({ "path": path, "text": what }));
        }
        if self.ui.quiet { Ok(()) } else { self.tell(&format!("{}  {what}", escape(path))) }
    }

    /// A file is to be tried again: what was shown of it is taken back.
    pub(crate) fn put_back(&mut self, file: &Transfer) {
        self.clear(file);
        self.all.set_position(self.all.position().saturating_sub(file.have));
    }

    fn clear(&mut self, file: &Transfer) {
        if let Some(line) = &file.line {
            line.finish_and_clear();
            self.drawn -= 1;
        }
    }

    /// Draws a line for a file that takes its time, if there is room. What was there already is no speed.
    fn draw(&mut self, file: &mut Transfer) {
        if file.line.is_some() || self.drawn >= MOST_LINES {
            return;
        }
        self.drawn += 1;
        let line = self.lines.insert_before(&self.all, ProgressBar::new(file.size));
        line.set_position(file.have);
        line.reset_eta();
        line.set_style(style("  {msg} {percent}% of {decimal_total_bytes}, {decimal_bytes_per_sec}"));
        line.set_message(escape(&file.path).into_owned());
        file.line = Some(line);
    }

    /// A file has come so far.
    pub(crate) fn advance(&mut self, file: &mut Transfer, have: u64, now: Instant) -> CliResult {
        self.all.inc(have.saturating_sub(file.have));
        self.draw(file);
        file.have = have;
        if let Some(line) = &file.line {
            line.set_position(have);
        }
        if !self.shown && self.ui.draws() && now.saturating_duration_since(self.begun) >= CALM {
            self.shown = true;
            self.lines.set_draw_target(ProgressDrawTarget::stderr_with_hz(FRAMES_A_SECOND));
        }
        if self.ui.json && file.told.is_none_or(|told| now.saturating_duration_since(told) >= EVERY) {
            file.told = Some(now);
            self.record("progress", &json!({ "path": file.path, "size": file.size, "have": have }))?;
        }
        Ok(())
    }

    /// A file has ended.
    pub(crate) fn end(&mut self, file: &Transfer, end: &End) -> CliResult {
        self.clear(file);
        // Small files make no progress before they are whole.
        if let End::Done { .. } = end {
            self.all.inc(file.size.saturating_sub(file.have));
        }
        if self.ui.json {
            let record = match end {
                End::Done { hash, renamed } => {
                    let name = renamed.as_ref().unwrap_or(&file.path);
                    json!({ "path": file.path, "name": name, "size": file.size, "result": "done", "hash": hash })
                }
                End::Skipped(why) => json!({ "path": file.path, "result": "skipped", "why": why }),
                End::Failed(why) => json!({ "path": file.path, "result": "failed", "why": why }),
            };
            return self.record("file", &record);
        }
        let is_told = match end {
            // An error, and told to everybody.
            End::Failed(_) => true,
            End::Skipped(_) => !self.ui.quiet && !self.terse,
            End::Done { .. } => !self.ui.quiet,
        };
        if is_told {
            return self.tell(&ended(&file.path, file.size, end));
        }
        Ok(())
    }

    /// Hands out what was told, and clears the moving lines.
    pub(crate) fn finish(&mut self) -> CliResult {
        let flushed = self.flush();
        self.all.finish_and_clear();
        flushed
    }
}

impl Drop for Transfers {
    fn drop(&mut self) {
        // Of a command that failed: why, is told by somebody else.
        let _ = self.flush();
    }
}

/// Something that was asked for and never began, and why.
pub(crate) fn not_fetched(ui: Ui, path: &str, why: &str) -> CliResult {
    if ui.json {
        return ui.record("file", json!({ "path": path, "result": "failed", "why": why }));
    }
    super::talk(&ended(path, 0, &End::Failed(why.to_owned())));
    Ok(())
}

/// The plain line for a file that has ended.
fn ended(path: &str, bytes: u64, end: &End) -> String {
    let path = escape(path);
    match end {
        End::Done { hash, renamed: None } => format!("{path}  {}  {hash}", size(bytes)),
        End::Done { hash, renamed: Some(name) } => format!("{path}  {}  {hash}  as {}", size(bytes), escape(name)),
        End::Skipped(why) => format!("{path}  {}", escape(why)),
        End::Failed(why) => format!("{path}  failed: {}", escape(why)),
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates are constants, and a test builds each")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_counts_what_was_there_and_what_came() {
        let now = Instant::now();
        let mut all = Transfers::begin(Ui { quiet: true, ..Ui::default() }, 300, now);
        let mut one = all.start("one", 100, 40).expect("no output");
        let mut two = all.start("two", 200, 0).expect("no output");
        all.advance(&mut one, 100, now).expect("no output");
        all.advance(&mut two, 50, now).expect("no output");
        assert_eq!(all.all.position(), 150);
        assert!(!all.shown, "nothing is drawn at once");
        all.end(&one, &End::Skipped("already here".into())).expect("no output");
        assert_eq!(all.all.position(), 150, "such an end adds nothing");
        all.put_back(&two);
        assert_eq!(all.all.position(), 100);
        let mut two = all.start("two", 200, 0).expect("no output");
        all.resume(&mut two, 50).expect("no output");
        assert_eq!(all.all.position(), 150);
        all.end(&two, &End::Done { hash: String::new(), renamed: None }).expect("no output");
        assert_eq!(all.all.position(), 300, "what is whole counts whole");
        all.finish().expect("no output");
    }

    #[test]
    fn the_line_of_a_file_is_one_line_whatever_its_name() {
        let mut all = Transfers::begin(Ui { quiet: true, ..Ui::default() }, 1, Instant::now());
        let file = all.start("a\u{1b}[2J\nb", 1500, 0).expect("no output");
        for (end, expected) in [
            (End::Done { hash: "af13".into(), renamed: None }, "a\\u{1b}[2J\\u{a}b  1.5 KB  af13"),
            (End::Done { hash: "af13".into(), renamed: Some("c".into()) }, "a\\u{1b}[2J\\u{a}b  1.5 KB  af13  as c"),
            (End::Skipped("already here".into()), "a\\u{1b}[2J\\u{a}b  already here"),
            (End::Failed("x\ny".into()), "a\\u{1b}[2J\\u{a}b  failed: x\\u{a}y"),
        ] {
            assert_eq!(ended(&file.path, file.size, &end), expected);
        }
    }
}
