//! The room's figures for Prometheus, in its text format 0.0.4. No names and no addresses.

use std::fmt::Write;

use super::http::Answer;
use crate::room::Stats;

/// Answers with the figures.
pub(super) fn answer(stats: &Stats, connections: usize, mdns_dropped: Option<u64>) -> Answer {
    let mut text = String::new();
    let mut figure = |name: &str, kind: &str, help: &str, value: u64| {
        let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
    };
    figure("dynasti_members", "gauge", "Members in the room.", stats.here as u64);
    figure("dynasti_connections", "gauge", "Connections, named or not, by nc and by HTTP.", connections as u64);
    figure("dynasti_lines_total", "counter", "Lines said.", stats.lines);
    figure(
        "dynasti_deliveries_total",
        "counter",
        "Lines, counted once for each member who was to hear them.",
        stats.deliveries,
    );
    figure("dynasti_queued_bytes", "gauge", "Bytes that members have not read yet.", stats.queued);
    if let Some(dropped) = mdns_dropped {
        let help = "Multicast DNS packets that were malformed, too large or of another kind.";
        figure("dynasti_mdns_dropped_total", "counter", help, dropped);
    }
    if let Some(bytes) = resident() {
        figure("process_resident_memory_bytes", "gauge", "Resident memory of the server.", bytes);
    }
    text.push_str("# HELP dynasti_drops_total Members who left for a cause.\n# TYPE dynasti_drops_total counter\n");
    for (cause, drops) in &stats.drops {
        let _ = writeln!(text, "dynasti_drops_total{{cause=\"{cause}\"}} {drops}");
    }
    Answer { kind: "text/plain; version=0.0.4; charset=utf-8", ..Answer::text((200, "OK"), text) }
}

/// Returns the process's resident memory in bytes, where Linux tells it: proc_pid_status(5).
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}
