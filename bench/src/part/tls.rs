//! The gateway with TLS and a token for each call, compared with HAProxy that ends TLS; both in plain text, too, in the
//! same run.

use std::path::Path;

use anyhow::Context as _;

use crate::call::{Call, VALUE_BYTES};
use crate::contender::{Contender, Secure, haproxy, prism};
use crate::contest::{self, Contest, Entry};
use crate::load::Shape;
use crate::load::h2load::{H2load, Until};
use crate::machine::Machine;
use crate::part::Part;
use crate::part::proxy::LARGE_BYTES;
use crate::plan::Plan;
use crate::results::{Case, Results};

/// Participating programs, and their flag for the version.
const PROGRAMS: [(&str, &str); 2] = [("haproxy", "-v"), ("h2load", "--version")];

/// The name of a case.
pub(crate) fn case_id(call: &str, shape: Shape, tls: bool) -> String {
    format!("{}/{call}-{shape}", if tls { "tls" } else { "tls-none" })
}

/// Runs the part.
pub(crate) async fn run(plan: &Plan) -> anyhow::Result<Results> {
    let machine = Machine::describe(&PROGRAMS)?;
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    let memstore = prism::memstore(plan.backend(1, folder))?;
    let (setup, backend) = (plan.contender(1, folder), memstore.address.as_str());
    let files = Files::make(folder)?;
    let secure = Secure { ca_file: files.certificate.clone(), token: prism::token(&files.tokens)? };
    let proxy_files = (files.certificate.as_path(), files.key.as_path(), files.tokens.as_path());
    let plain = [prism::proxy(setup, backend)?, haproxy::start(setup, backend)?];
    let secured = [
        prism::proxy_with_tls(setup, backend, proxy_files)?.secured(secure.clone()),
        haproxy::start_with_tls(setup, backend, &files.both)?.secured(secure),
    ];
    let mut contests = Vec::new();
    for (name, title, call, shapes) in [
        ("get", "Get of 100 bytes", Call::get(VALUE_BYTES), &[Shape::SHARED, Shape::SPREAD][..]),
        ("get-64k", "Get of 64 KiB", Call::get(LARGE_BYTES), &[Shape::SHARED]),
    ] {
        for &shape in shapes {
            for (contenders, tls) in [(&secured, true), (&plain, false)] {
                let with = if tls { "TLS 1.3 and a token" } else { "plain text" };
                let section = format!("{title}, one worker each, with TLS and without");
                let case = Case::new(&section, &format!("{shape}, {with}"), &case_id(name, shape, tls));
                let until = Until::Passed(plan.time);
                let load = H2load { call: call.clone(), shape, until, place: plan.rest_place(1) };
                let entry = |contender| entry(contender, &memstore, &load);
                let entries = contenders.iter().map(entry).collect();
                contests.push(Contest {
                    case: case.against(contenders[0].name),
                    entries,
                    across_workers: false,
                });
            }
        }
    }
    let cases = contest::run(contests, plan.rounds).await?;
    Ok(Results { part: Part::Tls, machine, settings: plan.settings(), cases })
}

fn entry<'a>(contender: &'a Contender, backend: &'a Contender, load: &H2load) -> Entry<'a> {
    Entry { label: contender.name.to_owned(), contender, backend, load: load.clone() }
}

/// A certificate that signs itself, and a file for tokens.
struct Files {
    certificate: std::path::PathBuf,
    key: std::path::PathBuf,
    /// Certificate and key in one file, as HAProxy reads them.
    both: std::path::PathBuf,
    tokens: std::path::PathBuf,
}

impl Files {
    fn make(folder: &Path) -> anyhow::Result<Self> {
        let names = ["localhost", "127.0.0.1"].map(str::to_owned);
        let made = rcgen::generate_simple_self_signed(names).context("a certificate cannot be made")?;
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let file = |name: &str| folder.join(name);
        let files = Self {
            certificate: file("tls.crt"),
            key: file("tls.key"),
            both: file("tls.pem"),
            tokens: file("tokens"),
        };
        std::fs::write(&files.both, format!("{certificate}{key}"))?;
        std::fs::write(&files.certificate, certificate)?;
        std::fs::write(&files.key, key)?;
        Ok(files)
    }
}
