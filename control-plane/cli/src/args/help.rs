//! What `--help` teaches: examples, and what to look at next.

pub(super) const SLUICE: &str = "\
Examples:
  sluice doctor                            is this machine ready?
  sluice check /etc/sluice/sluice.yaml     is the configuration right, and are the manifests?
  sluice run -c /etc/sluice/sluice.yaml    run the gateway
  sluice show services                     what does it serve?
  sluice explain 203.0.113.7 192.0.2.10 tcp 80
                                           what would happen to this packet, and why?
  sluice trace --dst 192.0.2.10            what happens to live packets?
  sluice show problems                     what is wrong with manifests and Services?
  sluice dns query web.default.svc.cluster.local
                                           what is answered to this name, and why?
  sluice dns import Corefile               what does CoreDNS's configuration say, and is it right?
  sluice show counters                     which packets are dropped, and why?

The configuration may also be named by the environment variable SLUICE_CONFIG. Commands that ask a running gateway \
find its socket by --runtime-dir, by the configuration, or in /run/sluice.

Exit codes (sysexits.h): 0 done; 1 answers differ (dns diff); 64 bad arguments or configuration; 65 bad manifests; 66 configuration cannot be read; \
69 the gateway does not run, or the machine lacks something; 70 error in the program; 71 the system refused something; \
74 input or output failed; 77 not permitted.";

pub(super) const RUN: &str = "\
Starts `sluice dataplane` and `sluice control` and restarts one that dies: at once, then with growing pauses from \
0.1 to 5 seconds until it has been well for 10 seconds. The others go on meanwhile. SIGTERM and SIGINT end all of \
them in order. A wrong configuration ends everything with 64 before any port opens.

Examples:
  sluice run -c /etc/sluice/sluice.yaml
  sluice run -c sluice.yaml --log debug
  sluice run -c sluice.yaml --log-format json 2>> /var/log/sluice.json";

pub(super) const DATAPLANE: &str = "\
Opens the ports, polls them on the lcores and forwards by what control says. Goes on forwarding while control is \
away; started anew, it takes its connections over from the process before it.

Examples:
  sluice dataplane -c /etc/sluice/sluice.yaml
  sluice dataplane -c sluice.yaml --log info,sluice_runtime=debug";

pub(super) const CONTROL: &str = "\
Reads the Kubernetes objects from where `source` says, follows their changes, and hands the desired state to the \
packet path over a Unix socket. Needs no privileges.

Examples:
  sluice control -c /etc/sluice/sluice.yaml";

pub(super) const PROXY: &str = "\
Answers DNS over TCP, and asks upstreams for names that are not the cluster's, at the addresses that `dns` names. \
Cluster names over UDP are answered without it. Needs no privileges but the port's.

Examples:
  sluice proxy -c /etc/sluice/sluice.yaml";

pub(super) const CHECK: &str = "\
Names file, line and key of everything that is wrong. Ends with 0 where all is well, 64 where the configuration is \
wrong, 65 where only manifests are. Opens no port and touches no device.

Examples:
  sluice check sluice.yaml
  sluice check sluice.yaml -o json | jq '.problems[]'";

pub(super) const DNS: &str = "\
Examples:
  sluice dns query web.default.svc.cluster.local
  sluice dns diff --against 10.96.0.10
  sluice dns import /etc/coredns/Corefile
  sluice help dns import";

pub(super) const DNS_QUERY: &str = "\
Asks the running gateway what its tables say to a query: the zone and the object that the name is of, the rule by which it \
is answered, forwarded or refused, and the reply. Nothing is sent. With -c the upstreams that would be asked are named.

Examples:
  sluice dns query web.default.svc.cluster.local
  sluice dns query _http._tcp.web.default.svc.cluster.local SRV
  sluice dns query 20.0.96.10.in-addr.arpa PTR -o json
  sluice dns query www.example.com AAAA --as 10.244.1.5 -c /etc/sluice/sluice.yaml
  sluice dns query web.default.example.org --as 198.51.100.7 --at 203.0.113.53";

pub(super) const DNS_DIFF: &str = "\
Asks the other server over UDP, and over TCP where it truncates, and compares its answers with what this gateway's tables \
say: code and records of all sections, without regard to their order and to SOA serials. Differences are grouped; those \
that CoreDNS is known for are named as in docs/dns.md. Names that go to upstreams are not compared. Ends with 1 where \
something else differs or is not answered.

Examples:
  sluice dns diff --against 10.96.0.10
  sluice dns diff --against 127.0.0.1:1053 --names names.txt
  sluice dns diff --against 10.96.0.10 -o json | jq '.groups[] | select(.known | not)'";

