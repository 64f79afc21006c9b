//! The page.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::plot::Plot;
use super::target::{self, Bound, Target};
use crate::machine::Machine;
use crate::part::Part;
use crate::results::{Case, Figure, Results, Settings, Spread, grouped};

/// Figures by which contenders are compared.
const COMPARED: [Figure; 4] = [Figure::RequestsPerSecond, Figure::CpuUs, Figure::BytesPerKey, Figure::ScanUs];
/// Those for a fixed rate.
const COMPARED_OPEN_LOOP: [Figure; 1] = [Figure::P99Us];

/// The whole page.
pub(super) fn page(all: &[Results], plots: &[Plot]) -> String {
    let mut page = "# Benchmark results\n\n".to_owned();
    page.push_str(
        "Written by `just bench` from the JSON files beside this page; `just bench report` writes it again. Figures are \
         medians over rounds in which all contenders take turns. Ratios are medians of the ratios within a round, with \
         the lowest and the highest. Times hold for the machine named above them and for no other.\n",
    );
    for results in all {
        page.push_str(&part(results, plots));
    }
    page.push_str(&targets(&target::all(all)));
    page
}

fn part(results: &Results, plots: &[Plot]) -> String {
    let mut page = format!("\n## {}\n\n{}\n\n", title(results.part), method(results.part, &results.settings));
    page.push_str(&machine(&results.machine));
    page.push_str(&others(results));
    let mut sections: Vec<&str> = Vec::new();
    for case in &results.cases {
        if !sections.contains(&case.section.as_str()) {
            sections.push(&case.section);
        }
    }
    for section in sections {
        let cases: Vec<_> = results.cases.iter().filter(|case| case.section == section).collect();
        let _ = write!(page, "\n### {section}\n\n{}", table(&cases));
        for plot in plots.iter().filter(|plot| plot.part == results.part && plot.section == section) {
            let _ = write!(page, "\n![{}]({})\n", plot.title, plot.file);
        }
    }
    page
}

fn title(part: Part) -> &'static str {
    match part {
        Part::Proxy => "The gateway",
        Part::Tls => "The gateway with TLS and tokens",
        Part::Memstore => "The store",
        Part::Redis => "Redis behind the gateway",
        Part::Python => "The Python client",
        Part::Growth => "Growth",
        Part::Verbs => "Calls by rule, batches and queues",
        Part::Diskstore => "The store on disk",
        Part::Before => "Compared with another version",
    }
}

