//! What `/proc` reports about a process. CPU times are those of all its threads, including ended ones, in ticks.

use std::time::Duration;

use anyhow::Context as _;

/// The fields of a `stat` file after the name.
pub(super) struct Stat<'a>(Vec<&'a str>);

impl<'a> Stat<'a> {
    /// The second field, the name, is in parentheses and may contain anything.
    pub(super) fn parse(text: &'a str) -> anyhow::Result<Self> {
        let (_, after_name) = text.rsplit_once(')').context("a stat file has a name in parentheses")?;
        Ok(Self(after_name.split_whitespace().collect()))
    }

    /// A field by its number in proc(5).
    fn field(&self, number: usize) -> anyhow::Result<u64> {
        let field = self.0.get(number - 3).with_context(|| format!("a stat file has no field {number}"))?;
        Ok(field.parse()?)
    }

    pub(super) fn parent(&self) -> anyhow::Result<u64> {
        self.field(4)
    }

    /// utime and stime.
    pub(super) fn ticks(&self) -> anyhow::Result<u64> {
        Ok(self.field(14)? + self.field(15)?)
    }

    /// cutime and cstime: those of children that have been awaited.
    pub(super) fn children_ticks(&self) -> anyhow::Result<u64> {
        Ok(self.field(16)? + self.field(17)?)
    }

    fn rss_pages(&self) -> anyhow::Result<u64> {
        self.field(24)
    }
}

pub(super) fn duration(ticks: u64) -> anyhow::Result<Duration> {
    Ok(Duration::from_secs(ticks) / u32::try_from(rustix::param::clock_ticks_per_second())?)
}

fn read(pid: &str) -> anyhow::Result<String> {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).with_context(|| format!("process {pid} has ended"))
}

/// The CPU time of a process so far.
pub(crate) fn cpu(pid: u32) -> anyhow::Result<Duration> {
    duration(Stat::parse(&read(&pid.to_string())?)?.ticks()?)
}

/// The resident memory of a process.
pub(super) fn rss_bytes(pid: u32) -> anyhow::Result<u64> {
    Ok(Stat::parse(&read(&pid.to_string())?)?.rss_pages()? * u64::try_from(rustix::param::page_size())?)
}

/// The `stat` files of all processes.
pub(super) fn all() -> anyhow::Result<Vec<(u64, String)>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // Processes may start and end meanwhile.
        all.extend(read(&format!("{pid}")).ok().map(|text| (pid, text)));
    }
    Ok(all)
}

/// The processes whose parent is `pid`.
pub(super) fn children_of(pid: u32) -> anyhow::Result<Vec<u32>> {
    let mut children = Vec::new();
    for (child, text) in all()? {
        if Stat::parse(&text)?.parent()? == u64::from(pid) {
            children.push(u32::try_from(child)?);
        }
    }
    Ok(children)
}

/// The number of threads of a process whose name has this prefix.
pub(super) fn threads(pid: u32, prefix: &str) -> anyhow::Result<usize> {
    let mut threads = 0;
    for entry in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let name = std::fs::read_to_string(entry?.path().join("comm")).unwrap_or_default();
        threads += usize::from(name.starts_with(prefix));
    }
    Ok(threads)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = "4242 (a (b) c) S 17 4242 4242 0 -1 4194560 2481 310 12 0 150 37 20 9 20 0 5 0 123456 \
                          251236352 2048 18446744073709551615 1 1 0 0 0 0 0 4096 16384 0 0 0 17 1 0 0 0 0 0";

    #[test]
    fn fields_are_counted_behind_a_name_with_parentheses() {
        let stat = Stat::parse(SAMPLE).unwrap();
        assert_eq!(stat.parent().unwrap(), 17);
        assert_eq!(stat.ticks().unwrap(), 187);
        assert_eq!(stat.children_ticks().unwrap(), 29);
        assert_eq!(stat.rss_pages().unwrap(), 2048);
        assert!(Stat::parse("4242 (short) S 1").unwrap().ticks().is_err());
        assert!(Stat::parse("nothing").is_err());
    }

    #[test]
    fn this_process_is_found() {
        let own = std::process::id();
        assert!(rss_bytes(own).unwrap() > 0);
        cpu(own).unwrap();
        assert!(threads(own, "").unwrap() >= 1);
    }
}
