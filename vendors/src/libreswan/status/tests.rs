use super::*;

const V5: &str = r#"
"lane.net"[1]: 10.1.0.0/24===10.222.1.2...10.222.1.3===10.2.0.0/24; routed-tunnel; my_ip=unset; their_ip=unset;
"lane.net"[1]:   CAs: 'O=ikeproof, CN=Authority one'...'%any'
"lane.net"[1]:   our idtype: ID_IPV4_ADDR; our id=10.222.1.2; their idtype: ID_IPV4_ADDR; their id=10.222.1.3
"lane.net"[1]:   IKEv2 algorithm newest: AES_CBC_256-HMAC_SHA2_256-MODP2048
"lane.net"[1]:   ESP algorithm newest: AES_GCM_16_128-NONE; pfsgroup=<N/A>
#5: "lane.net"[1] 10.222.1.3:500 ESTABLISHED_IKE_SA (established IKE SA); REKEY in 28091s; newest; idle;
#6: "lane.net"[1] 10.222.1.3:500 ESTABLISHED_CHILD_SA (established Child SA); REKEY in 27886s; newest; eroute owner; IKE SA #5; idle;
#6: "lane.net"[1] 10.222.1.3 esp.285b2d3c@10.222.1.3 esp.3c455f7a@10.222.1.2 tun.0@10.222.1.3 tun.0@10.222.1.2 Traffic: ESPin=168B ESPout=168B ESPmax=2^63B 
"#;

const XFRM: &str = "src 10.222.1.2 dst 10.222.1.3\n\tproto esp spi 0x285b2d3c(677063996) reqid 16405(0x00004015) mode tunnel\n\
    \tlifetime config:\n\t  limit: soft 4228315830723379744(bytes), hard 9223372036854775808(bytes)\n\
    \tlifetime current:\n\t  168(bytes), 2(packets)\n\t  add 2026-11-23 19:59:41 use 2026-11-23 19:59:43\n\
    src 10.222.1.3 dst 10.222.1.2\n\tproto esp spi 0x3c455f7a reqid 16405 mode tunnel\n\
    \tencap type espinudp sport 4500 dport 4500 addr 0.0.0.0\n\
    \tlifetime current:\n\t  84(bytes), 1(packets)\n";

const LOG: &str = "#5: initiating IKEv2 connection\n#5: initiator established IKE SA\n";

#[test]
fn version_5_status() {
    let found = read(V5, XFRM, LOG, [10, 222, 1, 2].into());
    assert_eq!(found.len(), 1);
    let sa = &found[0];
    assert_eq!((sa.connection.as_str(), sa.version), ("lane", 2));
    assert!(sa.established && sa.initiator);
    assert_eq!(sa.remote, Some("10.222.1.3:500".parse().unwrap()));
    assert_eq!(sa.algorithms["group"], "modp2048");
    assert_eq!(sa.remote_id, "10.222.1.3");
    let child = &sa.children[0];
    assert_eq!(
        (child.name.as_str(), child.spi_out, child.spi_in),
        ("net", 0x285b_2d3c, 0x3c45_5f7a)
    );
    assert_eq!(child.sent, Traffic { packets: 2, bytes: 168 });
    assert_eq!(child.received, Traffic { packets: 1, bytes: 84 });
    assert!(child.encap && child.installed);
    assert_eq!(child.algorithms["encr"], "aes128gcm16");
    assert_eq!((child.local[0].as_str(), child.remote[0].as_str()), ("10.1.0.0/24", "10.2.0.0/24"));
}

#[test]
fn version_4_status_has_a_prefix_and_other_state_names() {
    let four: String = V5
        .trim()
        .lines()
        .map(|line| format!("000 {}\n", line.replace("ESTABLISHED_", "STATE_V2_ESTABLISHED_")))
        .collect();
    let found = read(&four, XFRM, "#5: responder established IKE SA", [10, 222, 1, 2].into());
    assert!(!found[0].initiator && found[0].established);
    assert_eq!(found[0].state, "STATE_V2_ESTABLISHED_IKE_SA");
    assert_eq!(found[0].children.len(), 1);
}

#[test]
fn version_1_states_name_their_role() {
    let text = "#1: \"lane.net\":500 STATE_MAIN_I4 (ISAKMP SA established); REPLACE in 1s; newest;\n\
        #2: \"lane.net\":500 STATE_QUICK_I2 (IPsec SA established); REPLACE in 1s; newest; eroute owner; isakmp#1; idle;\n\
        #2: \"lane.net\" esp.01020304@10.0.0.2 esp.05060708@10.0.0.10 Traffic: ESPin=0B\n";
    let found = read(text, "", "", [10, 0, 0, 10].into());
    assert_eq!((found[0].version, found[0].initiator, found[0].established), (1, true, true));
    assert_eq!(found[0].children[0].spi_out, 0x0102_0304);
}

#[rstest::rstest]
#[case("10.1.0.0/24", &["10.1.0.0/24"])]
#[case("{10.1.0.0/24,10.2.0.0/24}", &["10.1.0.0/24", "10.2.0.0/24"])]
#[case("{10.8.0.1/32}", &["10.8.0.1/32"])]
#[case("10.222.1.2[@gw.example]", &["10.222.1.2/32"])]
#[case("fd00::1", &["fd00::1/128"])]
fn selectors_of_a_side_stand_in_several_forms(
    #[case] side: &str,
    #[case] selectors_of_it: &[&str],
) {
    assert_eq!(selectors(side), selectors_of_it);
}
