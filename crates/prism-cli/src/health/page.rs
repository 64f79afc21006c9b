//! Health over HTTP: `/readyz` of any server, the only health endpoint of the admin.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri};
use prism_runtime::fetch::{FetchError, Fetcher};
use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::tls::TlsArgs;

/// The endpoint that `text` names, if it is a URL with a path: `https://HOST:PORT` alone is a gRPC server.
pub(super) fn of(text: &str) -> Option<Uri> {
    let uri: Uri = text.parse().ok()?;
    let is_page =
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some() && uri.path() != "/";
    is_page.then_some(uri)
}

/// Queries it once: any success is SERVING, 503 is NOT_SERVING.
pub(super) async fn ask(page: &Uri, tls: &TlsArgs, limit: Duration) -> Result<ServingStatus, Failure> {
    let request = Request::get(page).body(Bytes::new());
    let request = request.map_err(|error| Failure::Usage(format!("{page}: {error}")))?;
    let server = tls.web(&origin(page))?;
    match Fetcher::of(&server.address, server.connector).send(request, limit).await {
        Ok(answer) if answer.status().is_success() => Ok(ServingStatus::Serving),
        Ok(answer) if answer.status() == StatusCode::SERVICE_UNAVAILABLE => Ok(ServingStatus::NotServing),
        Ok(answer) => Err(Failure::Refused {
            exit: Exit::Failed,
            code: Code::Unknown,
            message: format!("{page} responded with {}; every Prism server has /readyz", answer.status()),
        }),
        Err(error) => Err(unreached(page, &error)),
    }
}

/// A page without its path.
fn origin(page: &Uri) -> String {
    let authority = page.authority().map_or("", http::uri::Authority::as_str);
    format!("{}://{authority}", page.scheme_str().unwrap_or("http"))
}

fn unreached(page: &Uri, error: &FetchError) -> Failure {
    let (code, message) = match error {
        FetchError::TimedOut(_) => (Code::DeadlineExceeded, format!("{page} did not respond in time")),
        FetchError::Connect(_) | FetchError::Lost(_) => (Code::Unavailable, format!("{page}: {error}")),
    };
    Failure::Refused { exit: Exit::Unavailable, code, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_with_a_path_is_a_page() {
        for page in
            ["http://127.0.0.1:8090/readyz", "http://admin:8090/a?b", "http://[::1]:1/readyz", "https://a/b"]
        {
            assert_eq!(of(page).unwrap().to_string(), page);
        }
        for server in [
            "127.0.0.1:8980",
            "http://127.0.0.1:8980",
            "http://a:1/",
            "unix:/run/a",
            "https://a:1",
            "/readyz",
        ] {
            assert_eq!(of(server), None, "{server}");
        }
    }
}
