//! Draws what `top` shows.

use std::collections::VecDeque;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Block, Gauge, Paragraph, Row, Table};

use super::sample::{Calls, View};

/// What is on the screen.
#[derive(Debug, Default)]
pub(super) struct Screen {
    /// Where it is from.
    pub(super) address: String,
    /// What happened of late.
    pub(super) view: View,
    /// Why there is nothing new.
    pub(super) problem: Option<String>,
    /// The last audit events, or why there are none; the newest last.
    pub(super) events: VecDeque<String>,
    /// Whether to use colours.
    pub(super) has_colours: bool,
}

impl Screen {
    /// Draws it.
    pub(super) fn draw(&self, frame: &mut Frame<'_>) {
        let rows = [Constraint::Length(2), Constraint::Length(3), Constraint::Min(5), Constraint::Length(10)];
        let [head, workers, middle, events] = Layout::vertical(rows).areas(frame.area());
        let [calls, refusals] =
            Layout::horizontal([Constraint::Percentage(65), Constraint::Percentage(35)]).areas(middle);
        frame.render_widget(self.head(), head);
        frame.render_widget(self.workers(), workers);
        frame.render_widget(self.calls(), calls);
        frame.render_widget(self.refusals(), refusals);
        let room = usize::from(events.height.saturating_sub(2));
        let shown = self.events.iter().skip(self.events.len().saturating_sub(room));
        let shown: Vec<_> = shown.map(|event| Line::from(event.as_str())).collect();
        frame.render_widget(Paragraph::new(shown).block(Block::bordered().title("audit events")), events);
    }

    fn head(&self) -> Paragraph<'_> {
        let View { version, is_store_up, connections: [connections, watches], .. } = &self.view;
        let store = if *is_store_up { "up" } else { "away" };
        let state = format!("store {store}   connections {connections}   watches {watches}   q ends");
        let (second, style) = match &self.problem {
            Some(problem) => (problem.clone(), self.style(Color::Red)),
            None => (state, if *is_store_up { Style::new() } else { self.style(Color::Red) }),
        };
        let first = Line::styled(format!("credentiald {version} at {}", self.address), Modifier::BOLD);
        Paragraph::new(vec![first, Line::styled(second, style)])
    }

    fn workers(&self) -> Gauge<'_> {
        let [workers, busy, waiting] = self.view.workers;
        let ratio = if workers > 0.0 { (busy / workers).clamp(0.0, 1.0) } else { 0.0 };
        let colour = if waiting > workers { Color::Red } else { Color::Green };
        let label = format!("{busy} of {workers} busy, {waiting} hashes wait");
        Gauge::default()
            .block(Block::bordered().title("hash workers"))
            .gauge_style(self.style(colour))
            .ratio(ratio)
            .label(label)
    }

    fn calls(&self) -> Table<'_> {
        let row = |Calls { rpc, rates: [rate, failed], durations: [half, most] }: &Calls| {
            let cells = [rpc.clone(), format!("{rate:.1}"), format!("{failed:.1}"), time(*half), time(*most)];
            let style = if *failed > 0.0 { self.style(Color::Yellow) } else { Style::new() };
            Row::new(cells).style(style)
        };
        let widths = [Constraint::Fill(1), Constraint::Length(8), Constraint::Length(8)];
        let widths = widths.into_iter().chain([Constraint::Length(9), Constraint::Length(9)]);
        Table::new(self.view.calls.iter().map(row), widths)
            .header(Row::new(["METHOD", "CALLS/S", "FAIL/S", "HALF", "99 %"]).style(Modifier::BOLD))
            .block(Block::bordered().title("calls"))
    }

    fn refusals(&self) -> Table<'_> {
        let row = |(reason, rate): &(String, f64)| Row::new([reason.clone(), format!("{rate:.1}/s")]);
        Table::new(self.view.refusals.iter().map(row), [Constraint::Fill(1), Constraint::Length(9)])
            .block(Block::bordered().title("refusals"))
    }

    fn style(&self, colour: Color) -> Style {
        if self.has_colours { Style::new().fg(colour) } else { Style::new() }
    }
}

fn time(seconds: Option<f64>) -> String {
    match seconds {
        None => "-".to_owned(),
        Some(seconds) if seconds < 1.0 => format!("{:.1} ms", seconds * 1e3),
        Some(seconds) => format!("{seconds:.2} s"),
    }
}

#[cfg(test)]
mod tests {
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    use super::super::sample::tests::scrapes;
    use super::*;

    fn drawn(screen: &Screen, width: u16, height: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| screen.draw(frame)).unwrap();
        let buffer = terminal.backend().buffer();
        let line = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
        (0..height).map(line).collect()
    }

    #[test]
    fn a_screen_shows_calls_refusals_workers_and_events() {
        let [before, after] = scrapes();
        let screen = Screen {
            address: "http://127.0.0.1:9464".to_owned(),
            view: View::between(&before, &after, 2.0),
            events: (1..=20).map(|number| format!("event {number}")).collect(),
            ..Screen::default()
        };
        let lines = drawn(&screen, 100, 24);
        assert_eq!(lines[0], "credentiald 0.1.0 \"x\" at http://127.0.0.1:9464");
        assert_eq!(lines[1], "store up   connections 4   watches 1   q ends");
        assert!(lines[3].contains("1 of 2 busy, 3 hashes wait"), "{lines:#?}");
        let calls = lines.iter().find(|line| line.contains("VerifyPassword")).unwrap();
        let words: Vec<_> = calls.split_whitespace().take(7).collect();
        assert_eq!(words[..4], ["│VerifyPassword", "10.0", "2.5", "10.0"], "{calls}");
        assert!(calls.contains("98.2 ms"), "{calls}");
        let refusal = lines.iter().find(|line| line.contains("OVERLOADED")).unwrap();
        assert!(refusal.contains("2.5/s"), "{refusal}");
        assert!(lines.iter().any(|line| line.starts_with("│event 20")), "{lines:#?}");
        assert!(!lines.iter().any(|line| line.contains("event 12")), "the oldest are left out: {lines:#?}");
        // A small terminal and a problem are no failure.
        let broken = Screen { problem: Some("can't get the metrics".to_owned()), ..Screen::default() };
        assert_eq!(drawn(&broken, 40, 20)[1], "can't get the metrics");
        drawn(&broken, 1, 1);
    }
}
