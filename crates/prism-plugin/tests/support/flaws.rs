//! What [`super::wire`] breaks: for each case, the request that is changed on its way, or responded to differently.

use bytes::Bytes;
use http::{HeaderValue, request};
use prism_grpc::message::{PREFIX_BYTES, framed};
use prism_plugin::{Error, ErrorReason};
use prism_proto::interfaces::capabilities::GetCapabilitiesRequest;
use prism_proto::interfaces::keyvalue::condition::{Present, Test};
use prism_proto::interfaces::keyvalue::{
    BatchSetRequest, Condition, CountRequest, DeletePrefixRequest, DeleteRequest, ExistsRequest,
    ExpireRequest, ScanKeysRequest, ScanRequest, SetIfRequest, SetRequest, SetResponse,
};
use prism_proto::interfaces::list::{BlockingPopRequest, PopManyRequest, PushLeftRequest, ReserveRequest};
use prism_proto::interfaces::transfer::{
    ExportRequest, ExportResponse, ImportRequest, ImportResponse, Item, KeyItem, item,
};
use prism_proto::interfaces::usage::GetUsageRequest;
use prism_proto::limits::{BATCH_ITEMS_MAX, KEY_BYTES_MAX, RESUME_BYTES_MAX, TTL_MAX, VALUE_BYTES_MAX};
use prost::Message;
use tonic::Status;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{ListServiceResponse, ServerReflectionResponse, ServiceResponse};

/// A request that has arrived in full.
pub(crate) struct Exchange {
    pub(crate) head: request::Parts,
    pub(crate) body: Bytes,
}

/// A response that the plugin has not given.
pub(crate) enum Answer {
    Status(Status),
    Http(u16),
    Message(Vec<u8>),
}

/// A response in place of the plugin's.
pub(crate) struct Instead {
    pub(crate) answer: Answer,
    /// Whether the call is made nonetheless.
    pub(crate) after_the_call: bool,
}

/// Every flaw of this file and of [`super::wire`].
pub(crate) const BROKEN_ON_THE_WIRE: &[&str] = &[
    "namespaces/invalid-name-is-refused",
    "namespaces/too-long-name-is-refused",
    "namespaces/longest-name-is-valid",
    "namespaces/any-valid-name-is-accepted",
    "namespaces/empty-means-default",
    "keys/empty-is-refused",
    "keys/too-long-is-refused",
    "keys/length-is-counted-in-bytes",
    "keys/invalid-utf8-is-refused",
    "values/too-large-is-refused",
    "values/too-large-message-is-refused",
    "values/refused-write-changes-nothing",
    "keyvalue/set-then-get",
    "ttl/zero-and-negative-are-refused",
    "ttl/too-long-is-refused",
    "ttl/millis-are-checked",
    "ttl/expire-is-checked",
    "cas/condition-is-checked",
    "batch/one-failing-item-fails-nothing-else",
    "batch/items-are-bounded",
    "list-batch/requests-are-checked",
    "list-blocking/wait-is-checked",
    "list-reserve/requests-are-checked",
    "idempotency/keys-are-checked",
    "idempotency/only-writes-of-one-key-have-keys",
    "transfer/export-returns-keys-with-ttls",
    "transfer/export-says-when",
    "transfer/other-tokens-are-refused",
    "transfer/import-acknowledges-all",
    "transfer/deadline-takes-time-off",
    "transfer/lists-appear-with-their-last-part",
    "transfer/lists-may-begin-again",
    "transfer/what-comes-before-a-mistake-is-stored",
    "transfer/import-is-checked",
    "scan/too-long-prefix-is-refused",
    "scan/negative-limit-is-refused",
    "scan/start-after-is-a-key",
    "scan/start-after-needs-order",
    "scan/before-is-a-key",
    "scan/reverse-and-before-need-order",
    "scan/resume-excludes-before",
    "scan/delete-prefix-removes",
    "scan/delete-prefix-has-a-limit",
    "scan/may-be-left-early",
    "scan/resume-is-checked",
    "scan/resume-belongs-to-a-namespace",
    "scan/resume-is-bounded",
    "scan/resume-excludes-start-after",
    "wire/",
    "health/",
    "reflection/",
    "capabilities/",
    "usage/",
];

