//! Listening sockets of an inner host: services, and listeners for one connection.

use std::net::SocketAddr;

use ikeproof_proto::time::Time;
use smoltcp::socket::tcp::{Socket, State};
use smoltcp::wire::IpListenEndpoint;

use super::super::config::Service;
use super::super::observe::TcpPair;
use super::super::tcp::{Connection, ListenId, ListenRequest, Listener, TcpId, socket};
use super::{InnerEvent, InnerHost};

impl InnerHost {
    /// Takes one connection on a port; that and its end are events.
    ///
    /// `None` if the port cannot be listened on, as port 0 cannot.
    pub fn listen_once(&mut self, now: Time, request: &ListenRequest) -> Option<ListenId> {
        let id = ListenId(self.next_listen);
        self.next_listen += 1;
        let endpoint = IpListenEndpoint { addr: request.local.map(Into::into), port: request.port };
        self.listen(endpoint, request.service, Some((id, now + request.timeout))).then_some(id)
    }

    /// Stops to wait for the connection of [`Self::listen_once`], without an event.
    pub fn unlisten(&mut self, id: ListenId) {
        let sockets = &mut self.stack.sockets;
        self.listeners.retain(|listener| {
            let wanted = listener.once.is_none_or(|(other, _)| other != id);
            if !wanted {
                sockets.remove(listener.handle);
            }
            wanted
        });
    }

    /// Ends those whose time is over.
    pub(super) fn expire_listeners(&mut self, now: Time) {
        let over = |listener: &Listener| listener.once.filter(|(_, until)| now >= *until);
        let over: Vec<_> = self.listeners.iter().filter_map(over).collect();
        for (listener, _) in over {
            self.unlisten(listener);
            self.event(InnerEvent::ListenExpired { listener });
        }
    }

    /// Makes connections of listening sockets that got one, and lets others listen in their place.
    pub(super) fn promote(&mut self, now: Time) {
        // From the end, so that what takes a removed one's place has had its look.
        for index in (0..self.listeners.len()).rev() {
            let listener = &self.listeners[index];
            let socket = self.stack.sockets.get_mut::<Socket<'_>>(listener.handle);
            match socket.state() {
                State::Listen | State::SynReceived => continue,
                State::Closed => {
                    let _ = socket.listen(listener.endpoint);
                    continue;
                }
                _ => {}
            }
            let (Some(local), Some(remote)) = (socket.local_endpoint(), socket.remote_endpoint())
            else {
                continue;
            };
            let pair = TcpPair {
                local: SocketAddr::new(local.addr.into(), local.port),
                remote: SocketAddr::new(remote.addr.into(), remote.port),
            };
            let id = TcpId(self.next_tcp);
            let seed = self.config.seed ^ id.0;
            self.connections.push(Connection::accepted(id, listener, pair, seed, now));
            let Listener { endpoint, service, once, .. } = self.listeners.swap_remove(index);
            self.next_tcp += 1;
            let far_mss = self.observer.seen(&pair).0;
            let listener = once.map(|(listener, _)| listener);
            self.event(InnerEvent::TcpAccepted { id, pair, far_mss, listener });
            if once.is_none() {
                self.listen(endpoint, service, None);
            }
        }
    }

    /// Lets a socket listen; whether it does.
    pub(super) fn listen(
        &mut self,
        endpoint: IpListenEndpoint,
        service: Service,
        once: Option<(ListenId, Time)>,
    ) -> bool {
        let mut socket = socket(&self.config);
        let listens = socket.listen(endpoint).is_ok();
        if listens {
            let handle = self.stack.sockets.add(socket);
            self.listeners.push(Listener { handle, endpoint, service, once });
        }
        listens
    }
}
