//! Tables of Markdown that read well on a terminal, too.

/// The rows with their columns aligned; the first is the header.
pub(crate) fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0).max(3);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &[String]| {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}"));
        format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
    };
    let rule = widths.iter().map(|&width| "-".repeat(width)).collect::<Vec<_>>();
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        text += &line(row);
        if index == 0 {
            text += &line(&rule);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [vec!["a".to_owned(), "µµµµ".to_owned()], vec!["xxxxx".to_owned(), String::new()]];
        assert_eq!(aligned(&rows), "| a     | µµµµ |\n| ----- | ---- |\n| xxxxx |      |\n");
    }
}