fn status(status: Status) -> Option<Instead> {
    Some(Instead { answer: Answer::Status(status), after_the_call: false })
}

fn internal() -> Option<Instead> {
    status(Status::internal("a handler failed"))
}

fn message(message: impl Message) -> Option<Instead> {
    Some(Instead { answer: Answer::Message(message.encode_to_vec()), after_the_call: false })
}

fn after_the_call(instead: Option<Instead>) -> Option<Instead> {
    instead.map(|instead| Instead { after_the_call: true, ..instead })
}

fn serving(status: ServingStatus) -> Option<Instead> {
    message(HealthCheckResponse { status: status.into() })
}

impl Exchange {
    /// The last part of the path.
    pub(crate) fn method(&self) -> &str {
        self.head.uri.path().rsplit('/').next().unwrap_or_default()
    }

    fn message(&self) -> &[u8] {
        self.body.get(PREFIX_BYTES..).unwrap_or_default()
    }

    pub(crate) fn is_garbage(&self) -> bool {
        self.message() == [0xFF; 16]
    }

    /// Whether there is a complete message.
    fn is_whole(&self) -> bool {
        let stated = self.body.get(1..PREFIX_BYTES).unwrap_or(&[0xFF]);
        self.message().len() == stated.iter().fold(0, |len, byte| len << 8 | usize::from(*byte))
    }

