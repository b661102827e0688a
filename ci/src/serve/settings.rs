//! The options of `serve`, read and checked before anything is opened.

use std::net::{IpAddr, Ipv4Addr};

use ikeproof_driver::capture::Cidr;
use ikeproof_driver::inner::InnerConfig;
use ikeproof_driver::node::NodeConfig;
use ikeproof_proto::config::{EndpointConfig, Limits, Timers};
use ikeproof_proto::crypto::default_provider;
use ikeproof_proto::forward::ForwardConfig;
use ikeproof_proto::middlebox::MiddleboxConfig;
use ikeproof_proto::policy::{
    AddressPool, Credential, Identity, Profile, RemoteAccess, Xauth, XauthUser,
};
use ikeproof_scenarios::profile;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;

use crate::cli::ServeArgs;
use crate::exit::{MarkedError, Stop};
use crate::secrets::{credential, user};

/// What is served, where, and to whom.
#[derive(Debug)]
pub struct Settings {
    /// The edge's rules.
    pub profile: Profile,
    /// The edge's identity, if it is not its address.
    pub identity: Option<Identity>,
    /// Who may connect.
    pub credentials: Vec<Credential>,
    /// Who logs in by XAUTH.
    pub users: Vec<XauthUser>,
    /// The addresses that peers get by mode-config.
    pub pool: Option<AddressPool>,
    /// Where to listen: no address twice, none unspecified.
    pub addresses: Vec<IpAddr>,
    /// What answers ping.
    pub inner: Vec<Cidr>,
    /// Whether keys are wanted.
    pub log_keys: bool,
}

impl Settings {
    /// Reads the options.
    ///
    /// # Errors
    /// With the option, its value, and what to write instead.
    pub fn read(args: &ServeArgs) -> Result<Self, Stop> {
        let mut profile = profile::load(&args.profile, args.bundle.as_deref())
            .map_err(|error| MarkedError(error.into()))?;
        if args.cookies {
            profile.limits.cookie_threshold = 0;
        }
        profile.versions.ikev1 |= args.ikev1;
        let users = users(&args.xauth)?;
        if !users.is_empty() {
            profile.versions.ikev1 = true;
            profile.readings.r32 = Xauth::On;
        }
        if args.port == args.nat_port && args.port != 0 {
            return Err(Stop::Usage(format!(
                "--port and --nat-port are both {}; IKE behind NAT needs a port of its own",
                args.port
            )));
        }
        let identity = args.id.as_deref().map(str::parse::<Identity>).transpose();
        let identity = identity.map_err(|error| Stop::Usage(format!("--id: {error}")))?;
        Ok(Self {
            profile,
            identity,
            credentials: credentials(&args.psk)?,
            users,
            pool: args.pool.as_deref().map(pool).transpose()?,
            addresses: addresses(&args.listen)?,
            inner: args.inner.clone(),
            log_keys: args.keys.is_some(),
        })
    }

    /// The configuration of the node on one address.
    ///
    /// # Errors
    /// If the system gives no randomness.
    pub fn node(&self, address: IpAddr, nat_port: u16) -> Result<NodeConfig, Stop> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| {
            Stop::Infrastructure(format!("the system gives no randomness: {error}"))
        })?;
        let forwarding = self.profile.forwarding;
        Ok(NodeConfig {
            title: format!("serve on {address}"),
            peer: "whoever connects".to_owned(),
            endpoint: EndpointConfig {
                profile: self.profile.clone(),
                identity: self.identity.as_ref().map(Identity::to_id),
                credentials: self.credentials.clone(),
                certificates: None,
                remote_access: RemoteAccess {
                    users: self.users.clone(),
                    pool: self.pool.clone(),
                    ..RemoteAccess::default()
                },
                limits: Limits::default(),
                timers: Timers::default(),
                faults: Vec::new(),
                log_keys: self.log_keys,
            },
            forward: ForwardConfig {
                mtu: forwarding.mtu,
                mss_v4: forwarding.mss,
                mss_v6: forwarding.mss_v6,
                decrement_ttl: false,
            },
            seed,
            provider: default_provider(),
            middlebox: MiddleboxConfig::default(),
            nat_port,
            inner: InnerConfig::new(self.inner.clone()),
            record: 0,
        })
    }
}

