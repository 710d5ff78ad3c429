//! What nodes and clients say to each other.
//!
//! From the bottom up: identifiers ([`id`]), one byte form for every value ([`canonical`]), signatures that name
//! their purpose ([`sign`]), every bound ([`limits`]), what must be equal at all members ([`version`]), who the
//! members are ([`membership`], [`log`], [`view`], [`proposal`], [`equivocation`]), what secrets are ([`secret`], [`policy`],
//! [`tag`]), what clients ask ([`request`], [`refusal`]) and how it is sealed ([`envelope`]), how values travel without any member learning
//! them ([`client_io`]), what members sign to each other ([`vote`], [`execution`]), and the client that puts it together
//! ([`client`], over [`http`]). [`admin`] is what the operator's door speaks.
//!
//! Nothing here holds state on disk, opens a listening socket or reads a clock except [`client`].

pub mod admin;
pub mod assurance;
pub mod canonical;
pub mod certificate;
pub mod client;
pub mod client_io;
pub mod door;
pub mod envelope;
pub mod equivocation;
pub mod execution;
pub mod hello;
pub mod http;
pub mod id;
pub mod limits;
pub mod log;
pub mod membership;
pub mod policy;
pub mod proposal;
pub mod refusal;
pub mod replay;
pub mod request;
pub mod secret;
pub mod sign;
pub mod socket;
pub mod stock;
pub mod store_head;
pub mod tag;
pub mod version;
pub mod view;
pub mod vote;
pub mod words;