fn method(part: Part, settings: &Settings) -> String {
    let Settings { rounds, seconds, pinned } = settings;
    let pinning = match (part, pinned) {
        (Part::Python | Part::Redis, _) => "No process has a core of its own.",
        (_, true) => {
            "With one worker each, the contender has the first core for itself; what stands behind it and the load share \
             the others. Where it used clearly less than that core (core %), these were the bottleneck, and only its CPU \
             time per request compares it. With more workers, all share all cores."
        }
        (_, false) => "No process has a core of its own.",
    };
    let kind = match part {
        Part::Proxy => {
            "All gateways stand before the same `prism-memstore`, in clear text, with connections kept. Shapes are \
             connections × streams. `h2load` sends (closed loop); latencies are those that it logs in a further run of half a \
             second, since the log of each request takes it as long as a request. `prism bench` sends at fixed moments (open \
             loop), and latency counts from then; a request that could not be sent before the end counts as one that took \
             the whole measurement."
        }
        Part::Tls => {
            "Both gateways stand before the same `prism-memstore`, in clear text towards it. Towards `h2load` they speak TLS 1.3 \
             with TLS_AES_128_GCM_SHA256, or clear text. With TLS, each call carries a token, which prism-proxy checks against \
             its file and the rights of the namespace; HAProxy forwards it unread."
        }
        Part::Memstore => {
            "Redis runs without persistence. `h2load` sends to the store, `redis-benchmark` to Redis, one request at a time \
             on each connection. Bytes per key are the growth of resident memory; keys are 16 bytes and values 100. \
             Memory and expiry are measured once."
        }
        Part::Redis => {
            "Every contender has one worker, in clear text, with connections kept, before the same Redis without persistence. \
             `redis-benchmark` sends to Redis and to Envoy, `h2load` to the proxy, one request at a time on each connection. \
             The CPU time of a proxy with `prism-redis` behind it includes that of the plugin; the backend is always Redis. `prism bench` \
             sends to the proxy before the cluster, and to the one beside it."
        }
        Part::Python => {
            "Each measurement is a process of its own. CPU time is that of the client's process; redis.asyncio speaks to \
             Redis straight, the others through `prism-proxy` to `prism-memstore`."
        }
        Part::Verbs => {
            "`h2load` sends to the store and the gateway, `redis-benchmark` to Redis without persistence, one request at a time on each \
             connection. Queues and waiters are called by the Rust client, which shares all cores with the store; their latency is what the \
             client saw."
        }
        Part::Diskstore => {
            "All write to the same disk. `h2load` sends to the store and to etcd, `redis-benchmark` to Redis, one request at a time on each \
             connection, all for one key; processes share all cores, except for Gets in the cache. A data set that does not fit the \
             cache still fits the memory that the system has for files."
        }
        Part::Before => {
            "Both versions are binaries of a release. `h2load` sends to both stores, and to both gateways before a store of this version."
        }
        Part::Growth => "`h2load` sends Gets of 100 bytes through `prism-proxy` to `prism-memstore`.",
    };
    format!(
        "{rounds} rounds, {seconds} s a measurement. CPU time is user and system time of all threads, from \
         `/proc/PID/stat`. {pinning} {kind}"
    )
}

fn machine(machine: &Machine) -> String {
    let versions: Vec<_> =
        machine.versions.iter().map(|(name, version)| format!("{name} ({version})")).collect();
    format!(
        "Machine: {}, {} cores, {:.1} GiB, {}. Versions: {}.\n",
        machine.cpu,
        machine.cores,
        machine.memory_gib,
        machine.kernel,
        versions.join("; ")
    )
}

/// How busy the machine was otherwise.
fn others(results: &Results) -> String {
    let rows = results.cases.iter().flat_map(|case| &case.rows);
    let percents = rows.filter_map(|row| row.figures.get(&Figure::OthersPercent)).flatten().copied();
    Spread::of(percents).map_or_else(String::new, |percents| {
        format!(
            "Processes that have no part in this took {:.1} % of the machine's CPU time during a measurement (median), and \
             at most {:.1} %.\n",
            percents.median, percents.max
        )
    })
}

/// One table for the cases of a section.
fn table(cases: &[&Case]) -> String {
    let rows = || cases.iter().flat_map(|case| &case.rows);
    let mut figures: BTreeSet<Figure> = rows().flat_map(|row| row.figures.keys().copied()).collect();
    figures.remove(&Figure::OthersPercent);
    let baseline = cases.iter().find_map(|case| case.baseline.as_ref());
    let open_loop = cases.iter().any(|case| case.is_open_loop());
    let comparable = if open_loop { &COMPARED_OPEN_LOOP[..] } else { &COMPARED[..] };
    let compared: Vec<_> =
        comparable.iter().copied().filter(|figure| baseline.is_some() && figures.contains(figure)).collect();

    let mut heads = vec!["case".to_owned(), "contender".to_owned()];
    heads.extend(figures.iter().map(|figure| figure.title().to_owned()));
    let to = baseline.map_or("", String::as_str);
    heads.extend(compared.iter().map(|figure| format!("{} / {to}", figure.title())));
    let mut table = line(&heads);
    table.push_str(&format!("|---|---|{}\n", "--:|".repeat(heads.len() - 2)));
    for case in cases {
        for row in &case.rows {
            let mut fields = vec![case.title.clone(), row.contender.clone()];
            fields.extend(figures.iter().map(|figure| {
                let spread = row.figures.get(figure).and_then(|values| Spread::of(values.iter().copied()));
                spread.map_or_else(String::new, |spread| grouped(spread.median, figure.digits()))
            }));
            fields.extend(compared.iter().map(|figure| ratio(case, &row.contender, *figure)));
            table.push_str(&line(&fields));
        }
    }
    table
}

