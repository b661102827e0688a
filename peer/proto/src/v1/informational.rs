//! The informational exchange of an established ISAKMP SA: deletes, notifications and dead peer
//! detection (RFC 2409, section 5.7; RFC 3706). Nothing in it is answered but a probe.

use core::time::Duration;

use super::child::Child;
use super::established::Established;
use super::probes::Taken;
use super::quick::Quick;
use super::sa::Arrival;
use crate::endpoint::context::Context;
use crate::event::{CloseReason, DropReason, Event, Notification};
use crate::io::IkeHandle;
use crate::time::Time;
use crate::wire::v1::{Delete, Message, Notify, NotifyKind, Payload, is_encrypted};
use crate::wire::{Attribute, ExchangeType, ProtocolId, Reader};

impl Established {
    /// Sends payloads in an informational exchange, unless they are withheld. Whether they were sent.
    pub(super) fn inform(
        &mut self,
        ike: IkeHandle,
        payloads: &[Payload],
        cx: &mut Context,
    ) -> bool {
        let message_id = self.new_message_id(ike, cx);
        let outgoing = self.channel.outgoing(ExchangeType::INFORMATIONAL_V1, message_id, false);
        let iv = self.channel.phase2_iv(&self.base_iv, message_id);
        let sealed = self.channel.seal_hashed(cx, &outgoing, &iv, payloads, &[]);
        cx.transmit(self.path, &sealed.bytes);
        !sealed.bytes.is_empty()
    }

    /// Tells the peer that everything is deleted: each pair, and the ISAKMP SA.
    pub(super) fn say_deleted(&mut self, ike: IkeHandle, cx: &mut Context) {
        for child in self.children.clone() {
            self.say_child_deleted(ike, &child, cx);
        }
        let (spi_i, spi_r) = self.spis();
        self.inform(ike, &[Payload::Delete(Delete::isakmp(spi_i, spi_r))], cx);
    }

    /// Tells the peer that a pair is deleted, by the SPI that it sends on.
    pub(super) fn say_child_deleted(&mut self, ike: IkeHandle, child: &Child, cx: &mut Context) {
        let deletes = child.inbound().map(|(protocol, spi)| Delete::child(protocol, spi));
        let payloads: Vec<_> = deletes.map(Payload::Delete).collect();
        self.inform(ike, &payloads, cx);
    }

    /// Sends the first probe of a series.
    pub(super) fn begin_probe(
        &mut self,
        ike: IkeHandle,
        now: Time,
        interval: Duration,
        cx: &mut Context,
    ) {
        let sequence = self.probes.next;
        self.probes.next = sequence.wrapping_add(1);
        self.probes.waiting = Some((sequence, now + interval, 1));
        self.send_probe(ike, sequence, cx);
    }

    /// Sends the probe that waits for its answer once more.
    pub(super) fn repeat_probe(
        &mut self,
        ike: IkeHandle,
        now: Time,
        interval: Duration,
        cx: &mut Context,
    ) {
        if let Some((sequence, at, tries)) = &mut self.probes.waiting {
            *at = now + interval;
            *tries += 1;
            let sequence = *sequence;
            self.send_probe(ike, sequence, cx);
        }
    }

    fn send_probe(&mut self, ike: IkeHandle, sequence: u32, cx: &mut Context) {
        cx.event(Event::ProbeSent { ike });
        self.notify(ike, NotifyKind::R_U_THERE, &sequence.to_be_bytes(), cx);
    }

    fn notify(&mut self, ike: IkeHandle, kind: NotifyKind, data: &[u8], cx: &mut Context) {
        let (spi_i, spi_r) = self.spis();
        let notify = Notify::isakmp(kind, spi_i, spi_r, data.to_vec());
        self.inform(ike, &[Payload::Notify(notify)], cx);
    }

    /// Takes an informational message. One that is not protected is never believed. The reason to end
    /// for, if it ends the SA.
    pub(super) fn informational(
        &mut self,
        ike: IkeHandle,
        now: Time,
        arrival: &Arrival<'_>,
        cx: &mut Context,
    ) -> Option<CloseReason> {
        let message_id = arrival.raw.header.message_id;
        if !is_encrypted(&arrival.raw.header) {
            let requirement = "rfc2408-4.8-informational-protected";
            let why = "an informational message without protection";
            cx.violation(Some(ike), arrival.path.remote, requirement, why);
            arrival.dropped(DropReason::NotEncrypted, cx);
            return None;
        }
        if self.is_connected(ike, now, arrival, cx) {
            return None;
        }
        let iv = self.channel.phase2_iv(&self.base_iv, message_id);
        let opened = match self.channel.open_hashed(cx, arrival, &iv, &[]) {
            Ok(opened) => opened,
            Err(reason) => {
                arrival.dropped(reason, cx);
                return None;
            }
        };
        if !self.use_message_id(message_id) {
            let (got, expected) = (message_id, 0);
            arrival.dropped(DropReason::MessageId { got, expected }, cx);
            return None;
        }
        self.heard(ike, now, arrival, cx);
        if self.deletes(ike, &opened.message, cx) {
            return Some(self.transactions.reason_of_delete());
        }
        for notify in opened.message.notifies() {
            self.notified(ike, now, arrival, notify, cx);
        }
        None
    }

