//! The files that the package brings along: short path and text, made by `build.rs`.

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
