//! The charts, as SVG.

use std::error::Error;
use std::fs;
use std::path::Path;

use plotters::coord::ranged1d::{IntoSegmentedCoord, SegmentValue};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

const SIZE: (u32, u32) = (760, 440);
const OURS: RGBColor = RGBColor(0, 90, 181);
const PEERS: RGBColor = RGBColor(213, 94, 0);
const NEUTRAL: RGBColor = RGBColor(110, 110, 110);

type Drawn = Result<(), Box<dyn Error>>;

/// One line of a chart.
#[derive(Debug)]
pub struct Line {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

impl Line {
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), points: Vec::new() }
    }

    pub fn push(&mut self, x: f64, y: f64) {
        self.points.push((x, y));
    }
}

/// The curves of one cost.
#[derive(Debug)]
pub struct CostCurves {
    pub cost: String,
    pub latency: Vec<Line>,
    pub memory: Vec<Line>,
    pub goodput: Vec<Line>,
}

/// Everything that charts are drawn of.
#[derive(Debug, Default)]
pub struct Curves {
    /// By cost: the contenders, with their hashes per second.
    pub hashes: Vec<(String, Vec<(String, f64)>)>,
    pub costs: Vec<CostCurves>,
}

impl Curves {
    /// Draws all charts into a folder, and answers their titles and file names.
    pub fn draw(&self, folder: &Path) -> Result<Vec<(String, String)>, Box<dyn Error>> {
        fs::create_dir_all(folder)?;
        let mut charts = Vec::new();
        let mut chart = |title: &str, cost: &str, draw: &dyn Fn(&Path, &str) -> Drawn| {
            let title = format!("{title}, {cost}");
            let file = format!("{}.svg", title.to_lowercase().replace(", ", "-").replace([' ', '='], "-"));
            draw(&folder.join(&file), &title)?;
            charts.push((title, file));
            Ok::<(), Box<dyn Error>>(())
        };
        for (cost, contenders) in &self.hashes {
            chart("Hashes per second by contender", cost, &|path, title| bars(path, title, contenders))?;
        }
        for CostCurves { cost, latency, memory, goodput } in &self.costs {
            let axes = Axes { x: "callers", y: "latency of a change (ms)", is_logarithmic: true };
            chart("Latency against load", cost, &|path, title| lines(path, title, &axes, latency))?;
            let axes = Axes { x: "offered (changes/s)", y: "successful (changes/s)", is_logarithmic: false };
            chart("Goodput against offered load", cost, &|path, title| lines(path, title, &axes, goodput))?;
            let axes = Axes { x: "callers", y: "resident memory (MiB)", is_logarithmic: false };
            chart("Memory against load", cost, &|path, title| lines(path, title, &axes, memory))?;
        }
        Ok(charts)
    }
}

struct Axes {
    x: &'static str,
    y: &'static str,
    /// Both of them.
    is_logarithmic: bool,
}

fn lines(path: &Path, title: &str, axes: &Axes, lines: &[Line]) -> Drawn {
    let points = || lines.iter().flat_map(|line| &line.points);
    let most = |of: fn(&(f64, f64)) -> f64| points().map(of).fold(f64::MIN_POSITIVE, f64::max);
    let least = |of: fn(&(f64, f64)) -> f64| points().map(of).fold(f64::MAX, f64::min);
    let (x, y) = (most(|point| point.0), most(|point| point.1));
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let mut builder = ChartBuilder::on(&root);
    builder.caption(title, ("sans-serif", 20)).margin(14).x_label_area_size(46).y_label_area_size(64);
    if axes.is_logarithmic {
        let (x_axis, y_axis) = (least(|point| point.0)..x, least(|point| point.1) / 2.0..y * 2.0);
        let chart = builder.build_cartesian_2d(x_axis.log_scale().base(2.0), y_axis.log_scale())?;
        plot(chart, axes, lines)?;
    } else {
        plot(builder.build_cartesian_2d(0.0..x * 1.02, 0.0..y * 1.15)?, axes, lines)?;
    }
    root.present()?;
    Ok(())
}

