//! Requests and responses as header fields, and the rules for them (RFC 9113, section 8).

use http::header::{
    CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE,
};
use http::uri::{self, Authority, PathAndQuery, Uri};
use http::{Method, Request, Response, StatusCode, Version};

use crate::hpack::field::Scheme;
use crate::hpack::{Decoder, Encoder, Field};

/// Headers of HTTP/1.1 that HTTP/2 forbids.
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// The indexes of frequent fields in the static table.
const METHOD_GET: usize = 2;
const METHOD_POST: usize = 3;
const SCHEME_HTTP: usize = 6;
const SCHEME_HTTPS: usize = 7;
const STATUS_OK: usize = 8;

/// What is to be sent as a block of headers.
#[derive(Debug)]
pub(crate) enum Head {
    Request(Box<Request<()>>),
    Response(Response<()>),
    Trailers(HeaderMap),
}

impl Head {
    /// Appends the block.
    pub(crate) fn encode(&self, encoder: &mut Encoder, to: &mut Vec<u8>) {
        encoder.begin(to);
        let headers = match self {
            Self::Request(request) => {
                encode_pseudo(request, encoder, to);
                request.headers()
            }
            Self::Response(response) => {
                match response.status() {
                    StatusCode::OK => Encoder::fixed(STATUS_OK, to),
                    status => encoder.pseudo(":status", status.as_str(), to),
                }
                response.headers()
            }
            Self::Trailers(trailers) => trailers,
        };
        for (name, value) in headers {
            encoder.header(name, value, to);
        }
    }
}

fn encode_pseudo(request: &Request<()>, encoder: &mut Encoder, to: &mut Vec<u8>) {
    match *request.method() {
        Method::POST => Encoder::fixed(METHOD_POST, to),
        Method::GET => Encoder::fixed(METHOD_GET, to),
        ref method => encoder.pseudo(":method", method.as_str(), to),
    }
    let uri = request.uri();
    let is_https = uri.scheme() == Some(&uri::Scheme::HTTPS);
    Encoder::fixed(if is_https { SCHEME_HTTPS } else { SCHEME_HTTP }, to);
    if let Some(authority) = uri.authority() {
        encoder.pseudo(":authority", authority.as_str(), to);
    }
    encoder.pseudo(":path", uri.path_and_query().map_or("/", PathAndQuery::as_str), to);
}

/// A block of headers of which the end has not arrived.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) id: u32,
    pub(crate) end_stream: bool,
    pub(crate) bytes: Vec<u8>,
    /// How many bytes its frames have had: an empty one counts as well, or there would be no end of them.
    pub(crate) received: usize,
}

/// What is wrong with a block of headers that could be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It breaks a rule.
    Malformed,
    /// The list is larger than this side accepts.
    TooLarge,
}

/// The fields of a block.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    method: Option<Method>,
    scheme: Option<Scheme>,
    authority: Option<Option<Authority>>,
    path: Option<PathAndQuery>,
    status: Option<StatusCode>,
    headers: HeaderMap,
    /// Pseudo-headers come first.
    has_header: bool,
    bytes: usize,
    fault: Option<Fault>,
}

impl Fields {
    /// Decodes a block whose list of headers counts at most `bytes_max`. A larger one is decoded as well, but not kept.
    pub(crate) fn decode(
        block: &[u8],
        decoder: &mut Decoder,
        bytes_max: usize,
    ) -> Result<Self, crate::hpack::decoder::Undecodable> {
        let mut fields = Self::default();
        decoder.decode(block, |(field, bytes)| {
            fields.bytes += bytes;
            if fields.bytes > bytes_max {
                fields.fault = Some(Fault::TooLarge);
            } else if fields.add(field).is_none() {
                fields.fault.get_or_insert(Fault::Malformed);
            }
        })?;
        Ok(fields)
    }

    /// `None`: it must not be there.
    fn add(&mut self, field: Field) -> Option<()> {
        if let Field::Header(name, value) = field {
            self.has_header = true;
            let is_forbidden = [CONNECTION, TRANSFER_ENCODING, UPGRADE, KEEP_ALIVE, PROXY_CONNECTION]
                .contains(&name)
                || (name == TE && value != "trailers");
            self.headers.append(name, value);
            return (!is_forbidden).then_some(());
        }
        let is_twice = match field {
            Field::Method(method) => self.method.replace(method).is_some(),
            Field::Scheme(scheme) => self.scheme.replace(scheme).is_some(),
            Field::Authority(authority) => self.authority.replace(authority).is_some(),
            Field::Path(path) => self.path.replace(path).is_some(),
            Field::Status(status) => self.status.replace(status).is_some(),
            Field::Header(..) | Field::Malformed => true,
        };
        (!is_twice && !self.has_header).then_some(())
    }

    fn check(&self) -> Result<(), Fault> {
        self.fault.map_or(Ok(()), Err)
    }

    pub(crate) fn into_request(self) -> Result<Request<()>, Fault> {
        self.check()?;
        let (Some(method), Some(scheme), Some(path), None) =
            (self.method, self.scheme, self.path, self.status)
        else {
            return Err(Fault::Malformed);
        };
        let mut parts = uri::Parts::default();
        parts.path_and_query = Some(path);
        if let Some(authority) = self.authority.flatten() {
            parts.authority = Some(authority);
            parts.scheme = Some(match scheme {
                Scheme::Http => uri::Scheme::HTTP,
                Scheme::Https => uri::Scheme::HTTPS,
            });
        }
        let mut request = Request::new(());
        *request.method_mut() = method;
        *request.uri_mut() = Uri::from_parts(parts).map_err(|_| Fault::Malformed)?;
        *request.version_mut() = Version::HTTP_2;
        *request.headers_mut() = self.headers;
        Ok(request)
    }

