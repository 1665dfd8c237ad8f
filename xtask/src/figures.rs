//! Figures that documents quote from the tables of docs/performance.md are the ones that stand there.
//!
//! Behind a quoted figure stands where it is from:
//! `1.14 <!-- figure: bench fanout "CPU µs per delivery" fanfare× -->` is, of the section `bench`, the scenario `fanout` and that row, the ratio
//! in the column `fanfare`; without `×` it is the median. A figure has as many decimals as whoever quotes it gave it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};

use crate::documents::documents;

/// Where the tables are, made by `fanload bench --write`.
const TABLES: &str = "docs/performance.md";
const MARK: &str = " <!-- figure: ";

/// One sentence for each figure that is not what the table says.
pub(crate) fn check(root: &Path) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    let mut count = 0;
    each(root, |name, text| {
        let (right, figures) = renewed(text, root).with_context(|| name.to_owned())?;
        count += figures;
        for (is, should) in text.lines().zip(right.lines()).filter(|(is, should)| is != should) {
            problems.push(format!("{name}: a figure is stale (cargo xtask figures): {is}\n  instead of: {should}"));
        }
        Ok(())
    })?;
    println!("figures: {count}");
    Ok(problems)
}

/// Writes into each document what the table says.
pub(crate) fn write(root: &Path) -> Result<()> {
    each(root, |name, text| {
        let (right, _) = renewed(text, root).with_context(|| name.to_owned())?;
        if right != text { fs::write(root.join(name), right).context("writing") } else { Ok(()) }
    })
}

fn each(root: &Path, mut visit: impl FnMut(&str, &str) -> Result<()>) -> Result<()> {
    for file in documents(root)? {
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let name = file.strip_prefix(root).unwrap_or(&file).display().to_string();
        if text.contains(MARK) {
            visit(&name, &text)?;
        }
    }
    Ok(())
}

/// A document with the figures of the tables, and their number.
fn renewed(text: &str, root: &Path) -> Result<(String, usize)> {
    let tables = fs::read_to_string(root.join(TABLES)).context(TABLES)?;
    renewed_from(text, &tables)
}

fn renewed_from(text: &str, tables: &str) -> Result<(String, usize)> {
    let mut parts = text.split(MARK);
    let mut out = parts.next().unwrap_or_default().to_owned();
    let mut count = 0;
    for part in parts {
        let (place, _) = part.split_once(" -->").context("a mark without an end")?;
        let place = Place::parse(place).with_context(|| format!("`{place}` is no place of a figure"))?;
        let value = place.look_up(tables)?;
        replace_last_number(&mut out, value)
            .with_context(|| format!("before the mark of {} {}", place.scenario, place.row))?;
        out.push_str(MARK);
        out.push_str(part);
        count += 1;
    }
    Ok((out, count))
}

/// Where a figure stands.
struct Place<'a> {
    section: &'a str,
    scenario: &'a str,
    row: &'a str,
    column: &'a str,
    is_ratio: bool,
}

impl<'a> Place<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (before, rest) = text.split_once(" \"")?;
        let (row, column) = rest.split_once("\" ")?;
        let (section, scenario) = before.split_once(' ')?;
        let (column, is_ratio) = column.strip_suffix('×').map_or((column, false), |column| (column, true));
        Some(Self { section, scenario, row, column, is_ratio })
    }

    fn look_up(&self, tables: &str) -> Result<f64> {
        let (begin, end) = (format!("<!-- {}:begin -->", self.section), format!("<!-- {}:end -->", self.section));
        let section = tables.split_once(&begin).and_then(|(_, rest)| rest.split_once(&end)).map(|(section, _)| section);
        let section = section.ok_or_else(|| anyhow!("{TABLES} has no section {}", self.section))?;
        let (mut column, mut scenario) = (None, String::new());
        for line in section.lines().filter(|line| line.starts_with('|')) {
            let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
            if cells.first() == Some(&"scenario") {
                column = cells.iter().position(|cell| *cell == self.column);
            } else if let Some(first) = cells.first().filter(|cell| !cell.is_empty()) {
                scenario = (*first).to_owned();
            }
            if scenario == self.scenario && cells.get(1) == Some(&self.row) {
                let cell = column.and_then(|column| cells.get(column)).context("no such column")?;
                return self.number(cell);
            }
        }
        bail!("{TABLES} has no figure {} {} {}", self.section, self.scenario, self.row)
    }

    /// Of a cell `14.15 (12.63–14.32); **1.14×** (1.04–1.18)`.
    fn number(&self, cell: &str) -> Result<f64> {
        let text = match self.is_ratio {
            true => cell.split_once("**").and_then(|(_, rest)| rest.split_once('×')).map(|(ratio, _)| ratio),
            false => cell.split(' ').next(),
        };
        let text = text.with_context(|| format!("no such figure in `{cell}`"))?;
        text.replace(',', "").parse().with_context(|| format!("`{text}` is no number"))
    }
}

