//! What was found, as medians and as ratios to the floor, and the table of it. Knows nothing of how it was found.

use std::fmt::Write;

use crate::fault::Fault;

/// What a number says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Figure {
    /// Lines heard, a second.
    Deliveries,
    /// The server's processor time per line heard, in microseconds.
    Cpu,
    /// The server's system calls per line heard.
    Syscalls,
    /// The server's own instructions, without the kernel's, per line heard.
    Instructions,
    /// What a line heard by a page costs the server, of what one heard by a client of `nc` costs.
    PageRatio,
    /// The server's processor time per line heard by a page, in microseconds.
    PageCpu,
    /// The same by a client of `nc`.
    NcCpu,
    /// The server's own instructions per line heard by a page.
    PageInstructions,
    /// The same by a client of `nc`.
    NcInstructions,
    /// Megabytes a second that a server takes.
    Upload,
    /// The server's processor time for each of them, in microseconds.
    UploadCpu,
    /// Megabytes a second that a server gives.
    Download,
    /// The server's processor time for each of them, in microseconds.
    DownloadCpu,
    /// Seconds until everybody was told of everybody.
    Rush,
    /// The server's processor time for that, in seconds.
    RushCpu,
    /// The server's resident memory before anyone came, in MiB.
    Empty,
    /// Resident bytes for each idle client.
    PerClient,
    /// The server's resident memory with all of them, in MiB.
    Total,
    /// The server's processor time while all are idle, in milliseconds per second.
    IdleCpu,
    /// Of all receipts, in milliseconds.
    Median,
    /// Of all receipts, in milliseconds.
    P99,
    /// Of all receipts, in milliseconds.
    Worst,
    /// When the last receiver has a line, the median of all lines, in milliseconds.
    LastReceiver,
    /// Throughput with a stopped reader, as per cent of that without.
    RateLeft,
    /// The server's processor time per delivery with a stopped reader, as per cent of that without.
    CostThen,
    /// The longest time in which nobody heard anything while a reader had stopped, in milliseconds.
    Silence,
    /// Lines said, a second.
    Lines,
    /// When the last receiver at the same server has a line, in milliseconds, of all lines.
    HereMedian,
    /// The same.
    HereP99,
    /// When the last receiver at another server has it.
    ThereMedian,
    /// The same.
    ThereP99,
    /// The broker's processor time per line, in microseconds.
    BrokerCpu,
    /// How many lines come with one message of the broker.
    PerMessage,
    /// What the broker keeps per line, in bytes.
    Stored,
    /// The broker's resident memory, in MiB.
    BrokerResident,
    /// What all servers send to the broker per line, in bytes.
    ToBroker,
    /// What the broker sends to all of them.
    FromBroker,
    /// The server's processor time for a list of another's members that has come before, in microseconds.
    SameList,
    /// The same for one that has changed.
    NewList,
    /// The server's resident memory before any list came, in MiB.
    Unlinked,
    /// The same with all of them.
    AllLinked,
    /// The server's processor time for an answer to `/who`, in milliseconds.
    WhoCpu,
}