    pub(crate) fn into_response(self) -> Result<Response<()>, Fault> {
        self.check()?;
        let is_request =
            self.method.is_some() || self.scheme.is_some() || self.authority.is_some() || self.path.is_some();
        let (Some(status), false) = (self.status, is_request) else { return Err(Fault::Malformed) };
        let mut response = Response::new(());
        *response.status_mut() = status;
        *response.version_mut() = Version::HTTP_2;
        *response.headers_mut() = self.headers;
        Ok(response)
    }

    pub(crate) fn into_trailers(self) -> Result<HeaderMap, Fault> {
        self.check()?;
        let has_pseudo = self.method.is_some()
            || self.scheme.is_some()
            || self.authority.is_some()
            || self.path.is_some()
            || self.status.is_some();
        if has_pseudo { Err(Fault::Malformed) } else { Ok(self.headers) }
    }
}

/// The length of a body, if its head says so.
pub(crate) fn content_length(headers: &HeaderMap) -> Result<Option<u64>, Fault> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let Some(length) = lengths.next() else { return Ok(None) };
    let parsed = |value: &HeaderValue| {
        let text = value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
        text.parse().ok()
    };
    match (parsed(length), lengths.next()) {
        (Some(length), None) => Ok(Some(length)),
        _ => Err(Fault::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(head: &Head) -> Fields {
        let mut block = Vec::new();
        head.encode(&mut Encoder::default(), &mut block);
        Fields::decode(&block, &mut Decoder::default(), 1000).unwrap()
    }

    /// Fields as a peer may send them, with their names and values.
    fn sent(list: &[(&str, &str)]) -> Fields {
        let mut block = Vec::new();
        for (name, value) in list {
            block.push(0);
            for text in [name, value] {
                block.push(text.len() as u8);
                block.extend_from_slice(text.as_bytes());
            }
        }
        Fields::decode(&block, &mut Decoder::default(), 1000).unwrap()
    }

    const REQUEST: [(&str, &str); 3] = [(":method", "POST"), (":scheme", "http"), (":path", "/a")];

    #[test]
    fn a_request_and_a_response_read_back() {
        for uri in ["http://localhost:80/a/b?c", "https://[::1]/"] {
            let request = Request::post(uri).header("te", "trailers").body(()).unwrap();
            let read = fields(&Head::Request(Box::new(request))).into_request().unwrap();
            assert_eq!((read.uri().to_string().as_str(), read.method()), (uri, &Method::POST));
            assert_eq!(read.headers()["te"], "trailers");
        }
        let response = Response::builder().status(404).header("a", "b").body(()).unwrap();
        let read = fields(&Head::Response(response)).into_response().unwrap();
        assert_eq!(
            (read.status(), &read.headers()["a"]),
            (StatusCode::NOT_FOUND, &HeaderValue::from_static("b"))
        );
    }

    #[test]
    fn a_request_needs_its_pseudo_headers_once_and_first() {
        assert!(sent(&REQUEST).into_request().is_ok());
        assert!(sent(&[&REQUEST[..], &[(":authority", "")]].concat()).into_request().is_ok());
        for without in 0..3 {
            let mut list = REQUEST.to_vec();
            list.remove(without);
            assert_eq!(sent(&list).into_request().unwrap_err(), Fault::Malformed);
        }
        for more in [
            (":path", "/b"),
            (":status", "200"),
            (":unknown", "a"),
            ("connection", "close"),
            ("keep-alive", "1"),
            ("proxy-connection", "a"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("te", "gzip"),
            ("Upper", "a"),
            ("broken", "a\r\nb: c"),
        ] {
            let list = [&REQUEST[..], &[more]].concat();
            assert_eq!(sent(&list).into_request().unwrap_err(), Fault::Malformed, "{more:?}");
        }
        let late = [("a", "b"), REQUEST[0], REQUEST[1], REQUEST[2]];
        assert_eq!(sent(&late).into_request().unwrap_err(), Fault::Malformed);
        assert_eq!(sent(&REQUEST).into_trailers().unwrap_err(), Fault::Malformed);
        assert_eq!(sent(&REQUEST).into_response().unwrap_err(), Fault::Malformed);
    }

    #[test]
    fn a_list_that_is_too_large_is_told_from_a_malformed_one() {
        let long = "a".repeat(100);
        let list = [&REQUEST[..], &[("a", &long), ("a", &long)]].concat();
        assert!(sent(&list).into_request().is_ok());
        let many = [&list[..], &[("a", long.as_str()); 5]].concat();
        assert_eq!(sent(&many).into_request().unwrap_err(), Fault::TooLarge);
    }

    #[test]
    fn a_length_is_one_number() {
        let length = |values: &[&str]| {
            content_length(&values.iter().map(|value| (CONTENT_LENGTH, value.parse().unwrap())).collect())
        };
        assert_eq!((length(&[]), length(&["17"])), (Ok(None), Ok(Some(17))));
        for wrong in [&["-1"][..], &["+1"], &["a"], &[""], &["1", "1"], &["99999999999999999999"]] {
            assert_eq!(length(wrong), Err(Fault::Malformed), "{wrong:?}");
        }
    }
}
