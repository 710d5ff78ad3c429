//! How doors answer: JSON or CBOR, and refusals with the status that fits them.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use polyyne_protocol::http::CBOR;
use polyyne_protocol::request::{Refusal, RefusalCode};

/// What a question about rates is about, in seconds.
#[derive(serde::Deserialize)]
pub struct Interval {
    #[serde(default = "minute")]
    pub interval: u64,
}

fn minute() -> u64 {
    60
}

/// A refusal on its way out.
pub struct Refused(pub Refusal);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(self.0)).into_response()
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self(refusal)
    }
}

/// A request that cannot be read.
pub fn malformed(cause: impl Into<String>) -> Refused {
    Refused(Refusal::new(RefusalCode::Malformed, cause, "use the vcp command line, or see /v1/openapi.json"))
}

/// Canonical CBOR bytes.
pub fn cbor(bytes: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, CBOR)], bytes).into_response()
}
