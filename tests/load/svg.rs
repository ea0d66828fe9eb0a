//! The picture for the README: the main rows as bars, each a ratio to the floor. Knows the report alone.
//!
//! The background is transparent, and every colour has a medium brightness, so that the picture is legible on white and
//! on black.

use std::fmt::Write;

use crate::report::{Figure, Report, times};

const WIDTH: usize = 860;
/// Where the bars begin; their captions stand to the left.
const LEFT: usize = 300;
/// What a ratio of 1 takes.
const UNIT: f64 = 60.0;
/// Longer bars are broken off; in a picture that showed them whole the short ones would be nothing.
const LONGEST: f64 = 8.0;
const TOP: usize = 96;
const BAR: usize = 13;
const GAP: usize = 14;
const INK: &str = "#7a828c";
/// For dynasti, and for those beside it.
const COLOURS: [&str; 5] = ["#e0662f", "#8291b8", "#5f9ea0", "#b58fb5", "#a3a35c"];

/// The picture as an SVG document.
pub(crate) fn draw(report: &Report, machine: &str) -> String {
    let servers: Vec<usize> = (0..report.servers().len()).filter(|server| *server != report.floor()).collect();
    let rows: Vec<(&str, Figure)> = report.rows().filter(|(workload, figure)| is_main(workload, *figure)).collect();
    let row_height = servers.len() * BAR + GAP;
    let bottom = TOP + rows.len() * row_height;
    let height = bottom + 36;

    let mut bars = String::new();
    for (index, (workload, figure)) in rows.iter().enumerate() {
        let top = TOP + index * row_height;
        let middle = top + servers.len() * BAR / 2;
        let (x, caption) = (LEFT - 12, escape(workload));
        let what = caption_of(*figure);
        let _ =
            write!(bars, r#"<text x="{x}" y="{}" text-anchor="end" font-weight="600">{caption}</text>"#, middle - 2);
        let _ = writeln!(bars, r#"<text x="{x}" y="{}" text-anchor="end" font-size="11">{what}</text>"#, middle + 12);
        for (place, server) in servers.iter().enumerate() {
            bars += &bar(report, workload, *figure, *server, place, top + place * BAR);
        }
    }

    let mut legend = String::new();
    let mut x = 20;
    for (place, server) in servers.iter().enumerate() {
        let (colour, name) = (COLOURS[place % COLOURS.len()], &report.servers()[*server]);
        let _ = write!(legend, r#"<rect x="{x}" y="56" width="11" height="11" rx="2" fill="{colour}"/>"#);
        let _ = writeln!(legend, r#"<text x="{}" y="66">{}</text>"#, x + 16, escape(name));
        x += 40 + 7 * name.chars().count();
    }

    let (floor, machine, foot) = (LEFT as f64 + UNIT, escape(machine), height - 10);
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"
     font-family="system-ui, -apple-system, 'Segoe UI', sans-serif" font-size="13" fill="{INK}">
<title>What a chat server costs beside a bare loop that only copies bytes</title>
<text x="20" y="26" font-size="17" font-weight="600">Beside a bare loop that only copies bytes</text>
<text x="20" y="45">Each bar is a multiple of what that loop needs on the same machine. Shorter is better.</text>
{legend}<line x1="{floor}" x2="{floor}" y1="{}" y2="{bottom}" stroke="{INK}" stroke-dasharray="3 3"/>
<text x="{floor}" y="{}" text-anchor="middle" font-size="11">the loop, 1 ×</text>
{bars}<text x="20" y="{foot}" font-size="11">{machine}. Reproduce with: cargo bench -- --svg FILE</text>
</svg>
"#,
        TOP - 6,
        TOP - 10,
    )
}

/// The bar of one server in one row, or the word that stands for it.
fn bar(report: &Report, workload: &str, figure: Figure, server: usize, place: usize, y: usize) -> String {
    let (colour, text_y) = (COLOURS[place % COLOURS.len()], y + BAR - 3);
    let Some(ratio) = report.ratio(workload, figure, server) else {
        let word = report.fault_word(workload, server).unwrap_or("not measured");
        let x = LEFT + 4;
        return format!("<text x=\"{x}\" y=\"{text_y}\" font-size=\"11\" font-style=\"italic\">{word}</text>\n");
    };
    // Of what should be much, the picture shows how little there is.
    let cost = if figure == Figure::Deliveries { 1.0 / ratio } else { ratio };
    let length = cost.min(LONGEST) * UNIT;
    let (end, thick) = (LEFT as f64 + length, BAR - 2);
    let mut text =
        format!(r#"<rect x="{LEFT}" y="{y}" width="{length:.1}" height="{thick}" rx="1.5" fill="{colour}"/>"#);
    let mut label = end + 5.0;
    let floor = LEFT as f64 + UNIT;
    if (floor - 40.0..floor + 4.0).contains(&label) {
        label = floor + 4.0; // not across the line
    }
    if cost > LONGEST {
        // The end of a bar that goes on: a few pieces, further and further apart.
        for (from, width) in [(4.0, 8.0), (16.0, 5.0), (26.0, 3.0)] {
            let x = end + from;
            let _ =
                write!(text, r#"<rect x="{x:.1}" y="{y}" width="{width}" height="{thick}" rx="1.5" fill="{colour}"/>"#);
        }
        label += 30.0;
    }
    let weight = if place == 0 { " font-weight=\"700\"" } else { "" };
    let times = times(cost);
    let _ = writeln!(text, r#"<text x="{label:.1}" y="{text_y}" font-size="11"{weight}>{times}</text>"#);
    text
}

fn is_main(workload: &str, figure: Figure) -> bool {
    match figure {
        Figure::Cpu | Figure::P99 | Figure::Rush => true,
        // Of a busy room the throughput is as much the load generator's as the server's.
        Figure::Deliveries => workload.starts_with("one at a time"),
        _ => false,
    }
}

fn caption_of(figure: Figure) -> &'static str {
    match figure {
        Figure::Deliveries => "time until all have a line",
        Figure::Cpu => "server's processor time per delivery",
        Figure::P99 => "99 of 100 receipts are there within",
        _ => "time until all know of all",
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
