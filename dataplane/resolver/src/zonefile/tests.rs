#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by them")]

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType as T;
use proptest::prelude::*;

use super::*;

const ZONE: &str = r#"
$TTL 1h
@       IN SOA ns1 hostmaster ( 7 ; serial
            2h 30m 1d 60 )
        NS  ns1
        NS  ns.elsewhere.net.
        MX  10 mail
ns1     A   192.0.2.1
        AAAA 2001:db8::1
mail 60 IN A 192.0.2.25
www     IN 120 CNAME web
web     A   192.0.2.80
        A   192.0.2.81
        A   192.0.2.80
out     CNAME www.example.net.
a.b.deep TXT "one; two" three
*.wild  TXT "*"
        MX 5 mail
x.y.wild A  192.0.2.9
sub     NS  ns.sub
        NS  ns1
ns.sub  A   192.0.2.53
below   CNAME www.sub
c1      CNAME c2
c2      CNAME c1
missing CNAME nothere
$ORIGIN inner
_sip._tcp SRV 0 5 5060 web.example.org.
odd     TYPE65280 \# 3 0102 03
quoted  TXT "\065\200\"" \;a\(b "" "c;(d"
        HINFO "a b" c
alias4  HTTPS 1 web.example.org. alpn=h2
ds      DS 1 13 2 00ff
person  RP mail.example.org. .
tree.example.org. DNAME other.example.net.
here.example.org. DNAME web.example.org.
raw.example.org. A \# 4 C0000263
es\.caped A 192.0.2.3
"#;

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn zone() -> Content {
    parse(ZONE, &name("example.org.")).unwrap_or_else(|error| panic!("{error}"))
}

fn shown(found: &Found) -> String {
    let (kind, answer, to) = match found {
        Found::Whole(answer) => ("", answer, String::new()),
        Found::Missing(answer, _) if answer.answers.is_empty() => ("missing ", answer, String::new()),
        Found::Missing(answer, _) => ("", answer, String::new()),
        Found::Leads(answer, to) => ("", answer, format!(" -> {to}")),
    };
    let records = |records: &[hickory_proto::rr::Record]| {
        let one =
            |r: &hickory_proto::rr::Record| format!("{} {} {} {}", r.name, r.ttl, r.record_type(), r.data);
        records.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    let mut text = format!(
        "{kind}{}{}",
        if answer.authoritative { "aa " } else { "" },
        match answer.code {
            ResponseCode::NoError => "ok",
            ResponseCode::NXDomain => "nx",
            ResponseCode::ServFail => "fail",
            _ => "?",
        }
    );
    for part in [&answer.answers, &answer.authority, &answer.additional] {
        text += " | ";
        text += &records(part);
    }
    text.trim_end_matches([' ', '|']).to_owned() + &to
}

#[test]
fn questions_are_answered_as_rfcs_say() {
    let zone = zone();
    const SOA: &str = "example.org. 60 SOA ns1.example.org. hostmaster.example.org. 7 7200 1800 86400 60";
    let nodata = format!("aa ok |  | {SOA}");
    let missing = format!("missing aa nx |  | {SOA}");
    let glue = "ns1.example.org. 3600 A 192.0.2.1, ns1.example.org. 3600 AAAA 2001:db8::1";
    let cut = format!(
        "sub.example.org. 3600 NS ns.sub.example.org., sub.example.org. 3600 NS ns1.example.org. | \
         ns.sub.example.org. 3600 A 192.0.2.53, {glue}"
    );
    for (asked, kind, expected) in [
        ("example.org.", T::SOA, format!("aa ok | {}", SOA.replace(" 60 SOA", " 3600 SOA"))),
        (
            "example.org.",
            T::NS,
            format!("aa ok | example.org. 3600 NS ns1.example.org., example.org. 3600 NS ns.elsewhere.net. |  | {glue}"),
        ),
        ("example.org.", T::MX, "aa ok | example.org. 3600 MX 10 mail.example.org. |  | mail.example.org. 60 A 192.0.2.25".into()),
        ("example.org.", T::A, nodata.clone()),
        ("WEB.example.org.", T::A, "aa ok | WEB.example.org. 3600 A 192.0.2.80, WEB.example.org. 3600 A 192.0.2.81".into()),
        ("web.example.org.", T::TXT, nodata.clone()),
        (
            "www.example.org.",
            T::A,
            "aa ok | www.example.org. 120 CNAME web.example.org., web.example.org. 3600 A 192.0.2.80, web.example.org. 3600 A 192.0.2.81".into(),
        ),
        ("www.example.org.", T::CNAME, "aa ok | www.example.org. 120 CNAME web.example.org.".into()),
        ("www.example.org.", T::MX, format!("aa ok | www.example.org. 120 CNAME web.example.org. | {SOA}")),
        ("out.example.org.", T::A, "aa ok | out.example.org. 3600 CNAME www.example.net. -> www.example.net.".into()),
        ("missing.example.org.", T::A, format!("aa nx | missing.example.org. 3600 CNAME nothere.example.org. | {SOA}")),
        ("c1.example.org.", T::A, "fail".into()),
        ("nope.example.org.", T::A, missing.clone()),
        ("nope.web.example.org.", T::A, missing.clone()),
        ("deep.example.org.", T::A, nodata.clone()),
        ("b.deep.example.org.", T::TXT, nodata.clone()),
        ("a.b.deep.example.org.", T::TXT, "aa ok | a.b.deep.example.org. 3600 TXT one; twothree".into()),
        ("a.wild.example.org.", T::TXT, "aa ok | a.wild.example.org. 3600 TXT *".into()),
        ("a.b.wild.example.org.", T::TXT, "aa ok | a.b.wild.example.org. 3600 TXT *".into()),
        ("a.wild.example.org.", T::A, nodata.clone()),
        ("wild.example.org.", T::TXT, nodata.clone()),
        ("*.wild.example.org.", T::TXT, "aa ok | *.wild.example.org. 3600 TXT *".into()),
        // An empty name is in the wildcard's way (RFC 4592, section 2.2.2).
        ("y.wild.example.org.", T::TXT, nodata.clone()),
        ("z.y.wild.example.org.", T::TXT, missing.clone()),
        ("sub.example.org.", T::A, format!("ok |  | {cut}")),
        ("sub.example.org.", T::NS, format!("ok |  | {cut}")),
        ("sub.example.org.", T::DS, nodata.clone()),
        ("x.y.sub.example.org.", T::DS, format!("ok |  | {cut}")),
        ("ns.sub.example.org.", T::A, format!("ok |  | {cut}")),
        ("below.example.org.", T::A, format!("aa ok | below.example.org. 3600 CNAME www.sub.example.org. | {cut}")),
        ("_sip._tcp.inner.example.org.", T::SRV, "aa ok | _sip._tcp.inner.example.org. 3600 SRV 0 5 5060 web.example.org. |  | web.example.org. 3600 A 192.0.2.80, web.example.org. 3600 A 192.0.2.81".into()),
        ("tree.example.org.", T::A, nodata.clone()),
        ("raw.example.org.", T::A, "aa ok | raw.example.org. 3600 A 192.0.2.99".into()),
        ("alias4.inner.example.org.", T::HTTPS, "aa ok | alias4.inner.example.org. 3600 HTTPS 1 web.example.org. alpn=h2, |  | web.example.org. 3600 A 192.0.2.80, web.example.org. 3600 A 192.0.2.81".into()),
        ("es\\.caped.inner.example.org.", T::A, "aa ok | es\\.caped.inner.example.org. 3600 A 192.0.2.3".into()),
    ] {
        assert_eq!(shown(&zone.find(&name(asked), kind)), expected, "{asked} {kind}");
    }
    let Found::Leads(answer, to) = zone.find(&name("a.b.tree.example.org."), T::A) else { panic!() };
    assert_eq!((answer.answers.len(), to), (2, name("a.b.other.example.net.")));
    assert!(shown(&zone.find(&name("x.here.example.org."), T::A)).starts_with("aa nx | "));
    assert_eq!((zone.serial(), zone.len()), (7, 34));
    // All that may be in a text, as octets.
    let Found::Whole(quoted) = zone.find(&name("quoted.inner.example.org."), T::TXT) else { panic!() };
    let hickory_proto::rr::RData::TXT(text) = &quoted.answers[0].data else { panic!() };
    let texts: Vec<&[u8]> = text.txt_data.iter().map(|text| &**text).collect();
    assert_eq!(texts, [&b"A\xc8\""[..], b";a(b", b"", b"c;(d"]);
    // A DNAME record's alias may be asked for; it is not followed then.
    let Found::Whole(made) = zone.find(&name("x.tree.example.org."), T::CNAME) else { panic!() };
    assert_eq!(made.answers.iter().map(|r| r.record_type()).collect::<Vec<_>>(), [T::DNAME, T::CNAME]);
    // Nine aliases are followed and no more.
    let chain = |length: usize| {
        let links: String = (0..length).map(|n| format!("l{n} CNAME l{}\n", n + 1)).collect();
        parse(
            &format!("@ SOA ns1 h 1 1 1 1 1\n@ NS ns1\n{links}l{length} A 192.0.2.1\n"),
            &name("example.org."),
        )
        .unwrap()
    };
    assert!(shown(&chain(9).find(&name("l0.example.org."), T::A)).starts_with("aa ok | l0"));
    assert_eq!(shown(&chain(10).find(&name("l0.example.org."), T::A)), "fail");
    let odd = zone.find(&name("odd.inner.example.org."), T::from(65280));
    assert!(matches!(odd, Found::Whole(answer) if answer.answers.len() == 1));
}

#[test]
fn what_is_wrong_is_told_by_line() {
    let head = "@ SOA ns1 h 1 1 1 1 1\n@ NS ns1\n";
    for (text, expected) in [
        ("a A 192.0.2.256", "3: A: "),
        ("a B 192.0.2.1", "3: `B` is no type of record"),
        ("a A", "3: A: "),
        ("a", "3: there is no type"),
        ("a.other.net. A 192.0.2.1", "3: a.other.net. is outside of the zone example.org."),
        ("$INCLUDE /etc/shadow", "3: `$INCLUDE` is not read"),
        ("$GENERATE 1-9 a$ A 192.0.2.1", "3: `$GENERATE` is not known"),
        ("$TTL x", "3: `x` is no TTL"),
        ("\na CH TXT x", "4: records of class CH"),
        ("a..b A 192.0.2.1", "3: `a..b` is no name"),
        ("a (A\n192.0.2.1", "3: a parenthesis is not closed"),
        ("a CNAME b\na A 192.0.2.1", "0: a.example.org. has a CNAME record and others"),
        ("a SOA ns1 h 1 1 1 1 1", "0: a.example.org. has an SOA record"),
        ("@ SOA ns1 h 2 1 1 1 1", "0: the zone example.org. has several SOA records"),
        ("a TYPE1 \\# 3 010203", "3: A: "),
        ("a TYPE9999 \\# 2 01", "3: data has 1 octets and not 2"),
        ("a TXT \"\\256\"", "3: TXT: "),
        ("a TXT \\", "3: TXT: "),
        ("a A 192.0.2.1 192.0.2.2", "3: A: `192.0.2.2` is one word too many"),
        ("a MX 65536 b", "3: MX: `65536` is no number from 0 to 65535"),
        ("a MX +1 b", "3: MX: `+1` is no number"),
        ("a DS 1 13 2 0", "3: DS: half an octet"),
        ("a TYPE9999 \\# 0", "3: TYPE9999: a record without data"),
    ] {
        let error = parse(&format!("{head}{text}\n"), &name("example.org.")).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{text}: {error}");
    }
    for (text, expected) in [
        ("", "has no SOA record"),
        ("@ SOA ns1 h 1 1 1 1 1\n", "has no NS record"),
        (" A 192.0.2.1\n", "no name before it"),
    ] {
        let error = parse(text, &name("example.org.")).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn a_zone_has_bounds() {
    let head = "$TTL 1\n@ SOA ns1 h 1 1 1 1 1\n@ NS ns1\n";
    let wrong =
        |text: String| parse(&(head.to_owned() + &text), &name("example.org.")).unwrap_err().to_string();
    let addresses =
        |many: usize| (0..many).map(|n| format!("a A 10.0.{}.{}\n", n / 256, n % 256)).collect::<String>();
    assert!(parse(&(head.to_owned() + &addresses(4096)), &name("example.org.")).is_ok());
    assert!(wrong(addresses(4097)).contains("more than 4096 records of one type"));
    // Each record makes a hundred names above it.
    let deep = "a.".repeat(100);
    assert!(
        wrong((0..2500).map(|n| format!("{deep}{n} A 192.0.2.1\n")).collect())
            .contains("more than 200000 names")
    );
    assert!(wrong("a A 192.0.2.1\n".repeat(100_001)).contains("more than 100000 records"));
    assert!(wrong(format!("a TXT {}", "x ".repeat(40_000))).contains("more than 65,535 octets"));
}

/// What any zone says by the rules alone, looked up in a list.
fn reference(records: &[(Name, T)], asked: &Name) -> bool {
    let origin = name("z.");
    let exists = |name: &Name| *name == origin || records.iter().any(|(own, _)| name.zone_of(own));
    if exists(asked) {
        return true;
    }
    let mut above = asked.base_name();
    while !exists(&above) {
        above = above.base_name();
    }
    exists(&above.prepend_label("*").unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn names_exist_where_the_rules_say(
        owners in proptest::collection::vec(proptest::collection::vec(0..4_usize, 1..4), 0..6),
        asked in proptest::collection::vec(0..4_usize, 0..5),
    ) {
        let label = |n: &usize| ["a", "b", "*", "c"][*n];
        let make = |labels: &[usize]| {
            labels.iter().map(label).chain(["z", ""]).collect::<Vec<_>>().join(".")
        };
        let mut text = "@ SOA a b 1 1 1 1 1\n@ NS a\n".to_owned();
        let owners: Vec<String> = owners.iter().map(|labels| make(labels)).collect();
        for owner in &owners {
            text += &format!("{owner} TXT x\n");
        }
        let zone = parse(&text, &name("z.")).unwrap();
        let records: Vec<(Name, T)> = owners.iter().map(|owner| (name(owner), T::TXT)).collect();
        let asked = name(&make(&asked));
        let found = !matches!(zone.find(&asked, T::TXT), Found::Missing(..));
        prop_assert_eq!(found, reference(&records, &asked), "{} in\n{}", asked, text);
    }

    #[test]
    fn no_text_makes_it_panic(text in "[ -~\\n\\t()\";\\\\$@é]{0,200}") {
        let _ = parse(&text, &name("example.org."));
        let _ = parse(&format!("@ SOA a b 1 1 1 1 1\n@ NS a\n{text}"), &name("example.org."));
    }
}

/// A server that gives a zone by messages of a few records, as often as it is asked; what is asked for goes to `asked`.
async fn primary(text: String, asked: std::sync::Arc<std::sync::atomic::AtomicU32>) -> std::net::SocketAddr {
    use hickory_proto::op::{Message, MessageType, OpCode};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let origin = name("example.org.");
        let mut records = text::records(&text, &origin, MOST_RECORDS).unwrap();
        records.push(records[0].clone());
        while let Ok((mut stream, _)) = listener.accept().await {
            while let Ok(length) = stream.read_u16().await {
                let mut bytes = vec![0; length.into()];
                stream.read_exact(&mut bytes).await.unwrap();
                let query = Message::from_vec(&bytes).unwrap();
                let axfr = query.queries[0].query_type == T::AXFR;
                asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let all = if axfr { &records[..] } else { &records[..1] };
                for part in all.chunks(3) {
                    let mut reply = Message::new(query.metadata.id, MessageType::Response, OpCode::Query);
                    reply.metadata.authoritative = true;
                    reply.queries.clone_from(&query.queries);
                    reply.answers = part.to_vec();
                    let bytes = reply.to_vec().unwrap();
                    stream.write_u16(bytes.len() as u16).await.unwrap();
                    stream.write_all(&bytes).await.unwrap();
                }
            }
        }
    });
    address
}

#[tokio::test]
async fn a_zone_is_copied_and_not_again_while_its_serial_is_the_same() {
    let asked = std::sync::Arc::default();
    let server = primary(ZONE.to_owned(), std::sync::Arc::clone(&asked)).await;
    let origin = name("example.org.");
    let content = copy::copy(server, &origin, None).await.unwrap().unwrap();
    assert_eq!((content.serial(), content.len()), (7, zone().len()));
    for (asked, kind) in
        [("www.example.org.", T::A), ("a.b.tree.example.org.", T::A), ("q.wild.example.org.", T::MX)]
    {
        assert_eq!(content.find(&name(asked), kind), zone().find(&name(asked), kind), "{asked}");
    }
    assert!(copy::copy(server, &origin, Some(7)).await.unwrap().is_none());
    assert!(copy::copy(server, &origin, Some(8)).await.unwrap().is_none());
    assert!(copy::copy(server, &origin, Some(6)).await.unwrap().is_some());
    assert_eq!(asked.load(std::sync::atomic::Ordering::Relaxed), 6);
    let other = copy::copy(server, &name("example.net."), None).await;
    assert!(matches!(other, Err(copy::CopyError::Lame)), "{other:?}");
}

#[tokio::test]
async fn a_copy_comes_from_whoever_answers_and_stays_while_nobody_does() {
    let dead = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let server = primary(ZONE.to_owned(), std::sync::Arc::default()).await;
    let origin = name("example.org.");
    let secondary = std::sync::Arc::new(Secondary::new(origin.clone(), vec![dead, server]));
    assert!(secondary.content().is_none());
    secondary.begin();
    for _ in 0..500 {
        if secondary.content().is_some() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(secondary.content().map(|content| content.serial()), Some(7));
    assert!(secondary.is(&origin, &[dead, server]) && !secondary.is(&origin, &[dead]));
}

#[tokio::test]
async fn a_server_that_says_that_the_zone_has_changed_is_asked() {
    let asked: std::sync::Arc<std::sync::atomic::AtomicU32> = std::sync::Arc::default();
    let server = primary(ZONE.to_owned(), std::sync::Arc::clone(&asked)).await;
    let secondary = std::sync::Arc::new(Secondary::new(name("example.org."), vec![server]));
    let count = || asked.load(std::sync::atomic::Ordering::Relaxed);
    let reaches = async |least: u32| {
        for _ in 0..500 {
            if count() >= least {
                return true;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        false
    };
    secondary.begin();
    assert!(reaches(2).await, "SOA and AXFR");
    assert!(!secondary.notified(&name("example.net."), server.ip()));
    assert!(!secondary.notified(&name("example.org."), [192, 0, 2, 1].into()));
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    assert_eq!(count(), 2, "the zone says two hours");
    assert!(secondary.notified(&name("EXAMPLE.org."), server.ip()));
    assert!(reaches(3).await, "SOA again");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_passed_over_in_time() {
    // Connections wait in its queue.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let error = copy::copy(silent.local_addr().unwrap(), &name("example.org."), None).await.unwrap_err();
    assert!(matches!(error, copy::CopyError::Slow), "{error}");
}

#[test]
fn a_transfer_that_is_no_zone_is_not_taken() {
    use hickory_proto::op::{Message, MessageType, OpCode};
    let origin = name("example.org.");
    let records = text::records(ZONE, &origin, MOST_RECORDS).unwrap();
    let message = |records: &[hickory_proto::rr::Record]| {
        let mut message = Message::new(1, MessageType::Response, OpCode::Query);
        message.answers = records.to_vec();
        message
    };
    let mut other = records[0].clone();
    if let hickory_proto::rr::RData::SOA(soa) = &mut other.data {
        soa.serial = 8;
    }
    for (parts, octets) in [
        (vec![message(&[])], 10),
        (vec![message(&records[1..2])], 10),
        (vec![message(&records[..1]), message(&[other])], 10),
        (vec![message(&[records[0].clone(), records[0].clone()])], 10),
        (vec![message(&records[..2])], 17 << 20),
    ] {
        let mut gathered = copy::Gathered::new(&origin);
        let last = parts.into_iter().map(|part| gathered.add(part, octets)).last().unwrap();
        assert!(last.is_err(), "{last:?}");
    }
}