/// Puts a value in the place of the last number of a text, with as many decimals.
fn replace_last_number(text: &mut String, value: f64) -> Result<()> {
    let end = text.rfind(|c: char| c.is_ascii_digit()).context("no number")? + 1;
    let begin = text[..end].rfind(|c: char| !c.is_ascii_digit() && c != '.' && c != ',').map_or(0, |at| at + 1);
    // The last character before may be longer than a byte.
    let begin = (begin..end).find(|at| text.is_char_boundary(*at)).context("no number")?;
    let old = &text[begin..end];
    let decimals = old.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let new = format!("{value:.decimals$}");
    let new = if old.contains(',') { with_thousands(&new) } else { new };
    text.replace_range(begin..end, &new);
    Ok(())
}

/// `3234469` as `3,234,469`.
fn with_thousands(number: &str) -> String {
    let (whole, rest) = number.split_at(number.find('.').unwrap_or(number.len()));
    let mut out = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
<!-- bench:begin -->
| scenario | figure | floor | fanfare |
| --- | --- | --- | --- |
| fanout | CPU µs per delivery | 12.19 (11.93–13.62) | 14.15 (12.63–14.32); **1.14×** (1.04–1.18) |
| burst | deliveries per CPU second | 121,096 (1–2) | 3,234,469 (2–3); **26.7×** (21.1–31.7) |
|  | CPU µs per delivery | 8.26 (6.46–11.03) | 0.31 (0.25–0.45); **0.04×** (0.03–0.05) |
<!-- bench:end -->";

    #[test]
    fn a_figure_becomes_what_the_table_says_with_the_decimals_that_it_had() {
        let text = "µ **9.9** <!-- figure: bench fanout \"CPU µs per delivery\" fanfare× --> and 9 µs\n\
                    9.99 µs <!-- figure: bench burst \"CPU µs per delivery\" fanfare -->, 9,9 <!-- figure: bench burst \"deliveries per CPU second\" fanfare -->";
        let (right, count) = renewed_from(text, TABLE).unwrap();
        let expected = "µ **1.1** <!-- figure: bench fanout \"CPU µs per delivery\" fanfare× --> and 9 µs\n\
                        0.31 µs <!-- figure: bench burst \"CPU µs per delivery\" fanfare -->, 3,234,469 <!-- figure: bench burst \"deliveries per CPU second\" fanfare -->";
        assert_eq!((right.as_str(), count), (expected, 3));
        assert_eq!(renewed_from(&right, TABLE).unwrap().0, right);
    }

    #[test]
    fn a_place_that_is_not_in_the_table_is_an_error() {
        for place in [
            "bench fanout \"CPU\" fanfare",
            "bench fanout \"CPU µs per delivery\" nchan",
            "peers fanout \"CPU µs per delivery\" fanfare",
            "bench",
        ] {
            assert!(renewed_from(&format!("1 <!-- figure: {place} -->"), TABLE).is_err(), "{place}");
        }
    }

    #[test]
    fn every_figure_of_the_documents_is_the_one_of_the_table() {
        assert_eq!(check(&crate::root()).expect("documents"), Vec::<String>::new());
    }
}
