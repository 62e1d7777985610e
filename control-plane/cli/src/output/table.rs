//! Columns for people.

use comfy_table::{CellAlignment, ContentArrangement, presets};

/// On which side a column's values stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// A table with a header line, without frames, as wide as it needs to be.
#[derive(Debug)]
pub(crate) struct Table {
    inner: comfy_table::Table,
    rows: usize,
}

impl Table {
    /// A table with these columns.
    pub(crate) fn new(columns: &[(&str, Align)]) -> Self {
        let mut inner = comfy_table::Table::new();
        inner
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Disabled)
            .set_header(columns.iter().map(|(name, _)| name.to_uppercase()));
        for (column, (_, align)) in inner.column_iter_mut().zip(columns) {
            column.set_padding((0, 2));
            if *align == Align::Right {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        Self { inner, rows: 0 }
    }

    /// Adds a row.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.cells(cells.into());
    }

    /// Adds a row of any length.
    pub(crate) fn cells(&mut self, cells: Vec<String>) {
        self.inner.add_row(cells);
        self.rows += 1;
    }

    /// The text, or `empty` where there is no row.
    pub(crate) fn render(&self, empty: &str) -> String {
        if self.rows == 0 {
            return format!("{empty}\n");
        }
        let mut text = String::new();
        for line in self.inner.lines() {
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
    fn columns_align_and_lines_end_where_their_text_does() {
        let mut table = Table::new(&[("name", Align::Left), ("count", Align::Right)]);
        assert_eq!(table.render("nothing"), "nothing\n");
        table.row(["a".into(), "1".into()]);
        table.row(["long name".into(), "1 000".into()]);
        assert_eq!(table.render(""), "NAME       COUNT\na              1\nlong name  1 000\n");
    }
}