pub(super) const DNS_IMPORT: &str = "\
Reads a Corefile with all that it imports, or a ConfigMap (YAML or JSON) of CoreDNS or kube-dns, and prints the Corefile \
that says the same in one spelling: plugins in the order in which queries pass them, defaults left out. Warnings go to \
the standard error: what has no effect, what is gone from CoreDNS, what probably means something else. Ends with 64 \
where something is wrong, naming file and line of all of it. {$NAME} is taken from the environment. With \
-o yaml it prints the `dns` section of a configuration that does the same, and as comments what was not carried over; where \
keys have no words for it, the section names the Corefile. What the gateway refuses to run is told with file and line. \
docs/corefile.md says which plugins and options there are.

Examples:
  sluice dns import /etc/coredns/Corefile
  kubectl get configmap coredns -n kube-system -o yaml | sluice dns import -
  sluice dns import coredns.yaml --custom coredns-custom.yaml
  sluice dns import node-local.Corefile --pillar LOCAL__DNS=169.254.20.10 --pillar DNS__SERVER=10.96.0.10
  sluice dns import Corefile -o yaml >> sluice.yaml
  sluice dns import Corefile -o json | jq '.problems[]'";

pub(super) const DOCTOR: &str = "\
Looks at huge pages, DPDK and its drivers, /dev/net/tun, vhost-net, IOMMU and VFIO, the devices that the configuration \
names, CPU isolation, limits, memory, kernel parameters and capabilities, and says how to mend each. With -c it knows \
what this gateway needs. Ends with 69 where something required is missing. Changes nothing.

Examples:
  sluice doctor
  sluice doctor -c /etc/sluice/sluice.yaml
  sluice doctor -o json | jq '.[] | select(.status == \"missing\")'";

pub(super) const SHOW: &str = "\
`sync` and `problems` ask control, `http`, `dns cache` and `dns upstreams` the proxy, the others the packet path.

Examples:
  sluice show sync
  sluice show problems -o json | jq '.[] | select(.level == \"error\")'
  sluice show services
  sluice show backends shop/web
  sluice show flows --address 203.0.113.7 --limit 20
  sluice show counters --watch 2
  sluice show dns upstreams
  sluice show http routes shop.example
  sluice show ports -o json | jq '.[].device_counters'";

pub(super) const RELEASE: &str = "\
A state that takes away over half of all endpoints in one step may be a mistake: control holds it back and says so, until \
it is released here, or has been held for as long as the configuration's `source.shrink_hold`. Ends with 69 \
where nothing is held back.

Examples:
  sluice show sync     what is held back, and since when?
  sluice release";

pub(super) const EXPLAIN: &str = "\
Asks the running gateway what its tables would do with the first packet of a connection: which Service and port, \
which policy and source ranges, which endpoints are considered and which one this client gets, whether the source is \
translated, by which route it leaves, or why it is dropped or refused. Nothing is sent.

Examples:
  sluice explain 203.0.113.7 192.0.2.10 tcp 80
  sluice explain 203.0.113.7 192.0.2.10 tcp 80 --sport 40000
  sluice explain 2001:db8::7 2001:db8:1::10 udp 53 -o yaml
  sluice explain http https://shop.example/cart";

pub(super) const EXPLAIN_HTTP: &str = "\
Asks the running proxy what its tables would do with a request: which certificate is shown, which virtual host and route \
it gets and from which object that comes, which others fit and why they do not get it, and which endpoints take it. \
Nothing is sent. Who gets a canary, or an endpoint by a cookie, depends on headers that are not asked for here.

Examples:
  sluice explain http https://shop.example/cart
  sluice explain http shop.example/admin --client 203.0.113.7
  sluice explain http https://shop.example/cart?id=1 -o json";

pub(super) const TRACE: &str = "\
Prints a line for each matching packet: the stages it went through and what became of it, drop reasons by the names of \
`sluice show counters`. Tracing costs the lcores time; it ends after --count packets, --seconds, Ctrl-C, or when this \
command goes away for any other reason. With -o json it prints one JSON object a line.

Examples:
  sluice trace --dst 192.0.2.10 --proto tcp --port 80
  sluice trace --src 203.0.113.7 --count 10 -o json";

pub(super) const VERSION: &str = "\
Says the releases of this program, of the DPDK library it found and of the protocol between control and packet path, \
and, where a gateway runs, those of its packet path.

Examples:
  sluice version
  sluice version -o json | jq -r .sluice";

pub(super) const COMPLETIONS: &str = "\
Examples:
  sluice completions bash > /etc/bash_completion.d/sluice
  sluice completions zsh /usr/local/share/zsh/site-functions
  sluice completions fish ~/.config/fish/completions";

pub(super) const MAN: &str = "\
Examples:
  sluice man /usr/local/share/man/man1
  sluice man | man -l -";
