//! Counts of this process from `/proc/self`: Linux only, other systems don't tell.
//!
//! Responsible for reading; not for comparing. Invariant: the descriptor that reads is not counted.

use super::Counts;

/// What this process holds; `None` where `/proc` is missing.
#[cfg(target_os = "linux")]
pub(super) fn counts() -> Option<Counts> {
    Some(Counts {
        descriptors: entries("/proc/self/fd")?.saturating_sub(1),
        threads: entries("/proc/self/task")?,
        children: children().or_else(children_by_parent)?,
    })
}

#[cfg(not(target_os = "linux"))]
pub(super) fn counts() -> Option<Counts> {
    None
}

#[cfg(target_os = "linux")]
fn entries(folder: &str) -> Option<usize> {
    Some(std::fs::read_dir(folder).ok()?.count())
}

/// Children are listed with the thread that started them; a kernel may be built without that list.
#[cfg(target_os = "linux")]
fn children() -> Option<usize> {
    let mut children = 0;
    let mut known = false;
    for task in std::fs::read_dir("/proc/self/task").ok()?.flatten() {
        // A thread may end while we look; its children go to another thread of this process.
        if let Ok(list) = std::fs::read_to_string(task.path().join("children")) {
            known = true;
            children += list.split_ascii_whitespace().count();
        }
    }
    known.then_some(children)
}

/// The slow way: every process of the system is asked for its parent.
#[cfg(target_os = "linux")]
fn children_by_parent() -> Option<usize> {
    let own = std::process::id().to_string();
    let is_child = |stat: &str| {
        // `pid (name) state parent ..`; the name may hold spaces and parentheses.
        stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)).is_some_and(|parent| parent == own)
    };
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    Some(
        processes
            .filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok())
            .filter(|s| is_child(s))
            .count(),
    )
}
