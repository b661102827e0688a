//! Deviations of the edge, as a scenario writes them.
//!
//! The core knows which changes there are and what each takes; a scenario names a change, the message
//! that it is made in, and its arguments, where payloads and notifications may have their names and
//! octets are hex.

use std::collections::BTreeMap;

use ikeproof_proto::fault::{Change, Fault};
use ikeproof_proto::wire::hex;
use ikeproof_proto::wire::num::{NotifyType, PayloadType};
use serde::Deserialize;
use serde_json::Value as Json;
use toml::Spanned;

use super::step::{Direction, Exchange};
use crate::format::{Problem, problem_of};

/// A deviation: what is changed, and in which messages.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct FaultSpec {
    /// The name of the change, such as `flip-wire`.
    pub name: Spanned<String>,
    /// The exchange of the messages.
    pub exchange: Exchange,
    /// Whether requests or responses are changed.
    pub direction: Direction,
    /// Which of them, from 0. Not said, it is all of them for an edge and the next one in a step.
    pub nth: Option<u32>,
    /// How many copies of each, from the first; all, if not said.
    pub copies: Option<u32>,
    /// What the change takes.
    #[serde(flatten)]
    pub with: BTreeMap<String, toml::Value>,
}

impl FaultSpec {
    /// The fault of an edge that has it from the start.
    ///
    /// # Errors
    /// If there is no such change, or it takes something else.
    pub fn lasting(&self) -> Result<Fault, Problem> {
        Ok(Fault {
            exchange: self.exchange.number(),
            response: self.direction == Direction::Response,
            nth: self.nth,
            copies: self.copies,
            change: self.change()?,
        })
    }

    /// The fault of a step, counted from there.
    ///
    /// # Errors
    /// As for [`Self::lasting`].
    pub fn next(&self) -> Result<Fault, Problem> {
        Ok(Fault { nth: Some(self.nth.unwrap_or(0)), ..self.lasting()? })
    }

    /// The change that it makes.
    fn change(&self) -> Result<Change, Problem> {
        let wrong = |message: String| problem_of(&message, &self.name.span());
        let mut object = serde_json::Map::new();
        object.insert("what".to_owned(), Json::String(self.name.get_ref().clone()));
        for (key, value) in &self.with {
            let value = argument(key, value).map_err(wrong)?;
            object.insert(key.clone(), value);
        }
        serde_json::from_value(Json::Object(object)).map_err(|error| wrong(error.to_string()))
    }
}

/// An argument as the core reads it.
fn argument(key: &str, value: &toml::Value) -> Result<Json, String> {
    let Some(text) = value.as_str() else {
        return serde_json::to_value(value).map_err(|error| error.to_string());
    };
    let unknown = |names: Vec<&str>| {
        let names: Vec<_> = names.into_iter().map(|name| format!("`{name}`")).collect();
        format!("unknown variant `{text}`, expected one of {}", names.join(", "))
    };
    match key {
        "payload" => {
            let mut known = PayloadType::KNOWN.iter();
            let found = known.find(|kind| kind.name() == Some(text)).map(|kind| kind.0.into());
            let names = || PayloadType::KNOWN.iter().filter_map(|kind| kind.name()).collect();
            found.ok_or_else(|| unknown(names()))
        }
        "notify" => {
            let mut known = NotifyType::KNOWN.iter();
            let found = known.find(|kind| kind.name() == Some(text)).map(|kind| kind.0.into());
            let names = || NotifyType::KNOWN.iter().filter_map(|kind| kind.name()).collect();
            found.ok_or_else(|| unknown(names()))
        }
        "body" | "data" | "bytes" => {
            let octets = hex::decode(text);
            octets.map(Json::from).map_err(|error| format!("`{text}` is no hex: {error}"))
        }
        _ => Ok(Json::String(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use ikeproof_proto::wire::ExchangeType;
    use rstest::rstest;

    use super::*;

    fn spec(text: &str) -> FaultSpec {
        toml::from_str(&format!("exchange = 'IKE_AUTH'\ndirection = 'response'\n{text}")).unwrap()
    }

    #[rstest]
    #[case("name = 'flip-wire'\nat = -1\nmask = 1", Change::FlipWire { at: -1, mask: 1 })]
    #[case("name = 'withhold'", Change::Withhold)]
    #[case(
        "name = 'add-payload'\npayload = 200\ncritical = true\nbody = '00ff'",
        Change::AddPayload { payload: PayloadType(200), critical: true, body: vec![0, 255] }
    )]
    #[case("name = 'drop-payload'\npayload = 'IDr'", Change::DropPayload { payload: PayloadType::IDR })]
    #[case("name = 'drop-notify'\nnotify = 'COOKIE'", Change::DropNotify { notify: 16_390 })]
    fn a_change_is_named_with_what_it_takes(#[case] text: &str, #[case] change: Change) {
        let fault = spec(text).lasting().unwrap();
        assert_eq!((fault.change, fault.exchange), (change, ExchangeType::IKE_AUTH));
        assert!(fault.response && fault.nth.is_none() && fault.copies.is_none());
    }

    #[test]
    fn a_step_is_about_the_next_message() {
        let fault = spec("name = 'withhold'\ncopies = 1").next().unwrap();
        assert_eq!((fault.nth, fault.copies), (Some(0), Some(1)));
        assert_eq!(spec("name = 'withhold'\nnth = 2").next().unwrap().nth, Some(2));
    }

    #[rstest]
    #[case("name = 'flip-wires'\nat = 0\nmask = 1", Some("flip-wire"))]
    #[case("name = 'flip-wire'\nat = 0\nmaks = 1", Some("mask"))]
    #[case("name = 'drop-payload'\npayload = 'IDR'", Some("IDr"))]
    #[case("name = 'append'\nbytes = 'xy'", None)]
    #[case("name = 'flip-wire'\nat = 0", None)]
    fn what_there_is_not_is_refused(#[case] text: &str, #[case] nearest: Option<&str>) {
        let problem = spec(text).lasting().unwrap_err();
        assert_eq!(problem.nearest.as_deref(), nearest, "{}", problem.message);
    }
}