    /// Takes down what the peer has deleted. Says whether that is the ISAKMP SA.
    fn deletes(&mut self, ike: IkeHandle, message: &Message, cx: &mut Context) -> bool {
        let (spi_i, spi_r) = self.spis();
        let own = [spi_i.0, spi_r.0].concat();
        for delete in message.deletes() {
            for spi in &delete.spis {
                if delete.protocol == ProtocolId::IKE {
                    if *spi == own {
                        return true;
                    }
                    continue;
                }
                let Ok(octets) = <[u8; 4]>::try_from(spi.as_slice()) else { continue };
                let spi_out = u32::from_be_bytes(octets);
                // Of two SAs that are used together, one is of no use without the other.
                let is_meant = |child: &Child| child.sends_on(delete.protocol, spi_out);
                if let Some(child) = self.take_child(is_meant) {
                    child.remove(cx, ike, CloseReason::DeletedByPeer);
                }
            }
        }
        false
    }

    fn notified(
        &mut self,
        ike: IkeHandle,
        now: Time,
        arrival: &Arrival<'_>,
        notify: &Notify,
        cx: &mut Context,
    ) {
        match notify.kind {
            NotifyKind::R_U_THERE => self.asked(ike, arrival, notify, cx),
            NotifyKind::R_U_THERE_ACK => self.acknowledged(ike, notify, cx),
            NotifyKind::INITIAL_CONTACT => cx.initial_contact(ike),
            NotifyKind::RESPONDER_LIFETIME => {
                if let Some(seconds) = lifetime_of(&notify.data) {
                    self.told_lifetime(now, notify, seconds);
                }
            }
            kind if kind.is_error() => self.refused(ike, notify, cx),
            _ => {}
        }
    }

    /// Answers a probe, if it is of this SA and no older one (RFC 3706, section 6).
    fn asked(&mut self, ike: IkeHandle, arrival: &Arrival<'_>, notify: &Notify, cx: &mut Context) {
        let violation = |requirement: &str, why: &str, cx: &mut Context| {
            cx.violation(Some(ike), arrival.path.remote, requirement, why);
        };
        if !self.liveness.dpd().enabled {
            let why = "a probe, though this end has not announced dead peer detection";
            return violation("rfc3706-5.1-vendor-id-both", why, cx);
        }
        let (spi_i, spi_r) = self.spis();
        if notify.spi != [spi_i.0, spi_r.0].concat() {
            return violation("rfc3706-5.3-spi-is-cookies", "the SPI of a probe is another", cx);
        }
        let Ok(octets) = <[u8; 4]>::try_from(notify.data.as_slice()) else {
            return violation("rfc3706-5.3-data-four-octets", "a probe without a number", cx);
        };
        let sequence = u32::from_be_bytes(octets);
        match self.probes.peer.take(sequence) {
            Taken::Answer => {}
            Taken::Late => return,
            Taken::TooLow => {
                let why = "the number of a probe is too low";
                return violation("rfc3706-6.2-increment-one", why, cx);
            }
        }
        self.notify(ike, NotifyKind::R_U_THERE_ACK, &octets, cx);
    }

    fn acknowledged(&mut self, ike: IkeHandle, notify: &Notify, cx: &mut Context) {
        let octets = <[u8; 4]>::try_from(notify.data.as_slice());
        let sequence = octets.map(u32::from_be_bytes).ok();
        if self.probes.waiting.is_some_and(|(waiting, ..)| Some(waiting) == sequence) {
            self.probes.waiting = None;
            cx.event(Event::ProbeAnswered { ike });
        }
    }

    /// The peer refuses something: the quick mode whose SPI it names, or the only one there is if it names
    /// none. Another SPI is of a pair that is up, or was, and says nothing of what is being asked for.
    fn refused(&mut self, ike: IkeHandle, notify: &Notify, cx: &mut Context) {
        let kind = Notification::from(notify.kind);
        let (spi_i, spi_r) = self.spis();
        // charon names 0 where it refuses before it has read the offer.
        let is_zero = notify.spi.iter().all(|octet| *octet == 0);
        let names_none = is_zero || notify.spi == [spi_i.0, spi_r.0].concat();
        let asked = self.quick.iter().filter_map(|(id, quick)| match quick {
            Quick::Second(quick) => Some((*id, quick)),
            _ => None,
        });
        let meant: Vec<u32> = asked
            .filter(|(_, quick)| names_none || quick.receives_on(&notify.spi))
            .map(|(id, _)| id)
            .collect();
        let [id] = meant.as_slice() else {
            let (exchange, tentative) = (ExchangeType::INFORMATIONAL_V1, false);
            return cx.event(Event::PeerRefused { ike, exchange, notify: kind, tentative });
        };
        if let Some(Quick::Second(quick)) = self.quick.remove(id) {
            quick.refused(ike, kind, cx);
            quick.abandon(cx);
        }
    }
}

/// The seconds that the attributes of RESPONDER-LIFETIME name.
pub(super) fn lifetime_of(data: &[u8]) -> Option<u64> {
    let mut reader = Reader::new(data);
    let mut in_seconds = false;
    while !reader.is_empty() {
        let attribute = Attribute::decode(&mut reader).ok()?;
        match attribute.kind() {
            1 | 11 => in_seconds = attribute.number() == Some(1),
            2 | 12 if in_seconds => return attribute.number(),
            _ => {}
        }
    }
    None
}
