//! Every bound, in one table. Whoever reads from a peer or a client takes its bound from here.
//!
//! Sizes are bytes, times are in the unit of the name's end. A bound is chosen so that an honest user does not meet
//! it and a dishonest one cannot exhaust a node with 1 GiB of memory.

/// KiB in bytes.
const KIB: usize = 1024;
/// MiB in bytes.
const MIB: usize = 1024 * KIB;

// Membership

/// Fewest members of a cloud: one party alone computes nothing jointly.
pub const MEMBERS_MIN: usize = 2;
/// Most members of a cloud; generation costs n(n−1).
pub const MEMBERS_MAX: usize = 16;
/// Longest name of a cloud, in characters.
pub const CLOUD_NAME_MAX: usize = 64;
/// Most addresses of one member (a peer that names thousands makes everyone dial them).
pub const ADDRESSES_MAX: usize = 16;
/// Longest multiaddr text.
pub const ADDRESS_MAX: usize = 256;
/// Most tuple kinds with a target.
pub const TARGETS_MAX: usize = 128;
/// Longest name of a tuple kind.
pub const KIND_NAME_MAX: usize = 32;
/// Most tuples of one kind that a cloud may aim to keep.
pub const TARGET_MAX: u64 = 1 << 30;
/// Highest priority of a kind of tuples.
pub const PRIORITY_MAX: u16 = 16;
/// Most chunks of one kind that members make at once.
pub const CONCURRENCY_MAX: u16 = 8;
/// Longest encoding of one signed record.
pub const RECORD_MAX: usize = 256 * KIB;
/// Most records of one log.
pub const LOG_RECORDS_MAX: usize = 4096;
/// Longest encoding of a whole log.
pub const LOG_MAX: usize = 16 * MIB;
/// Most tries at one epoch.
pub const ATTEMPTS_MAX: u32 = 1024;
/// Most clouds that one node is a member of.
pub const CLOUDS_MAX: usize = 64;
/// Most open invitations that a node keeps.
pub const INVITATIONS_MAX: usize = 64;

// Control plane

/// Longest control message between nodes.
pub const CONTROL_MESSAGE_MAX: usize = 32 * MIB;
/// Most control requests of one peer that a node works on at once.
pub const CONTROL_REQUESTS_PER_PEER_MAX: usize = 32;
/// How long a control request may take.
pub const CONTROL_TIMEOUT_MS: u64 = 30_000;
/// Most connected peers.
pub const PEERS_MAX: usize = 256;
/// Most connections of one peer.
pub const CONNECTIONS_PER_PEER_MAX: usize = 4;
/// Most addresses remembered of one peer.
pub const PEER_ADDRESSES_MAX: usize = 16;

// Data plane

/// Longest frame on a data link.
pub const FRAME_MAX: usize = 64 * MIB;
/// Bytes that may wait on one link in each direction.
pub const LINK_BUFFER_MAX: usize = 64 * MIB;
/// Longest first frame of a link, before its sender is known.
pub const LINK_HELLO_MAX: usize = 4 * KIB;
/// How long a link may take to be opened, with its first frame.
pub const LINK_OPEN_TIMEOUT_MS: u64 = 10_000;
/// How long a session waits for the frames of a round.
pub const ROUND_TIMEOUT_MS: u64 = 60_000;
/// Most links that wait for their session.
pub const LINKS_WAITING_MAX: usize = 256;
/// Most sessions at once.
pub const SESSIONS_MAX: usize = 64;

// Clients

/// Longest sealed envelope.
pub const ENVELOPE_MAX: usize = 17 * MIB;
/// Longest plaintext of an envelope, before padding.
pub const ENVELOPE_PLAINTEXT_MAX: usize = 16 * MIB;
/// Smallest padded plaintext.
pub const ENVELOPE_BUCKET_MIN: usize = KIB;
/// Longest body of an HTTP request to a node. Envelopes travel as base64 for every member.
pub const HTTP_BODY_MAX: usize = 128 * MIB;
/// Longest body of an answer that a client reads from a node.
pub const HTTP_ANSWER_MAX: usize = 512 * MIB;
/// Most HTTP requests that a node works on at once.
pub const HTTP_REQUESTS_MAX: usize = 256;
/// How long a client waits for a node to accept a connection.
pub const HTTP_CONNECT_TIMEOUT_MS: u64 = 5_000;
/// How long a client waits for an answer other than an execution's.
pub const CLIENT_TIMEOUT_MS: u64 = 60_000;
/// Tries of one request that fails on the way.
pub const CLIENT_TRIES_MAX: u32 = 4;
/// Longest life of a signed request.
pub const REQUEST_LIFETIME_MAX_S: u64 = 3_600;
/// Life that a client gives to a request that needs no longer one.
pub const REQUEST_LIFETIME_S: u64 = 300;
/// How far clocks may differ.
pub const CLOCK_SKEW_S: u64 = 300;
/// Most requests remembered against replay.
pub const REPLAY_MEMORY_MAX: usize = 1 << 18;
/// Most of them of one client.
pub const REPLAY_MEMORY_PER_CLIENT_MAX: usize = 1 << 15;
/// Most requests of one client that a node works on at once.
pub const REQUESTS_PER_CLIENT_MAX: usize = 64;
/// Longest text of a refusal.
pub const REFUSAL_TEXT_MAX: usize = 1024;