    fn header(&self, name: &str) -> &str {
        self.head.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn read<M: Message + Default>(&self) -> M {
        M::decode(self.message()).unwrap_or_default()
    }

    /// Changes the request on its way.
    fn rewrite<M: Message + Default>(&mut self, change: impl FnOnce(&mut M)) -> Option<Instead> {
        let is_plain = self.header("grpc-encoding").is_empty();
        if self.is_whole()
            && is_plain
            && let Ok(mut message) = M::decode(self.message())
        {
            change(&mut message);
            self.body = framed(&message.encode_to_vec());
        }
        None
    }

    fn without_key(&mut self) -> Option<Instead> {
        self.head.headers.remove("idempotency-key");
        None
    }

    /// Breaks the rule of a case, if this request gives the occasion.
    pub(crate) fn flaw(&mut self, broken: &str) -> Option<Instead> {
        let method = self.method().to_owned();
        match (broken, method.as_str()) {
            ("reflection/lists-what-is-served", "ServerReflectionInfo") => {
                let name = "prism.interfaces.list.ListBasicInterface".to_owned();
                let list = ListServiceResponse { service: vec![ServiceResponse { name }] };
                message(ServerReflectionResponse {
                    message_response: Some(MessageResponse::ListServicesResponse(list)),
                    ..Default::default()
                })
            }
            ("capabilities/answer-in-any-namespace", "GetCapabilities") => {
                let is_empty = self.read::<GetCapabilitiesRequest>().namespace.is_empty();
                if is_empty { internal() } else { None }
            }
            ("usage/answers-in-any-namespace", "GetUsage") => {
                if self.read::<GetUsageRequest>().namespace.is_empty() { internal() } else { None }
            }
            ("idempotency/keys-are-checked", "PushRight")
                if self.header("idempotency-key") == "not-a-key" =>
            {
                self.without_key()
            }
            ("idempotency/only-writes-of-one-key-have-keys", "Scan") => self.without_key(),
            (case, "Export") if case.starts_with("transfer/") => self.export_flaw(case),
            (case, "Import") if case.starts_with("transfer/") => self.import_flaw(case),
            (case, _) if case.starts_with("health/") => self.health_flaw(case),
            (case, _) if case.starts_with("wire/") => self.wire_flaw(case),
            (case, method) => self.field_flaw(case, method),
        }
    }

    fn field_flaw(&mut self, broken: &str, method: &str) -> Option<Instead> {
        let invalid = || status(Error::new(ErrorReason::NamespaceInvalid, "namespace is refused").into());
        match (broken, method) {
            ("namespaces/invalid-name-is-refused", "Delete") => {
                self.rewrite(|request: &mut DeleteRequest| {
                    request.namespace = request.namespace.replace('_', "-");
                })
            }
            ("namespaces/too-long-name-is-refused", "Count") => {
                self.rewrite(|request: &mut CountRequest| request.namespace.truncate(64))
            }
            ("namespaces/longest-name-is-valid", "Exists") => {
                if self.read::<ExistsRequest>().namespace.len() == 64 { invalid() } else { None }
            }
            ("namespaces/any-valid-name-is-accepted", "Exists") => {
                if self.read::<ExistsRequest>().namespace.ends_with('-') { invalid() } else { None }
            }
            ("namespaces/empty-means-default", "Set") => self.rewrite(|request: &mut SetRequest| {
                if request.namespace.is_empty() {
                    request.namespace = "empty".to_owned();
                }
            }),
            ("keys/empty-is-refused", "Exists") => self.rewrite(|request: &mut ExistsRequest| {
                if request.key.is_empty() {
                    request.key = "empty".to_owned();
                }
            }),
            ("keys/too-long-is-refused", "Delete") => self.rewrite(|request: &mut DeleteRequest| {
                if request.key.is_ascii() {
                    request.key.truncate(KEY_BYTES_MAX);
                }
            }),
            ("keys/length-is-counted-in-bytes", "Exists") => self.rewrite(|request: &mut ExistsRequest| {
                if request.key.chars().count() <= KEY_BYTES_MAX {
                    while request.key.len() > KEY_BYTES_MAX {
                        request.key.pop();
                    }
                }
            }),
            ("keys/invalid-utf8-is-refused", "Get") => {
                let is_invalid = self.message().ends_with(b"/\xFF");
                if is_invalid { internal() } else { None }
            }
            // A Set would also break what a refused write must leave unchanged.
            ("values/too-large-is-refused", "PushLeft") => {
                self.rewrite(|request: &mut PushLeftRequest| request.value.truncate(VALUE_BYTES_MAX))
            }
            ("values/too-large-message-is-refused", _) if self.body.len() > 5 << 20 => {
                status(Status::out_of_range("the message is larger than the decoder takes"))
            }
            ("values/refused-write-changes-nothing", "Set") => {
                let mut is_refused = false;
                self.rewrite(|request: &mut SetRequest| {
                    is_refused = request.ttl_seconds.take_if(|ttl| *ttl == -7).is_some()
                });
                let refusal = Error::new(ErrorReason::TtlInvalid, "ttl_seconds is refused, but too late");
                if is_refused { after_the_call(status(refusal.into())) } else { None }
            }
            ("keyvalue/set-then-get", "Set") if self.read::<SetRequest>().value == "value" => {
                after_the_call(message(SetResponse { success: false }))
            }
            ("ttl/zero-and-negative-are-refused", "Set") => self.rewrite(|request: &mut SetRequest| {
                request.ttl_seconds = request.ttl_seconds.filter(|ttl| *ttl != 0);
            }),
            ("ttl/too-long-is-refused", "Set") => self.rewrite(|request: &mut SetRequest| {
                request.ttl_seconds = request.ttl_seconds.map(|ttl| ttl.min(TTL_MAX.as_secs().cast_signed()));
            }),
            ("ttl/millis-are-checked", "Set") => self.rewrite(|request: &mut SetRequest| {
                request.ttl_millis = request.ttl_millis.filter(|ttl| *ttl != 0);
            }),
            ("ttl/expire-is-checked", "Expire") => self.rewrite(|request: &mut ExpireRequest| {
                if request.ttl_millis == 0 {
                    request.ttl_millis = 3_600_000;
                }
            }),
            ("cas/condition-is-checked", "SetIf") => self.rewrite(|request: &mut SetIfRequest| {
                let present = Condition { test: Some(Test::Present(Present {})) };
                request.condition.get_or_insert(present);
            }),
            ("batch/one-failing-item-fails-nothing-else", "BatchSet") => self
                .rewrite(|request: &mut BatchSetRequest| request.items.retain(|item| !item.key.is_empty())),
            ("batch/items-are-bounded", "BatchSet") => {
                self.rewrite(|request: &mut BatchSetRequest| request.items.truncate(BATCH_ITEMS_MAX))
            }
            ("list-batch/requests-are-checked", "PopMany") => {
                self.rewrite(|request: &mut PopManyRequest| request.count = request.count.max(1))
            }
            ("list-blocking/wait-is-checked", "BlockingPop") => self
                .rewrite(|request: &mut BlockingPopRequest| request.wait_millis = request.wait_millis.max(0)),
            ("list-reserve/requests-are-checked", "Reserve") => self
                .rewrite(|request: &mut ReserveRequest| request.lease_millis = request.lease_millis.max(1)),
            (case, "DeletePrefix") => self.rewrite(|request: &mut DeletePrefixRequest| match case {
                "scan/delete-prefix-removes" => request.prefix = request.prefix.replace("of/", ""),
                "scan/delete-prefix-has-a-limit" => request.limit = request.limit.min(0),
                _ => {}
            }),
            ("scan/before-is-a-key", "Scan") => self.rewrite(|request: &mut ScanRequest| {
                request.before = request.before.take().filter(|key| !key.is_empty());
            }),
            ("scan/reverse-and-before-need-order", "Scan") => {
                self.rewrite(|request: &mut ScanRequest| request.reverse = false)
            }
            ("scan/too-long-prefix-is-refused", "Count") => {
                self.rewrite(|request: &mut CountRequest| request.prefix.truncate(KEY_BYTES_MAX))
            }
            ("scan/negative-limit-is-refused", "ScanKeys") => {
                self.rewrite(|request: &mut ScanKeysRequest| request.limit = request.limit.max(0))
            }
            ("scan/start-after-is-a-key", "Scan") => self.rewrite(|request: &mut ScanRequest| {
                request.start_after = request.start_after.take().filter(|key| !key.is_empty());
            }),
            ("scan/start-after-needs-order", "Scan") => self.rewrite(|request: &mut ScanRequest| {
                request.start_after = request.start_after.take().filter(|_| !request.resume.is_empty());
            }),
            (case, "Scan") if case.starts_with("scan/resume-") => self.resume_flaw(case),
            _ => None,
        }
    }

    /// Ignores a token where it has to be refused.
    fn resume_flaw(&mut self, broken: &str) -> Option<Instead> {
        self.rewrite(|request: &mut ScanRequest| match broken {
            "scan/resume-is-checked" if request.resume == "no token" => request.resume.clear(),
            "scan/resume-belongs-to-a-namespace" if request.namespace.starts_with("conformance-") => {
                request.resume.clear();
            }
            "scan/resume-is-bounded" if request.resume.len() > RESUME_BYTES_MAX => request.resume.clear(),
            "scan/resume-excludes-start-after" if !request.resume.is_empty() => request.start_after = None,
            "scan/resume-excludes-before" if !request.resume.is_empty() => request.before = None,
            _ => {}
        })
    }

    fn export_flaw(&mut self, broken: &str) -> Option<Instead> {
        let ExportRequest { prefix, resume, .. } = self.read();
        let key = |ttl_millis_left, taken_at_unix_millis| {
            let item = KeyItem { key: format!("{prefix}k"), value: "v".into(), ttl_millis_left };
            let item = Some(Item { kind: Some(item::Kind::Key(item)) });
            message(ExportResponse { item, taken_at_unix_millis, ..ExportResponse::default() })
        };
        match broken {
            "transfer/export-returns-keys-with-ttls" if prefix.contains(broken) => key(None, i64::MAX),
            "transfer/export-says-when" if prefix.contains(broken) => key(None, 0),
            "transfer/other-tokens-are-refused" if resume == "no token" => {
                self.rewrite(|request: &mut ExportRequest| request.resume.clear())
            }
            _ => None,
        }
    }

    fn import_flaw(&mut self, broken: &str) -> Option<Instead> {
        let mut messages = self.read_all();
        let is_of_the_case = |message: &ImportRequest| match message.item.as_ref()?.kind.as_ref()? {
            item::Kind::Key(item) => Some(item.key.contains(broken)),
            item::Kind::ListPart(part) => Some(part.list_key.contains(broken)),
        };
        if !messages.iter().any(|message| is_of_the_case(message) == Some(true)) {
            return None;
        }
        if broken == "transfer/import-acknowledges-all" {
            return after_the_call(message(ImportResponse { items: 599, skipped: 0 }));
        }
        if broken == "transfer/what-comes-before-a-mistake-is-stored" {
            messages.retain(|message| is_of_the_case(message) != Some(true));
        }
        let is_again = |number: i64, before: i64| broken.ends_with("may-begin-again") && number < before;
        let mut parts = 0;
        for message in &mut messages {
            if broken == "transfer/deadline-takes-time-off"
                && let Some(options) = &mut message.options
            {
                options.deadline = false;
            }
            if broken == "transfer/import-is-checked" && message.item.is_some() {
                message.options = None;
            }
            let kind = message.item.as_mut().and_then(|item| item.kind.as_mut());
            let Some(item::Kind::ListPart(part)) = kind else { continue };
            if broken == "transfer/lists-appear-with-their-last-part" {
                part.last = true;
                part.part = 0;
            }
            // Goes on with the list that begins again.
            if is_again(part.part, parts) {
                part.part = parts;
            }
            parts += 1;
        }
        self.body = messages.iter().flat_map(|message| framed(&message.encode_to_vec())).collect();
        None
    }

    /// All messages of a request with several.
    fn read_all(&self) -> Vec<ImportRequest> {
        let (mut messages, mut left) = (Vec::new(), &self.body[..]);
        while let Some((prefix, rest)) = left.split_at_checked(PREFIX_BYTES) {
            let len = prefix[1..].iter().fold(0, |len, byte| len << 8 | usize::from(*byte));
            let Some((message, rest)) = rest.split_at_checked(len) else { break };
            messages.extend(ImportRequest::decode(message));
            left = rest;
        }
        messages
    }

    fn health_flaw(&self, broken: &str) -> Option<Instead> {
        let service = self.read::<HealthCheckRequest>().service;
        match (broken, self.method(), service.as_str()) {
            ("health/server-is-serving", "Check", "") => serving(ServingStatus::NotServing),
            ("health/interfaces-are-serving", "Check", name) if name.contains(".list.") => {
                serving(ServingStatus::NotServing)
            }
            ("health/unknown-service-is-not-found", "Check", name) if name.contains(".none.") => {
                serving(ServingStatus::ServiceUnknown)
            }
            ("health/watch-begins-with-the-status", "Watch", "") => serving(ServingStatus::Unknown),
            _ => None,
        }
    }

    fn wire_flaw(&mut self, broken: &str) -> Option<Instead> {
        let content_type = self.header("content-type").to_owned();
        match broken {
            "wire/unknown-method-is-unimplemented" if self.method() == "NoSuchMethod" => {
                status(Status::not_found("no such method"))
            }
            "wire/absent-message-is-refused" if self.body.is_empty() => internal(),
            "wire/garbage-is-refused" if self.is_garbage() => internal(),
            "wire/cut-off-message-is-refused" if !self.body.is_empty() && !self.is_whole() => internal(),
            "wire/unknown-fields-are-ignored" if self.message().ends_with(b"\x98\x06\x01") => {
                status(Status::invalid_argument("field 99 is not known"))
            }
            "wire/deadline-in-the-past-is-deadline-exceeded" if self.header("grpc-timeout") == "1n" => {
                status(Status::cancelled("timeout expired"))
            }
            "wire/other-content-types-are-415" if content_type == "text/plain" => {
                self.head.headers.insert("content-type", HeaderValue::from_static("application/grpc"));
                None
            }
            "wire/grpc-content-types-are-accepted" if content_type.ends_with("+proto") => {
                Some(Instead { answer: Answer::Http(415), after_the_call: false })
            }
            // UNIMPLEMENTED, but without saying what is implemented.
            "wire/unknown-compression-is-unimplemented" if self.header("grpc-encoding") == "folding" => {
                status(Error::new(ErrorReason::CompressionUnsupported, "folding is not supported").into())
            }
            "wire/gzip-is-accepted" if self.header("grpc-encoding") == "gzip" => internal(),
            _ => None,
        }
    }
}
