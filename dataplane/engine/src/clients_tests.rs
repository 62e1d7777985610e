//! Against counts that are exact.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

fn address(i: u32) -> IpAddr {
    if i.is_multiple_of(2) {
        IpAddr::from((0x0a00_0000 + i).to_be_bytes())
    } else {
        Ipv6Addr::from_bits(i.into()).into()
    }
}

proptest! {
    #[test]
    fn counts_are_right_within_their_errors(
        asked in prop::collection::vec((0..200_u32, 1..30_u32), 1..400),
    ) {
        let mut window = Window::new(0);
        let mut exact: HashMap<IpAddr, u32> = HashMap::new();
        for (client, times) in asked {
            // Some ask much more than others.
            let client = address(client * client / 200 + 2);
            for _ in 0..times {
                window.count(match client {
                    IpAddr::V4(ip) => ip.to_ipv6_mapped().to_bits(),
                    IpAddr::V6(ip) => ip.to_bits(),
                });
                *exact.entry(client).or_default() += 1;
            }
        }
        let top = window.top(1);
        let all: u32 = exact.values().sum();
        prop_assert_eq!(top.counted, u64::from(all));
        prop_assert!(top.clients.is_sorted_by_key(|client| std::cmp::Reverse(client.counted)));
        prop_assert_eq!(top.clients.iter().map(|client| client.counted).sum::<u32>(), all);
        for ClientCount { client, counted, error } in &top.clients {
            let right = exact[client];
            prop_assert!(right <= *counted && *counted - error <= right);
            prop_assert!(*error <= all / MOST as u32);
        }
        for (client, right) in &exact {
            let known = top.clients.iter().any(|known| known.client == *client);
            prop_assert!(known || *right <= all / MOST as u32, "{} with {} of {}", client, right, all);
        }
    }
}

fn ask(clients: &mut Clients, client: IpAddr, now: u64) {
    if clients.is_due() {
        clients.count(client, Now(now));
    }
}

#[test]
fn one_in_sixty_four_is_counted_whoever_takes_turns() {
    let mut clients = Clients::new(7, Now(0));
    for i in 0..640_000 {
        ask(&mut clients, address(2 + i % 16), 5);
    }
    let top = clients.top(Now(10));
    assert_eq!((top.milliseconds, top.clients.len()), (10, 16));
    assert!((9_700..=10_300).contains(&top.counted), "{}", top.counted);
    assert!(
        top.clients.iter().all(|client| client.error == 0 && (500..=750).contains(&client.counted)),
        "{top:?}"
    );
}

#[test]
fn what_is_shown_is_of_the_last_whole_window() {
    let mut clients = Clients::new(7, Now(1000));
    assert_eq!(clients.top(Now(1000)), TopClients::default());
    let window = |clients: &mut Clients, client, from: u64| {
        (from..from + 10_000).for_each(|now| (0..4).for_each(|_| ask(clients, address(client), now)));
    };
    window(&mut clients, 2, 1000);
    window(&mut clients, 4, 11_000);
    let top = clients.top(Now(20_999));
    assert_eq!((top.clients[0].client, top.clients.len(), top.milliseconds), (address(2), 1, 10_000));
    assert!((500..=750).contains(&top.counted));
    assert_eq!(clients.top(Now(21_000)).clients[0].client, address(4));
    // A window without queries.
    let top = clients.top(Now(41_000));
    assert_eq!((top.clients.len(), top.counted, top.milliseconds), (0, 0, 10_000));
    ask(&mut clients, address(2), 1_000_000);
    assert_eq!(clients.top(Now(2_000_000)).milliseconds, 10_000);
}