impl Figure {
    fn words(self) -> &'static str {
        match self {
            Self::Deliveries => "deliveries/s",
            Self::Cpu => "server's CPU per delivery, µs",
            Self::Syscalls => "system calls per delivery",
            Self::Instructions => "per delivery",
            Self::PageRatio => "a delivery to a page, of one to nc",
            Self::PageCpu => "server's CPU per delivery to a page, µs",
            Self::NcCpu => "to nc, µs",
            Self::PageInstructions => "per delivery to a page",
            Self::NcInstructions => "to nc",
            Self::Upload => "upload, MB/s",
            Self::UploadCpu => "server's CPU per MB taken, µs",
            Self::Download => "download, MB/s",
            Self::DownloadCpu => "server's CPU per MB given, µs",
            Self::Rush => "seconds",
            Self::RushCpu => "server's CPU, seconds",
            Self::Empty => "resident before anyone came, MiB",
            Self::PerClient => "resident bytes per client",
            Self::Total => "resident in all, MiB",
            Self::IdleCpu => "CPU while idle, ms per second",
            Self::Median => "median, ms",
            Self::P99 => "p99, ms",
            Self::Worst => "worst, ms",
            Self::LastReceiver => "last receiver, median, ms",
            Self::RateLeft => "deliveries/s, % of before",
            Self::Silence => "longest silence, ms",
            Self::CostThen => "server's CPU per delivery, % of before",
            Self::Lines => "lines/s",
            Self::HereMedian => "last receiver at the same server, median, ms",
            Self::HereP99 => "p99, ms",
            Self::ThereMedian => "last receiver at another server, median, ms",
            Self::ThereP99 => "at another, p99, ms",
            Self::BrokerCpu => "broker's CPU per line, µs",
            Self::PerMessage => "lines in a message",
            Self::Stored => "bytes that the broker keeps per line",
            Self::BrokerResident => "broker's resident memory, MiB",
            Self::ToBroker => "bytes from all servers to the broker per line",
            Self::FromBroker => "bytes from the broker to all servers per line",
            Self::SameList => "server's CPU per list that is the same, µs",
            Self::NewList => "server's CPU per list that has changed, µs",
            Self::Unlinked => "resident before, MiB",
            Self::AllLinked => "resident with all of them, MiB",
            Self::WhoCpu => "server's CPU per /who, ms",
        }
    }

    /// Whether the floor's number is a measure for others. What it keeps in memory is not: it does not try to be small.
    fn compares(self) -> bool {
        !matches!(
            self,
            Self::Empty
                | Self::PerClient
                | Self::Total
                | Self::IdleCpu
                | Self::RateLeft
                | Self::CostThen
                | Self::Silence
                | Self::Upload
                | Self::UploadCpu
                | Self::Download
                | Self::DownloadCpu
        )
    }

    /// The number as people read it: three digits that count, thousands apart.
    pub(crate) fn text(self, value: f64) -> String {
        match self {
            Self::Deliveries | Self::PerClient | Self::Upload | Self::Download => thousands(value),
            Self::Lines | Self::Stored | Self::ToBroker | Self::FromBroker => thousands(value),
            Self::UploadCpu | Self::DownloadCpu => thousands(value),
            Self::RateLeft | Self::CostThen => format!("{value:.0}"),
            Self::PageRatio => times(value),
            Self::Instructions | Self::PageInstructions | Self::NcInstructions if value >= 99.95 => thousands(value),
            Self::Syscalls => format!("{value:.3}"),
            _ => format!("{value:.*}", if value < 9.995 { 2 } else { 1 }),
        }
    }
}

