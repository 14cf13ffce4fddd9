//! What was measured, beside what was to be reached.

use std::fmt::Write as _;

use crate::machine::Noise;

/// The same figure, measured again and again.
#[derive(Debug, Clone, Default)]
pub struct Series(Vec<f64>);

impl Series {
    pub fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    pub fn values(&self) -> &[f64] {
        &self.0
    }

    /// Round by round, one divided by the other.
    pub fn over(&self, other: &Self) -> Self {
        self.0.iter().zip(&other.0).map(|(one, other)| one / other).collect()
    }

    pub fn map(&self, of: impl Fn(f64) -> f64) -> Self {
        self.0.iter().map(|value| of(*value)).collect()
    }

    pub fn median(&self) -> f64 {
        let sorted = self.sorted();
        let middle = sorted.len() / 2;
        match sorted.len() {
            0 => f64::NAN,
            odd if odd % 2 == 1 => sorted[middle],
            _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
        }
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }

    /// The least and the most, where there are several.
    fn spread(&self) -> Option<(f64, f64)> {
        let sorted = self.sorted();
        (sorted.len() > 1).then(|| (sorted[0], sorted[sorted.len() - 1]))
    }
}

impl From<f64> for Series {
    fn from(value: f64) -> Self {
        Self(vec![value])
    }
}

impl FromIterator<f64> for Series {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

/// What is to be reached.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    AtMost(f64),
    AtLeast(f64),
    /// Measured for what it tells.
    None,
}

impl Target {
    fn text(self, unit: &str) -> String {
        match self {
            Self::AtMost(bound) => format!("≤ {}", with_unit(bound, unit)),
            Self::AtLeast(bound) => format!("≥ {}", with_unit(bound, unit)),
            Self::None => String::new(),
        }
    }

    /// Whether it is reached, and if not, by how much it is missed.
    fn verdict(self, value: f64) -> String {
        let (bound, is_met) = match self {
            Self::AtMost(bound) => (bound, value <= bound),
            Self::AtLeast(bound) => (bound, value >= bound),
            Self::None => return String::new(),
        };
        match (is_met, bound) {
            (true, _) => "met".to_owned(),
            (false, 0.0) => "**missed**".to_owned(),
            (false, _) => format!("**missed by {:.0} %**", ((value - bound) / bound).abs() * 100.0),
        }
    }
}

/// The tables, in the order in which they were measured.
#[derive(Default)]
pub struct Report {
    tables: Vec<Table>,
    noise: Vec<(String, Noise, Noise)>,
}

struct Table {
    title: String,
    rows: Vec<Row>,
}

struct Row {
    figure: String,
    target: Target,
    unit: String,
    series: Series,
}

impl Row {
    fn cells(&self) -> [String; 5] {
        let Self { figure, target, unit, series } = self;
        let spread =
            series.spread().map_or_else(String::new, |(least, most)| format!("{}–{}", short(least), short(most)));
        let median = series.median();
        [figure.clone(), target.text(unit), with_unit(median, unit), spread, target.verdict(median)]
    }

    /// The same figure of another build beside it: its median, and the ratio of this one's to it, round by round.
    fn cells_beside(&self, other: &Self) -> [String; 5] {
        let Self { figure, unit, series, .. } = self;
        let ratio = series.over(&other.series);
        let spread =
            ratio.spread().map_or_else(String::new, |(least, most)| format!("{}–{}", short(least), short(most)));
        let [own, others] = [series, &other.series].map(|series| with_unit(series.median(), unit));
        [figure.clone(), own, others, short(ratio.median()), spread]
    }
}

impl Report {
    /// Begins another table.
    pub fn table(&mut self, title: &str) {
        println!("\n## {title}\n");
        self.tables.push(Table { title: title.to_owned(), rows: Vec::new() });
    }

    /// Adds a figure to the table, and prints it.
    pub fn row(&mut self, figure: &str, target: Target, unit: &str, series: &Series) {
        let row = Row { figure: figure.to_owned(), target, unit: unit.to_owned(), series: series.clone() };
        let [figure, target, measured, spread, verdict] = row.cells();
        println!("{figure:<64} {target:>12} {measured:>12}  {spread:<16} {}", verdict.trim_matches('*'));
        if let Some(table) = self.tables.last_mut() {
            table.rows.push(row);
        }
    }

    /// Adds what another report measured of the same, as more rounds.
    pub fn add(&mut self, other: Self) {
        for table in other.tables {
            let Some(own) = self.tables.iter_mut().find(|own| own.title == table.title) else {
                self.tables.push(table);
                continue;
            };
            for row in table.rows {
                match own.rows.iter_mut().find(|own| own.figure == row.figure) {
                    Some(own) => own.series.0.extend(row.series.0),
                    None => own.rows.push(row),
                }
            }
        }
        self.noise.extend(other.noise);
    }

    /// The ratios of all figures to those of another build, as Markdown.
    pub fn beside(&self, other: &Self) -> String {
        let mut text = String::new();
        for Table { title, rows } in &self.tables {
            let Some(others) = other.tables.iter().find(|other| other.title == *title) else { continue };
            writeln!(
                text,
                "\n### {title}\n\n| Figure | This build | The other | Ratio | Spread |\n|---|---|---|---|---|"
            )
            .unwrap();
            for row in rows {
                if let Some(other) = others.rows.iter().find(|other| other.figure == row.figure) {
                    writeln!(text, "| {} |", row.cells_beside(other).join(" | ")).unwrap();
                }
            }
        }
        text
    }

    /// Notes what else the machine did during a section: on the average, and in its worst second.
    pub fn noise(&mut self, section: &str, (mean, worst): (Noise, Noise)) {
        self.noise.push((section.to_owned(), mean, worst));
    }

    /// Everything as Markdown.
    pub fn markdown(&self, facts: &[(&str, String)]) -> String {
        let mut text = String::from("| Machine | |\n|---|---|\n");
        for (name, value) in facts {
            writeln!(text, "| {name} | {value} |").unwrap();
        }
        for Table { title, rows } in &self.tables {
            writeln!(text, "\n### {title}\n\n| Figure | Target | Measured | Spread | |\n|---|---|---|---|---|")
                .unwrap();
            for row in rows {
                writeln!(text, "| {} |", row.cells().join(" | ")).unwrap();
            }
        }
        text.push_str(
            "\n### Noise\n\n| During | Foreign processes, mean | Worst second | Stolen by the host, mean |\n",
        );
        text.push_str("|---|---|---|---|\n");
        for (section, mean, worst) in &self.noise {
            let [mean, worst, stolen] = [mean.foreign, worst.foreign, mean.stolen].map(|it| format!("{it:.1} %"));
            writeln!(text, "| {section} | {mean} | {worst} | {stolen} |").unwrap();
        }
        text
    }
}

fn with_unit(value: f64, unit: &str) -> String {
    let separator = if unit.is_empty() { "" } else { " " };
    format!("{}{separator}{unit}", short(value))
}

/// With as many decimals as are of interest.
fn short(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        ..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}
