//! Columns for people. Cells are escaped here, so a caller cannot forget it.

use unicode_width::UnicodeWidthStr as _;

use super::escape;

/// Rows under a heading, columns as wide as their widest cell.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these column headings.
    pub(crate) fn new(heading: &[&str]) -> Self {
        Self { rows: vec![heading.iter().map(ToString::to_string).collect()] }
    }

    /// Appends a row.
    pub(crate) fn row<S: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(cells.into_iter().map(|cell| escape(cell.as_ref()).into_owned()).collect());
    }

    /// The text, every line ended.
    pub(crate) fn render(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|column| {
                self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max().unwrap_or(0)
            })
            .collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                line.push_str(cell);
                line.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.width()) + 2));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_the_width_of_the_letters() {
        let mut table = Table::new(&["NAME", "SINCE"]);
        table.row(["alice", "2026-01-02"]);
        table.row(["報告", "2026-01-03"]);
        assert_eq!(table.render(), "NAME   SINCE\nalice  2026-01-02\n報告   2026-01-03\n");
    }

    #[test]
    fn a_cell_cannot_break_its_line() {
        let mut table = Table::new(&["NAME"]);
        table.row(["a\nb\u{1b}[31m"]);
        assert_eq!(table.render().lines().count(), 2);
        assert!(!table.render().contains('\u{1b}'));
    }
}
