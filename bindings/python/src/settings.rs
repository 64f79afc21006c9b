//! The settings of a client, from a dict of Python to the builder.

use prism_client::{Builder, Client};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arguments::{self, count, duration, path, text};

/// The builder with these settings; one that is missing or None has its default.
pub(crate) fn builder(proxy_address: &Bound<'_, PyAny>, settings: &Bound<'_, PyDict>) -> PyResult<Builder> {
    let mut builder = Client::builder(&text(proxy_address, "proxy_address")?);
    let given = |name: &str| -> PyResult<Option<Bound<'_, PyAny>>> {
        Ok(settings.get_item(name)?.filter(|value| !value.is_none()))
    };
    macro_rules! set {
        ($($name:ident: $convert:expr),+ $(,)?) => {$(
            if let Some(value) = given(stringify!($name))? {
                builder = builder.$name($convert(&value, stringify!($name))?);
            }
        )+};
    }
    set!(
        token: text,
        token_file: path,
        insecure_token: arguments::truth,
        tls: arguments::truth,
        ca_file: path,
        certificate_file: path,
        key_file: path,
        server_name: text,
        timeout: duration,
        stall_timeout: duration,
        connect_timeout: duration,
        connections: count::<usize>,
        scan_connections: count::<usize>,
        in_flight_max: count::<usize>,
        attempts_max: count::<u32>,
    );
    for (name, value) in arguments::metadata(given("metadata")?.as_ref())? {
        builder = builder.metadata(name, value);
    }
    Ok(builder)
}