// Secrets

/// Most words of one secret.
pub const SECRET_WORDS_MAX: usize = 65_536;
/// Most tags of one secret.
pub const TAGS_MAX: usize = 64;
/// Longest key of a tag, in characters.
pub const TAG_KEY_MAX: usize = 128;
/// Longest text of a tag, in characters.
pub const TAG_VALUE_MAX: usize = 256;
/// Most keys or hashes in one list of a policy.
pub const POLICY_LIST_MAX: usize = 64;
/// Most conditions of one filter.
pub const FILTER_CONDITIONS_MAX: usize = 16;
/// Longest text of a filter or of a sort expression.
pub const FILTER_TEXT_MAX: usize = 4 * KIB;
/// Most items of one page of a list.
pub const PAGE_MAX: u32 = 1_000;
/// Items of a page where the client names no size.
pub const PAGE_DEFAULT: u32 = 100;
/// Most secrets of one delete.
pub const DELETES_MAX: usize = 256;
/// How long masks wait for their upload before they are burned.
pub const MASKS_LIFETIME_S: u64 = 900;
/// Most secrets that one client may have in upload at once.
pub const UPLOADS_PER_CLIENT_MAX: usize = 64;

// Executions

/// Longest program (schedule and all tapes).
pub const PROGRAM_MAX: usize = 12 * MIB;
/// Most arguments of a program.
pub const ARGUMENTS_MAX: usize = 64;
/// Longest argument.
pub const ARGUMENT_MAX: usize = 4 * KIB;
/// Most input secrets of an execution.
pub const INPUTS_MAX: usize = 256;
/// Most results of an execution.
pub const OUTPUTS_MAX: usize = 4096;
/// Most words that an execution may write, over all its results.
pub const OUTPUT_WORDS_MAX: usize = 65_536;
/// Longest text that an execution may print.
pub const PRINTED_MAX: usize = 4 * MIB;
/// Most values of one socket message of an execution.
pub const SOCKET_VALUES_MAX: usize = 65_536;
/// Most bytes that an execution may have written to its client's sockets and the client has not fetched.
pub const SOCKET_PENDING_MAX: usize = 4 * MIB;
/// How long a member lets a client wait for its program's next wish.
pub const SOCKET_WAIT_MS: u64 = 5_000;
/// VM threads of an execution that have links of their own; others run in place.
pub const EXECUTION_THREADS_MAX: u32 = 8;
/// Threads on which the members of a cloud make tuples together, and links from each to each.
pub const GENERATION_THREADS_MAX: u16 = 16;
/// Longest time of an execution.
pub const EXECUTION_TIMEOUT_MAX_MS: u64 = 3_600_000;
/// Time of an execution where the client names none.
pub const EXECUTION_TIMEOUT_MS: u64 = 300_000;
/// Most executions that wait at a node.
pub const EXECUTIONS_QUEUED_MAX: usize = 256;
/// How long the answer of an execution is kept for a client that asks again.
pub const EXECUTION_ANSWER_LIFETIME_S: u64 = 86_400;

// Tuples

/// Most tuples of one chunk.
pub const CHUNK_MAX: usize = 4096;
/// Tuples of one stored row.
pub const ROW_TUPLES: usize = 64;
/// Tuples of a kind's first batch; batches double from here.
pub const BATCH_FIRST: usize = 256;
/// How long members may take for one batch.
pub const BATCH_TIMEOUT_MS: u64 = 300_000;
/// Quotes of a member that generation knows of at once, and for how long.
pub const QUOTES_OPEN_MAX: usize = 256;
pub const QUOTE_OPEN_MS: u64 = 300_000;

// Operator's door

/// Longest body of an operator's request.
pub const ADMIN_BODY_MAX: usize = MIB;
/// Most findings that `doctor` reports.
pub const FINDINGS_MAX: usize = 256;

const _: () = {
    assert!(ENVELOPE_PLAINTEXT_MAX < ENVELOPE_MAX);
    assert!(PROGRAM_MAX < ENVELOPE_PLAINTEXT_MAX);
    assert!(ENVELOPE_MAX < CONTROL_MESSAGE_MAX);
    // a download of the largest secret: 3 words sent for each stored one, 16 bytes each
    assert!(SECRET_WORDS_MAX * 16 * 3 < ENVELOPE_PLAINTEXT_MAX);
    assert!(SOCKET_VALUES_MAX * 16 <= SOCKET_PENDING_MAX && SOCKET_PENDING_MAX < ENVELOPE_PLAINTEXT_MAX / 2);
    assert!(RECORD_MAX <= LOG_MAX);
    assert!(MEMBERS_MIN >= 2 && MEMBERS_MAX <= u16::MAX as usize);
    assert!(CHUNK_MAX.is_multiple_of(ROW_TUPLES));
};
