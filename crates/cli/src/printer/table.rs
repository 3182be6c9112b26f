//! [`Table`]: aligned columns, no lines between them; cut to a terminal's width, never when piped.

use std::borrow::Cow;

use super::text::{Line, Style};

/// Columns between two columns.
const GAP: usize = 2;

/// How a column is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Set {
    /// Text.
    Left,
    /// Numbers.
    Right,
    /// Text that is cut where the terminal is too narrow.
    Flexible,
}

/// Rows under a heading.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    gap: usize,
    columns: Vec<(Cow<'static, str>, Set)>,
    rows: Vec<Vec<Line>>,
}

impl Table {
    /// A table of these columns, without rows.
    pub(crate) fn new<N: Into<Cow<'static, str>> + Clone>(columns: &[(N, Set)]) -> Self {
        let columns = columns.iter().map(|(name, set)| (name.clone().into(), *set)).collect();
        Self { gap: GAP, columns, rows: Vec::new() }
    }

    /// Adds a row: one cell for each column.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Line>) {
        let cells: Vec<Line> = cells.into_iter().collect();
        debug_assert_eq!(cells.len(), self.columns.len(), "a cell for each column");
        self.rows.push(cells);
    }

    /// The heading and the rows, at most `width` columns wide where a width is given.
    pub(crate) fn lines(&self, width: Option<usize>) -> Vec<Line> {
        let widths = self.widths(width);
        let heading = self.columns.iter().map(|(name, _)| Line::of(Style::Faint, name)).collect();
        std::iter::once(&heading).chain(&self.rows).map(|cells| self.set(cells, &widths)).collect()
    }

    fn widths(&self, width: Option<usize>) -> Vec<usize> {
        let widest = |at: usize| self.rows.iter().map(|row| row[at].width()).max().unwrap_or(0);
        let mut widths: Vec<usize> =
            self.columns.iter().enumerate().map(|(at, (name, _))| widest(at).max(name.len())).collect();
        let taken = |widths: &[usize]| widths.iter().sum::<usize>() + self.gap * widths.len().saturating_sub(1);
        let Some(limit) = width else { return widths };
        // The widest flexible column gives first, down to what its heading takes.
        while taken(&widths) > limit {
            let flexible = self.columns.iter().enumerate().filter(|(_, (_, set))| *set == Set::Flexible);
            let givers = flexible.filter(|(at, (name, _))| widths[*at] > name.len().max(8));
            let Some((widest, _)) = givers.max_by_key(|(at, _)| widths[*at]) else { break };
            widths[widest] -= 1;
        }
        widths
    }

    fn set(&self, cells: &[Line], widths: &[usize]) -> Line {
        let mut line = Line::new();
        for (at, (cell, width)) in cells.iter().zip(widths).enumerate() {
            if at > 0 {
                line = line.plain(" ".repeat(self.gap));
            }
            let cell = cell.clone();
            line = match self.columns[at].1 {
                Set::Left => line.and(cell.pad_to(*width)),
                Set::Flexible => line.and(cell.cut_to(*width).pad_to(*width)),
                Set::Right => line.plain(" ".repeat(width.saturating_sub(cell.width()))).and(cell),
            };
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(table: &Table, width: Option<usize>) -> Vec<String> {
        table.lines(width).iter().map(|line| line.render(false)).collect()
    }

    #[test]
    fn columns_are_aligned_and_only_the_flexible_one_gives_way() {
        let mut table = Table::new(&[("feed", Set::Left), ("n", Set::Right), ("title", Set::Flexible)]);
        table.row(["a".into(), "10".into(), "a rather long title".into()]);
        table.row(["bcdef".into(), "7".into(), "short".into()]);
        assert_eq!(text(&table, None), ["feed    n  title", "a      10  a rather long title", "bcdef   7  short"]);
        assert_eq!(text(&table, Some(22)), ["feed    n  title", "a      10  a rather l…", "bcdef   7  short"]);
    }
}