fn credentials(options: &[String]) -> Result<Vec<Credential>, Stop> {
    let mut credentials: Vec<Credential> = Vec::new();
    for option in options {
        let one = credential(option).map_err(Stop::Usage)?;
        if credentials.iter().any(|known| known.id == one.id) {
            return Err(Stop::Usage(format!(
                "--psk {}=… is there twice; an identity has one secret",
                one.id
            )));
        }
        credentials.push(one);
    }
    Ok(credentials)
}

fn users(options: &[String]) -> Result<Vec<XauthUser>, Stop> {
    let mut users: Vec<XauthUser> = Vec::new();
    for option in options {
        let one = user(option).map_err(Stop::Usage)?;
        if users.iter().any(|known| known.name == one.name) {
            return Err(Stop::Usage(format!(
                "--xauth {}=… is there twice; a user has one secret",
                one.name
            )));
        }
        users.push(one);
    }
    Ok(users)
}

/// FIRST-LAST: as many addresses as a pool is to have.
fn pool(text: &str) -> Result<AddressPool, Stop> {
    let wrong = |why: &str| {
        Stop::Usage(format!(
            "--pool {text}: {why}; it is FIRST-LAST, such as 10.200.0.10-10.200.0.99"
        ))
    };
    let (first, last) = text.split_once('-').ok_or_else(|| wrong("there is no `-`"))?;
    let address = |text: &str| text.trim().parse::<Ipv4Addr>();
    let first = address(first).map_err(|_| wrong("the first is no IPv4 address"))?;
    let last = address(last).map_err(|_| wrong("the last is no IPv4 address"))?;
    if first > last {
        return Err(wrong("the last address is before the first"));
    }
    Ok(AddressPool { first, last, netmask: None, dns: Vec::new(), push: false })
}

/// The addresses to listen on. A node has to know its own address, for NAT detection and as its
/// identity, so an unspecified address stands for all that this host has.
fn addresses(options: &[IpAddr]) -> Result<Vec<IpAddr>, Stop> {
    let mut addresses = Vec::new();
    for option in options {
        let meant = if option.is_unspecified() { of_this_host(option)? } else { vec![*option] };
        for address in meant {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
    }
    Ok(addresses)
}

fn of_this_host(unspecified: &IpAddr) -> Result<Vec<IpAddr>, Stop> {
    let interfaces = getifaddrs().map_err(|error| {
        Stop::Infrastructure(format!("the addresses of this host cannot be listed: {error}"))
    })?;
    let up = interfaces.filter(|interface| interface.flags.contains(InterfaceFlags::IFF_UP));
    let addresses = up.filter_map(|interface| {
        let storage = interface.address?;
        if let Some(v4) = storage.as_sockaddr_in() {
            return Some(IpAddr::V4(v4.ip()));
        }
        let v6 = storage.as_sockaddr_in6()?.ip();
        // A link-local address means nothing without its interface.
        (!v6.is_unicast_link_local()).then_some(IpAddr::V6(v6))
    });
    let found: Vec<_> =
        addresses.filter(|address| address.is_ipv4() == unspecified.is_ipv4()).collect();
    if found.is_empty() {
        return Err(Stop::Usage(format!(
            "--listen {unspecified}: this host has no address of that version; name another"
        )));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::one("10.200.0.10-10.200.0.10", None)]
    #[case::many("10.200.0.10 - 10.200.1.99", None)]
    #[case::no_end("10.200.0.10", Some("there is no `-`"))]
    #[case::no_address("10.200.0-10.200.0.99", Some("the first is no IPv4 address"))]
    #[case::wrong_end("10.200.0.1-x", Some("the last is no IPv4 address"))]
    #[case::backwards("10.200.0.9-10.200.0.1", Some("the last address is before the first"))]
    fn a_pool_has_a_first_and_a_last_address(#[case] text: &str, #[case] why: Option<&str>) {
        match (pool(text), why) {
            (Ok(pool), None) => assert!(pool.first <= pool.last),
            (Err(Stop::Usage(said)), Some(why)) => assert!(said.contains(why), "{said}"),
            (other, _) => panic!("{text}: {other:?}"),
        }
    }
}
