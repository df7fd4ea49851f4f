//! The addresses of this computer at which phones could reach it.

use std::net::IpAddr;

use sysinfo::Networks;

/// An address of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub ip: IpAddr,

    /// As the system calls it: `wlan0`, `en0`, `Wi-Fi`.
    pub interface: String,
}

impl Address {
    /// As it is chosen from a list.
    pub fn words(&self) -> String {
        format!("{} ({})", self.ip, self.interface)
    }
}

/// Those at which others can reach this computer, the likeliest first. Empty: there is no network, or
/// the system does not tell.
pub fn addresses() -> Vec<Address> {
    let networks = match Networks::new_with_refreshed_list() {
        Ok(networks) => networks,
        Err(err) => {
            log::warn!("the addresses of this computer: {err}");
            return Vec::new();
        }
    };
    let all = networks.iter().flat_map(|(interface, data)| {
        let of = |ip| Address { ip, interface: interface.to_string_lossy().into_owned() };
        data.ip_networks().iter().map(|network| network.addr).map(of).collect::<Vec<_>>()
    });
    sorted(all.collect())
}

/// Without those that lead nowhere, the likeliest first.
fn sorted(mut all: Vec<Address>) -> Vec<Address> {
    all.retain(|address| match address.ip {
        IpAddr::V4(ip) => {
            !(ip.is_loopback() || ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast())
        }
        IpAddr::V6(ip) => {
            // An address of one link needs the name of the interface too, which no browser takes.
            let is_link = (ip.segments()[0] & 0xffc0) == 0xfe80;
            !(ip.is_loopback() || ip.is_unspecified() || ip.is_multicast() || is_link)
        }
    });
    all.sort_by_key(|address| (rank(address), address.interface.clone(), address.ip));
    all.dedup();
    all
}

fn rank(address: &Address) -> u8 {
    // Made by programs, between this computer and itself.
    const OWN: [&str; 9] =
        ["docker", "br-", "veth", "virbr", "vmnet", "vboxnet", "utun", "tun", "tailscale"];
    let name = address.interface.to_lowercase();
    let is_own = OWN.iter().any(|own| name.starts_with(own)) || name.contains("virtual");
    match address.ip {
        IpAddr::V4(ip) if ip.is_link_local() => 3,
        IpAddr::V4(_) if is_own => 2,
        IpAddr::V4(ip) if ip.is_private() => 0,
        IpAddr::V4(_) => 1,
        IpAddr::V6(_) => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likeliest_address_is_first_and_useless_ones_are_left_out() {
        let address = |ip: &str, interface: &str| Address {
            ip: ip.parse().unwrap(),
            interface: interface.to_owned(),
        };
        let found = sorted(vec![
            address("127.0.0.1", "lo"),
            address("::1", "lo"),
            address("172.17.0.1", "docker0"),
            address("fe80::1", "wlan0"),
            address("2001:db8::5", "wlan0"),
            address("169.254.3.4", "eth1"),
            address("192.168.1.20", "wlan0"),
        ]);
        let ips: Vec<String> = found.iter().map(|address| address.ip.to_string()).collect();
        assert_eq!(ips, ["192.168.1.20", "172.17.0.1", "169.254.3.4", "2001:db8::5"]);
        assert_eq!(found[0].words(), "192.168.1.20 (wlan0)");
    }
}