/// A number of which only the first three digits mean something.
fn thousands(value: f64) -> String {
    let unit = 10_f64.powi((value.abs().max(1.0).log10().floor() as i32 - 2).max(0));
    let digits = format!("{:.0}", (value / unit).round() * unit);
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[derive(Clone, Default)]
struct Cell {
    /// The round and what was found in it.
    samples: Vec<(usize, f64)>,
}

struct Row {
    workload: String,
    figure: Figure,
    cells: Vec<Cell>,
}

/// All that was found.
pub(crate) struct Report {
    /// The heads of the columns.
    servers: Vec<String>,
    /// The columns of which a fault makes the whole benchmark fail.
    judged: Vec<bool>,
    floor: usize,
    rows: Vec<Row>,
    /// Workload, server, and why it does not count.
    faults: Vec<(String, usize, Fault)>,
    notes: Vec<String>,
}

impl Report {
    /// Nothing yet, of `servers`, of which `floor` is what the others are compared with, and those `judged` must not fail.
    pub(crate) fn new(servers: Vec<String>, judged: Vec<bool>, floor: usize) -> Self {
        Self { servers, judged, floor, rows: Vec::new(), faults: Vec::new(), notes: Vec::new() }
    }

    /// Has the workloads' rows stand in this order.
    pub(crate) fn arrange(&mut self, workloads: &[String]) {
        self.rows.sort_by_key(|row| workloads.iter().position(|workload| *workload == row.workload));
    }

    /// Takes down what `server` did in a round.
    pub(crate) fn record(&mut self, workload: &str, server: usize, round: usize, figures: &[(Figure, f64)]) {
        for (figure, value) in figures {
            let found = self.rows.iter().position(|row| row.workload == workload && row.figure == *figure);
            let row = found.unwrap_or_else(|| {
                // Beside the workload's other rows, if it has any.
                let last = self.rows.iter().rposition(|row| row.workload == workload);
                let at = last.map_or(self.rows.len(), |last| last + 1);
                let cells = vec![Cell::default(); self.servers.len()];
                self.rows.insert(at, Row { workload: workload.to_owned(), figure: *figure, cells });
                at
            });
            self.rows[row].cells[server].samples.push((round, *value));
        }
    }

    /// Takes down that `server`'s part in a workload does not count.
    pub(crate) fn fail(&mut self, workload: &str, server: usize, fault: Fault) {
        self.faults.push((workload.to_owned(), server, fault));
    }

    /// Whether `server`'s part in a workload does not count.
    pub(crate) fn has_failed(&self, workload: &str, server: usize) -> bool {
        self.fault(workload, server).is_some()
    }

    /// Whether any of the servers that are judged has done anything wrong. To take long is not wrong.
    pub(crate) fn is_wrong(&self) -> bool {
        self.faults.iter().any(|(_, server, fault)| self.judged[*server] && !matches!(fault, Fault::Late(_)))
    }

    /// Adds a sentence to what stands under the table.
    pub(crate) fn note(&mut self, text: String) {
        self.notes.push(text);
    }

    /// How `server` compares to the floor: the median of the ratios of each round, for a round's runs stand side by side
    /// and what slows the machine slows them all.
    pub(crate) fn ratio(&self, workload: &str, figure: Figure, server: usize) -> Option<f64> {
        let row = self.rows.iter().find(|row| row.workload == workload && row.figure == figure)?;
        self.cell_ratio(row, server)
    }

    /// One word for why `server`'s part in a workload does not count, if it does not.
    pub(crate) fn fault_word(&self, workload: &str, server: usize) -> Option<&'static str> {
        self.fault(workload, server).map(Fault::word)
    }

    /// The rows: a workload, and what is said of it.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&str, Figure)> {
        self.rows.iter().map(|row| (row.workload.as_str(), row.figure))
    }

    /// The heads of the columns.
    pub(crate) fn servers(&self) -> &[String] {
        &self.servers
    }

    /// The column of the floor.
    pub(crate) fn floor(&self) -> usize {
        self.floor
    }

    fn fault(&self, workload: &str, server: usize) -> Option<&Fault> {
        self.faults.iter().find(|fault| fault.0 == workload && fault.1 == server).map(|fault| &fault.2)
    }

    fn cell_median(&self, row: &Row, server: usize) -> Option<f64> {
        if self.fault(&row.workload, server).is_some() {
            return None;
        }
        median(row.cells[server].samples.iter().map(|sample| sample.1).collect())
    }

    fn cell_ratio(&self, row: &Row, server: usize) -> Option<f64> {
        if self.fault(&row.workload, server).is_some() || self.fault(&row.workload, self.floor).is_some() {
            return None;
        }
        let floor = &row.cells[self.floor].samples;
        let ratios = row.cells[server].samples.iter().filter_map(|(round, value)| {
            let beside = floor.iter().find(|sample| sample.0 == *round)?;
            (beside.1 > 0.0).then(|| value / beside.1)
        });
        median(ratios.collect())
    }

    /// Whether there is nothing to say.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.faults.is_empty() && self.notes.is_empty()
    }

    /// The table, in Markdown that is also legible as it is.
    pub(crate) fn table(&self) -> String {
        let mut lines = vec![[vec![String::new()], self.servers.clone()].concat()];
        for row in &self.rows {
            let mut line = vec![format!("**{}**: {}", row.workload, row.figure.words())];
            for server in 0..self.servers.len() {
                line.push(match (self.cell_median(row, server), self.fault(&row.workload, server)) {
                    (Some(value), _) if server == self.floor || !row.figure.compares() => row.figure.text(value),
                    (Some(value), _) => {
                        let ratio = self.cell_ratio(row, server);
                        row.figure.text(value) + &ratio.map_or(String::new(), |ratio| format!(" ({})", times(ratio)))
                    }
                    (None, Some(fault)) => fault.word().to_owned(),
                    (None, None) => "–".to_owned(),
                });
            }
            lines.push(line);
        }
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0).max(4);
        let widths: Vec<usize> = (0..=self.servers.len()).map(width).collect();
        let mut text = String::new();
        // A table of nothing has no head.
        for (index, line) in lines.iter().enumerate().filter(|_| !self.rows.is_empty()) {
            let cells = line.iter().zip(&widths).enumerate();
            let cells = cells.map(|(column, (cell, width))| match column {
                0 => format!("{cell:<width$}"),
                _ => format!("{cell:>width$}"),
            });
            let _ = writeln!(text, "| {} |", cells.collect::<Vec<_>>().join(" | "));
            if index == 0 {
                let rules = widths.iter().enumerate().map(|(column, width)| match column {
                    0 => "-".repeat(*width),
                    _ => "-".repeat(*width - 1) + ":",
                });
                let _ = writeln!(text, "| {} |", rules.collect::<Vec<_>>().join(" | "));
            }
        }
        for (workload, server, fault) in &self.faults {
            let _ = write!(text, "\n{}, {workload}: {fault}", self.servers[*server]);
        }
        for note in &self.notes {
            let _ = write!(text, "\n{note}");
        }
        text
    }
}

/// A ratio in three digits.
pub(crate) fn times(ratio: f64) -> String {
    format!("{ratio:.*} ×", if ratio < 9.995 { 2 } else { 0 })
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let (low, high) = (values.get(values.len().checked_sub(1)? / 2)?, values.get(values.len() / 2)?);
    Some((low + high) / 2.0)
}