fn plot<'a, X, Y>(mut chart: ChartContext<'a, SVGBackend<'a>, Cartesian2d<X, Y>>, axes: &Axes, lines: &[Line]) -> Drawn
where
    X: Ranged<ValueType = f64> + plotters::coord::ranged1d::ValueFormatter<f64>,
    Y: Ranged<ValueType = f64> + plotters::coord::ranged1d::ValueFormatter<f64>,
{
    let number = |value: &f64| format!("{value:.0}");
    let mut mesh = chart.configure_mesh();
    mesh.x_desc(axes.x).y_desc(axes.y).x_label_formatter(&number).y_label_formatter(&number);
    mesh.axis_desc_style(("sans-serif", 16)).label_style(("sans-serif", 14)).light_line_style(WHITE);
    mesh.draw()?;
    for (number, line) in lines.iter().enumerate() {
        // The second line of a contender is the paler one.
        let is_second = number % 2 == 1 && lines.len() > 2;
        let style = colour(&line.name).mix(if is_second { 0.55 } else { 1.0 }).stroke_width(2);
        let series = LineSeries::new(line.points.iter().copied(), style).point_size(3);
        chart
            .draw_series(series)?
            .label(&line.name)
            .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 22, y)], style));
    }
    let mut labels = chart.configure_series_labels();
    // Where no line is.
    let corner = if axes.is_logarithmic { SeriesLabelPosition::UpperLeft } else { SeriesLabelPosition::LowerRight };
    labels.position(corner).background_style(WHITE.mix(0.85)).border_style(NEUTRAL);
    labels.label_font(("sans-serif", 14)).draw()?;
    Ok(())
}

fn bars(path: &Path, title: &str, contenders: &[(String, f64)]) -> Drawn {
    let most = contenders.iter().map(|(_, value)| *value).fold(f64::MIN_POSITIVE, f64::max);
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let rows = (0..contenders.len() - 1).into_segmented();
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 20))
        .margin(14)
        .x_label_area_size(46)
        .y_label_area_size(240)
        .build_cartesian_2d::<RangedCoordf64, _>((0.0..most * 1.12).into(), rows)?;
    let name = |row: &SegmentValue<usize>| match row {
        // From the top down.
        SegmentValue::CenterOf(row) => {
            contenders.iter().rev().nth(*row).map_or(String::new(), |(name, _)| name.clone())
        }
        _ => String::new(),
    };
    let number = |value: &f64| format!("{value:.0}");
    let mut mesh = chart.configure_mesh();
    mesh.disable_y_mesh().x_desc("hashes per second").x_label_formatter(&number);
    mesh.y_labels(contenders.len()).y_label_formatter(&name);
    mesh.axis_desc_style(("sans-serif", 16)).label_style(("sans-serif", 14)).light_line_style(WHITE);
    mesh.draw()?;
    chart.draw_series(contenders.iter().rev().enumerate().map(|(row, (name, value))| {
        let ends = [(0.0, SegmentValue::Exact(row)), (*value, SegmentValue::Exact(row + 1))];
        let mut bar = Rectangle::new(ends, colour(name).filled());
        bar.set_margin(5, 5, 0, 0);
        bar
    }))?;
    chart.draw_series(contenders.iter().rev().enumerate().map(|(row, (_, value))| {
        let at = (*value + most * 0.01, SegmentValue::CenterOf(row));
        let style = ("sans-serif", 14).into_font().color(&BLACK).pos(plotters::style::text_anchor::Pos::new(
            plotters::style::text_anchor::HPos::Left,
            plotters::style::text_anchor::VPos::Center,
        ));
        Text::new(format!("{value:.0}"), at, style)
    }))?;
    root.present()?;
    Ok(())
}

fn colour(name: &str) -> RGBColor {
    match name {
        name if name.starts_with("OpenLDAP") => PEERS,
        name if name.starts_with("argon2") || name.starts_with("what") => NEUTRAL,
        _ => OURS,
    }
}
