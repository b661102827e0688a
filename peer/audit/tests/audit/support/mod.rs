//! A laboratory: two honest sides made of `wire` and `crypto` alone, and ways to make one of them
//! send something else. Nothing in here knows the state machines of the edge.

pub mod draft;
pub mod esp;
pub mod judge;
pub mod lab;
pub mod script;
pub mod seal;

pub use lab::Lab;
