//! What this process has cost until now, as the kernel counts it.

use std::time::Duration;

/// The processor time of this process, all threads together; the kernel counts it in hundredths of a second.
///
/// # Panics
/// Where there is no `/proc`.
pub(super) fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux tells of a process");
    // The name stands in parentheses, and may hold anything.
    let (_, after) = stat.rsplit_once(')').expect("a process has a name");
    let fields: Vec<&str> = after.split_whitespace().collect();
    let ticks = |place: usize| fields[place].parse::<u64>().expect("a number of ticks");
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}

/// The most memory that this process had since [`forget_peak`], in megabytes.
///
/// # Panics
/// Where there is no `/proc`.
pub(super) fn peak_megabytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells of a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the kernel counts it");
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().expect("a number of kB");
    kib * 1_024.0 / 1e6
}

/// The peak begins anew.
///
/// # Panics
/// Where that is not possible.
pub(super) fn forget_peak() {
    std::fs::write("/proc/self/clear_refs", "5").expect("the kernel forgets a peak");
}