/// A contender's figure divided by the baseline's; empty for the baseline itself.
fn ratio(case: &Case, contender: &str, figure: Figure) -> String {
    let Some(baseline) = case.baseline.as_deref().filter(|baseline| *baseline != contender) else {
        return String::new();
    };
    let values = case.figure(contender, figure).zip(case.figure(baseline, figure));
    let spread = values.and_then(|(of, to)| Spread::of_ratios(of, to));
    spread.map_or_else(String::new, |spread| ranged(spread, 2))
}

fn targets(targets: &[Target]) -> String {
    let mut page = "\n## Targets\n\nJudged by the median.\n\n".to_owned();
    page.push_str(&line(&["", "target", "measured (min–max)", "verdict"].map(str::to_owned)));
    page.push_str("|---|--:|--:|---|\n");
    for target in targets {
        let unit = if target.unit.is_empty() { String::new() } else { format!(" {}", target.unit) };
        let bound = match target.bound {
            // At least one digit: 1.0, 1.05.
            Bound::AtMost(most) => format!("≤ {most:?}{unit}"),
            Bound::AtLeast(least) => format!("≥ {least:?}{unit}"),
        };
        let measured = target.measured.map(|spread| format!("{}{unit}", ranged(spread, 2)));
        let verdict = match target.is_met() {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "not measured",
        };
        let fields = [target.name.clone(), bound, measured.unwrap_or_default(), verdict.to_owned()];
        page.push_str(&line(&fields));
    }
    page
}

fn ranged(spread: Spread, digits: usize) -> String {
    let Spread { median, min, max } = spread;
    if min == max {
        format!("{median:.digits$}")
    } else {
        format!("{median:.digits$} ({min:.digits$}–{max:.digits$})")
    }
}

fn line(fields: &[String]) -> String {
    format!("| {} |\n", fields.join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Sample;

    fn case() -> Case {
        let mut case = Case::new("section", "4×16", "id").against("ours");
        for (ours, theirs) in [(20_000.0, 10_000.0), (30_000.0, 10_000.0), (25_000.0, 10_000.0)] {
            case.record("ours", None, Sample::default().with(Figure::RequestsPerSecond, ours));
            case.record("theirs", None, Sample::default().with(Figure::RequestsPerSecond, theirs));
        }
        case
    }

    #[test]
    fn rows_have_medians_and_ratios_with_their_range() {
        let table = table(&[&case()]);
        assert!(
            table.contains("| case | contender | req/s | req/s / ours |\n|---|---|--:|--:|\n"),
            "{table}"
        );
        assert!(table.contains("| 4×16 | ours | 25,000 |  |\n"), "{table}");
        assert!(table.contains("| 4×16 | theirs | 10,000 | 0.40 (0.33–0.50) |\n"), "{table}");
    }

    #[test]
    fn verdicts_follow_from_the_median() {
        let spread = |median| Some(Spread { median, min: 0.5, max: 9.0 });
        let target = |bound, measured| Target { name: "it".to_owned(), bound, unit: "", measured };
        let page = targets(&[
            target(Bound::AtMost(1.2), spread(1.1)),
            target(Bound::AtMost(1.2), spread(1.3)),
            target(Bound::AtLeast(1.2), None),
        ]);
        assert!(page.contains("| it | ≤ 1.2 | 1.10 (0.50–9.00) | met |"), "{page}");
        assert!(page.contains("| it | ≤ 1.2 | 1.30 (0.50–9.00) | **missed** |"), "{page}");
        assert!(page.contains("| it | ≥ 1.2 |  | not measured |"), "{page}");
    }
}
