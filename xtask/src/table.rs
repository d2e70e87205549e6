//! Rows of text as aligned columns, for results that people read. Pure.

/// Columns as wide as their widest cell, two blanks between them, none at the end of a line.
pub fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    #[test]
    fn columns_stand_below_each_other() {
        let rows =
            [["größe".to_owned(), "1".to_owned()], ["a".to_owned(), "10".to_owned()], ["b".to_owned(), String::new()]];
        assert_eq!(super::table(&rows), "größe  1\na      10\nb");
    }
}
