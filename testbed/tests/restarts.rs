//! What goes on while parts of the gateway are killed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use common::*;
use rustix::process::{Pid, Signal, kill_process};
use sluice_testbed::client::eventually;

fn kill(pid: u32) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), Signal::KILL).unwrap();
}

fn connect(lab: &Lab, to: &'static str) -> TcpStream {
    let stream = lab.bed.client.enter(move || TcpStream::connect_timeout(&at(to), PATIENCE).unwrap());
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

fn echo(stream: &mut TcpStream, text: &[u8]) -> std::io::Result<()> {
    stream.write_all(text)?;
    let mut back = vec![0; text.len()];
    stream.read_exact(&mut back)?;
    assert_eq!(back, text);
    Ok(())
}

#[test]
fn killing_control_leaves_traffic_alone_and_a_new_one_takes_over() {
    let lab = Lab::start(&[web().endpoint(POD_A)]);
    let mut kept = connect(&lab, VIP);
    echo(&mut kept, b"before").unwrap();
    let control = lab.gateway.child_of_role("control").expect("sluice run supervises control");
    kill(control);
    for _ in 0..50 {
        lab.must_get(VIP);
    }
    echo(&mut kept, b"after").unwrap();
    let back = eventually(Duration::from_secs(10), || {
        lab.gateway.child_of_role("control").filter(|&pid| pid != control)
    });
    assert!(back.is_some(), "{}", lab.gateway.log());
    lab.write(&web().endpoint(POD_B));
    let live = eventually(Duration::from_secs(5), || (lab.must_get(VIP).0 == "b").then_some(()));
    assert!(live.is_some(), "{}", lab.gateway.log());
    echo(&mut kept, b"still").unwrap();
}

#[test]
fn killing_the_dataplane_costs_no_connection() {
    let lab = Lab::with(Ports::Veth, "", &[web_ab()]);
    let mut kept: Vec<TcpStream> = [VIP, VIP6, NODE_PORT].map(|to| connect(&lab, to)).into();
    kept.iter_mut().for_each(|s| echo(s, b"before").unwrap());
    let dataplane = lab.gateway.child_of_role("dataplane").expect("sluice run supervises the dataplane");
    kill(dataplane);
    let start = Instant::now();
    let back = eventually(Duration::from_secs(10), || {
        // Without patience: what counts is when packets pass, not when a lost SYN is sent again.
        let to = at(VIP);
        lab.bed.client.enter(move || TcpStream::connect_timeout(&to, Duration::from_millis(50)).ok())
    });
    let took = start.elapsed();
    eprintln!("forwarding again {took:?} after the kill");
    assert!(back.is_some(), "{}", lab.gateway.log());
    assert!(took < Duration::from_secs(5), "took {took:?}\n{}", lab.gateway.log());
    for (n, stream) in kept.iter_mut().enumerate() {
        echo(stream, b"after").unwrap_or_else(|e| {
            panic!("connection {n}: {e}\n{}\n{}", lab.counters(), lab.cli(&["show", "flows"]))
        });
    }
}

#[test]
fn killing_the_supervisor_ends_its_children() {
    let mut lab = Lab::start(&[web_ab()]);
    let children: Vec<u32> =
        ["control", "dataplane"].iter().map(|role| lab.gateway.child_of_role(role).unwrap()).collect();
    lab.gateway.signal(Signal::KILL);
    lab.gateway.wait(PATIENCE);
    let alive = |pid: &u32| {
        std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
    };
    let ended = eventually(Duration::from_secs(5), || (!children.iter().any(alive)).then_some(()));
    assert!(ended.is_some(), "children of a killed supervisor live on");
}
