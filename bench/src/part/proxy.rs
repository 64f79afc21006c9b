//! The gateway compared with HAProxy, nginx, the typed forward of RFC-026, and no gateway, in front of one memstore.

pub(crate) mod open_loop;
pub(crate) mod start;

use std::path::Path;

use crate::call::{Call, VALUE_BYTES};
use crate::contender::{Contender, haproxy, nginx, prism, typed_forward};
use crate::contest::{self, Contest, Entry};
use crate::fill::fill;
use crate::load::Shape;
use crate::load::h2load::{H2load, Until};
use crate::machine::Machine;
use crate::part::Part;
use crate::plan::Plan;
use crate::results::{Case, Results};

/// The memstore without a gateway, in results.
pub(crate) const DIRECT: &str = "direct";

/// The size of a large value.
pub(crate) const LARGE_BYTES: usize = 64 * 1024;
/// The number of keys that a Scan returns.
const SCAN_KEYS: usize = 1000;
const SCAN_PREFIX: &str = "scan:";

/// Participating programs, and their flag for the version.
const PROGRAMS: [(&str, &str); 3] = [("haproxy", "-v"), ("nginx", "-v"), ("h2load", "--version")];

/// The name of a case that measures a call.
pub(crate) fn case_id(call: &str, shape: Shape, workers: usize) -> String {
    format!("{call}-{workers}/{shape}")
}

/// Runs the part.
pub(crate) async fn run(plan: &Plan) -> anyhow::Result<Results> {
    let machine = Machine::describe(&PROGRAMS)?;
    let folder = tempfile::tempdir()?;
    let one = Field::start(plan, 1, folder.path()).await?;
    let two = Field::start(plan, 2, folder.path()).await?;
    let mut contests = one.contests(plan);
    contests.extend(two.contests(plan));
    let mut cases = contest::run(contests, plan.rounds).await?;
    cases.push(open_loop::run(&one, plan, &cases).await?);
    drop((one, two));
    cases.push(start::run(plan, folder.path())?);
    Ok(Results { part: Part::Proxy, machine, settings: plan.settings(), cases })
}

/// All contenders with the same number of workers, and the store behind them.
#[derive(Debug)]
struct Field {
    workers: usize,
    memstore: Contender,
    prism: Contender,
    haproxy: Contender,
    haproxy_large_buffers: Contender,
    nginx: Contender,
    typed_forward: Contender,
}

impl Field {
    async fn start(plan: &Plan, workers: usize, folder: &Path) -> anyhow::Result<Self> {
        let memstore = prism::memstore(plan.backend(workers, folder))?;
        fill(&memstore.address, SCAN_PREFIX, 0..SCAN_KEYS, || None).await?;
        let (setup, backend) = (plan.contender(workers, folder), memstore.address.clone());
        Ok(Self {
            workers,
            memstore,
            prism: prism::proxy(setup, &backend)?,
            haproxy: haproxy::start(setup, &backend)?,
            haproxy_large_buffers: haproxy::start_with_large_buffers(setup, &backend)?,
            nginx: nginx::start(setup, &backend)?,
            typed_forward: typed_forward::start(setup, &backend)?,
        })
    }

    /// Which contender is measured with which call in which shape. Fewer with two workers: the figures of one worker
    /// with its own core are steadier.
    fn contests(&self, plan: &Plan) -> Vec<Contest<'_>> {
        let Self { memstore, prism, haproxy, haproxy_large_buffers, nginx, typed_forward, workers } = self;
        let mut contests = Vec::new();
        for (name, title, call) in
            [("get", "Get of 100 bytes", Call::get(VALUE_BYTES)), ("set", "Set of 100 bytes", Call::set())]
        {
            for shape in [Shape::SHARED, Shape::SPREAD, Shape::SINGLE] {
                let mut contenders = vec![prism, haproxy];
                if *workers == 1 || (name, shape) == ("get", Shape::SHARED) {
                    contenders.extend([memstore, typed_forward]);
                    contenders.extend((shape != Shape::SPREAD).then_some(nginx));
                }
                contests.push(self.contest(plan, (name, title), &call, shape, contenders));
            }
        }
        if *workers == 1 {
            let large = Call::get(LARGE_BYTES);
            let contenders = vec![prism, haproxy, haproxy_large_buffers, memstore, nginx, typed_forward];
            contests.push(self.contest(
                plan,
                ("get-64k", "Get of 64 KiB"),
                &large,
                Shape::SHARED,
                contenders,
            ));
            // The typed forward has no Scan.
            let scan = Call::Scan { prefix: SCAN_PREFIX.to_owned(), keys: SCAN_KEYS };
            let contenders = vec![prism, haproxy, haproxy_large_buffers, memstore, nginx];
            contests.push(self.contest(
                plan,
                ("scan", "Scan of 1,000 keys"),
                &scan,
                Shape::SHARED,
                contenders,
            ));
        }
        contests
    }

    fn contest<'a>(
        &'a self,
        plan: &Plan,
        (name, title): (&str, &str),
        call: &Call,
        shape: Shape,
        contenders: Vec<&'a Contender>,
    ) -> Contest<'a> {
        let workers = self.workers;
        let section = match workers {
            1 => format!("{title}, one worker each"),
            _ => format!("{title}, {workers} workers each"),
        };
        let case =
            Case::new(&section, &shape.to_string(), &case_id(name, shape, workers)).against(prism::PROXY);
        let until = Until::Passed(plan.time);
        let load = H2load { call: call.clone(), shape, until, place: plan.rest_place(workers) };
        let entry = |contender: &'a Contender| Entry {
            label: self.label(contender),
            contender,
            backend: &self.memstore,
            load: load.clone(),
        };
        Contest { case, entries: contenders.into_iter().map(entry).collect(), across_workers: false }
    }

    fn label(&self, contender: &Contender) -> String {
        let direct = std::ptr::eq(contender, &raw const self.memstore);
        if direct { DIRECT } else { contender.name }.to_owned()
    }
}
