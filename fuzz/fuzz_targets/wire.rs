//! What nodes and clients send each other: whatever decodes is the canonical form of what it is read as.
#![no_main]

use libfuzzer_sys::fuzz_target;
use polyyne_protocol::canonical;
use polyyne_protocol::envelope::Envelope;
use polyyne_protocol::hello::Hello;
use polyyne_protocol::http::{RelayRequest, RelayResponse};
use polyyne_protocol::log::{CloudLog, SignedRecord};
use polyyne_protocol::request::{Answer, Request};
use polyyne_protocol::sign::Signed;

const BYTES_MAX: usize = 1 << 20;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(request) = canonical::decode::<Request>(bytes, BYTES_MAX) {
        assert_eq!(canonical::encode(&request), bytes);
        drop(request.check());
    }
    if let Ok(log) = CloudLog::verify(bytes) {
        assert_eq!(log.to_bytes(), bytes);
    }
    if let Ok(record) = canonical::decode::<SignedRecord>(bytes, BYTES_MAX) {
        drop(record.verify_after(None));
    }
    if let Ok(envelope) = Envelope::from_bytes(bytes) {
        assert_eq!(envelope.to_bytes(), bytes);
    }
    drop(canonical::decode::<Signed<Hello>>(bytes, BYTES_MAX));
    drop(canonical::decode::<Answer>(bytes, BYTES_MAX));
    drop(canonical::decode::<RelayRequest>(bytes, BYTES_MAX));
    drop(canonical::decode::<RelayResponse>(bytes, BYTES_MAX));
});
