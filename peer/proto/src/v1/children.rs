//! The pairs of SAs under an ISAKMP SA: how they are kept, replaced, deleted, and how they end.

use core::time::Duration;

use super::child::Child;
use super::established::Established;
use crate::endpoint::context::Context;
use crate::event::{CloseReason, Event, Side};
use crate::io::IkeHandle;
use crate::sa;
use crate::time::Time;
use crate::wire::v2::TrafficSelector;

impl Established {
    pub(super) fn child_timeouts(&mut self, ike: IkeHandle, now: Time, cx: &mut Context) {
        let due = |child: &&Child| child.rekey_at.is_some_and(|at| now >= at);
        let rekeys: Vec<_> = self.children.iter().filter(due).cloned().collect();
        for child in rekeys {
            self.rekey(ike, now, child.spi_in, cx);
        }
        let expired = self.children.iter().filter(|child| now >= child.expires);
        let expired: Vec<_> = expired.map(|child| (child.spi_in, child.retired)).collect();
        for (spi, retired) in expired {
            let reason = if retired { CloseReason::DeletedByUs } else { CloseReason::Expired };
            self.drop_child(ike, spi, reason, cx);
        }
    }

    /// The volume of a pair is nearly spent: it is replaced, unless that was begun already.
    pub(crate) fn volume_is_spent(
        &mut self,
        ike: IkeHandle,
        now: Time,
        direction: sa::Direction,
        spi: u32,
        cx: &mut Context,
    ) {
        let is_meant = |child: &&Child| match direction {
            sa::Direction::Inbound => child.spi_in == spi,
            sa::Direction::Outbound => child.spi_out == spi,
        };
        let found = self.children.iter().find(is_meant);
        if let Some(child) = found.filter(|child| child.rekey_at.is_some()) {
            self.rekey(ike, now, child.spi_in, cx);
        }
    }

    /// Deletes the pair that receives on `spi`.
    pub(crate) fn drop_child(
        &mut self,
        ike: IkeHandle,
        spi: u32,
        reason: CloseReason,
        cx: &mut Context,
    ) {
        if let Some(child) = self.take_child(|child| child.spi_in == spi) {
            self.say_child_deleted(ike, &child, cx);
            child.remove(cx, ike, reason);
        }
    }

    /// The same for the pair that sends on `spi_out`.
    pub(crate) fn drop_outbound(
        &mut self,
        ike: IkeHandle,
        spi_out: u32,
        reason: CloseReason,
        cx: &mut Context,
    ) {
        let found = self.children.iter().find(|child| child.spi_out == spi_out);
        if let Some(spi_in) = found.map(|child| child.spi_in) {
            self.drop_child(ike, spi_in, reason, cx);
        }
    }

    pub(super) fn take_child(&mut self, is_meant: impl Fn(&Child) -> bool) -> Option<Child> {
        let at = self.children.iter().position(is_meant)?;
        Some(self.children.remove(at))
    }

    /// Whether an older SA with this peer is to be looked for, as this one is ready for use. True once.
    pub(crate) fn is_to_adopt(&mut self) -> bool {
        let is_ready = self.adopts && self.transactions.is_over();
        self.adopts &= !is_ready;
        is_ready
    }

    /// Takes the pairs of an older SA with the same peer, and their tunnel, if it has any. An inner address
    /// belongs to the SA that it was given under, and so do pairs that make use of it. Each clock is ahead
    /// of the endpoint's by its skew; `now` is by that of this SA.
    ///
    /// What the older SA has begun to replace them with would come up beside them, so that is begun anew
    /// here.
    pub(crate) fn adopt_children(
        &mut self,
        cx: &mut Context,
        now: Time,
        (from, ahead): (IkeHandle, Duration),
        old: &mut Self,
        (ike, skew): (IkeHandle, Duration),
    ) -> bool {
        let is_same = old.path == self.path && old.ids == self.ids;
        if !is_same || old.children.is_empty() || self.has_tunnel || cx.addresses.has(from) {
            return false;
        }
        let moved = |at: Time| at - ahead + skew;
        old.abandon_rekeys(from, cx);
        self.children = core::mem::take(&mut old.children);
        for child in &mut self.children {
            child.expires = moved(child.expires);
            child.rekey_at = child.rekey_at.map(moved).or((!child.replaced).then_some(now));
        }
        core::mem::swap(&mut self.has_tunnel, &mut old.has_tunnel);
        cx.tunnels.exchange(from, ike);
        let tunnel = cx.tunnels.of(ike).0;
        cx.event(Event::ChildrenAdopted { ike, from, tunnel });
        true
    }

    /// Gives up the quick modes of this end that are to replace a pair.
    fn abandon_rekeys(&mut self, ike: IkeHandle, cx: &mut Context) {
        for (_, quick) in self.quick.extract_if(.., |_, quick| quick.is_rekey()) {
            let detail = "the pair goes on under another ISAKMP SA".to_owned();
            cx.event(Event::ChildRefused { ike, by: Side::Local, notify: None, detail });
            quick.abandon(cx);
        }
    }

    /// Forgets all SAs.
    pub(crate) fn close_children(
        self: Box<Self>,
        ike: IkeHandle,
        reason: CloseReason,
        cx: &mut Context,
    ) {
        for quick in self.quick.values() {
            quick.abandon(cx);
        }
        for child in &self.children {
            child.remove(cx, ike, reason);
        }
        cx.addresses.release(ike);
        if self.has_tunnel {
            cx.data_plane(sa::Command::RemoveTunnel { tunnel: cx.tunnels.of(ike) });
        }
    }

    /// The outbound SPI of the pair that new SAs for the same traffic take the place of.
    pub(super) fn replaced_by(
        &self,
        local: &TrafficSelector,
        remote: &TrafficSelector,
    ) -> Option<u32> {
        let mut same = self.children.iter().filter(|child| child.protects(local, remote));
        same.find(|child| !child.replaced).map(|child| child.spi_out)
    }

    pub(super) fn adopt(&mut self, child: Child) {
        self.has_tunnel = true;
        for old in &mut self.children {
            if old.protects(&child.ts_local, &child.ts_remote) {
                old.replaced = true;
                old.rekey_at = None;
            }
        }
        self.children.push(child);
    }
}
