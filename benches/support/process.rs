//! What this process has cost so far, as Linux counts it.

use std::fs;

/// Seconds of processor time, of all threads.
pub fn cpu() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name before them may hold blanks; ticks are hundredths of a second on every Linux.
    let after = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after.split_whitespace().skip(11).take(2);
    ticks.filter_map(|t| t.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Most memory that was in use since the last [`forget_peak`], in megabytes.
pub fn peak_mb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kb = line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok());
    kb.unwrap_or_default() / 1024
}

/// Begins a new peak.
pub fn forget_peak() {
    let _ = fs::write("/proc/self/clear_refs", "5");
}
