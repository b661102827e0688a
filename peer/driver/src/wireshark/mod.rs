//! Wireshark and tshark: key tables with which they decrypt a capture of ours, and what tshark reads.
//!
//! The tables are three files of a Wireshark profile: `ikev1_decryption_table`,
//! `ikev2_decryption_table` and `esp_sa`. The columns and names are those of version 4.0, tried with
//! tshark; an algorithm that this version has no name for gives [`Unsupported`] instead of a line
//! that would make the whole table unreadable.

mod esp;
mod ike;
mod tables;
mod tshark;

pub use esp::{EspEncryption, EspIntegrity, EspKeys, Family};
pub use ike::{IkeEncryption, IkeIntegrity, Ikev1Keys, Ikev2Keys};
pub use tables::{ESP_TABLE, IKEV1_TABLE, IKEV2_TABLE, KeyTables, TITLE, Unsupported};
pub use tshark::{Field, Packet, Question, Tshark, TsharkError};
