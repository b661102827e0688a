//! How much the auditor remembers. Beyond these it forgets the oldest, and then judges less.
//!
//! A session of honest sides takes some 100 KiB. At worst, with datagrams of the largest size that
//! are never answered, all sessions together take some hundred MiB.

use core::time::Duration;

/// How many datagrams wait for keys.
pub const WAITING_DATAGRAMS: usize = 4096;
/// How many octets of datagrams wait for keys.
pub const WAITING_OCTETS: usize = 4 << 20;
/// How long a datagram waits for keys, in the time of the datagrams.
pub const WAITING_TIME: Duration = Duration::from_secs(10);
/// How many IKE SAs are followed.
pub const SESSIONS: usize = 256;
/// How many exchanges of each side of an IKE SA are remembered, for repetitions.
pub const EXCHANGES: usize = 16;
/// How many different IKE_SA_INIT requests of one SPI are remembered.
pub const INIT_REQUESTS: usize = 4;
/// How many paths of one request are remembered, for where its answer may come from.
pub const PATHS: usize = 8;
/// How many fragments of one message are remembered.
pub const FRAGMENTS: usize = 64;
/// How many nonces are remembered, over all IKE SAs.
pub const NONCES: usize = 8192;
/// How many initialization vectors of one key are remembered.
pub const IVS: usize = 4096;
/// How many directions of Child SAs are followed.
pub const ESP_SAS: usize = 1024;
/// How many recent packets of one direction are remembered, for repeated sequence numbers.
pub const ESP_PACKETS: usize = 1024;
/// How many packets of one direction are decrypted; of later ones only the header is judged.
pub const ESP_DECRYPTED: u64 = 100_000;
/// How many keys are kept.
pub const KEYS: usize = 4096;
/// How many lines of the timeline wait to be taken.
pub const TIMELINE: usize = 16_384;
/// How many octets of fragmented IP packets are kept while a capture is read.
pub const FRAGMENT_OCTETS: usize = 1 << 20;
/// How many fields of one datagram the timeline keeps.
pub const DETAIL: usize = 1024;
/// How many exchanges after phase 1 of an ISAKMP SA are remembered.
pub const EXCHANGES_V1: usize = 64;
/// How many messages of an ISAKMP SA are remembered, for repetitions.
pub const MESSAGES_V1: usize = 512;
/// How many messages of one later exchange of IKEv1 are remembered.
pub const MESSAGES_OF_EXCHANGE: usize = 16;
/// How many cookies are remembered, over all ISAKMP SAs.
pub const COOKIES: usize = 8192;
/// How many messages of IKEv1 in fragments are put together at a time.
pub const FRAGMENTED_V1: usize = 16;
