//! Configurations: one worker, the same certificate, fields and connections that are kept.

use std::path::Path;
use std::process::Command;

use crate::bed::{BACKEND, PLAIN, SECURE, SERVER};

/// What a response's body is.
const BODY: &str = "a response of a hundred bytes, which is about what a small answer of an interface for programs has: 0123\\n";

/// Makes the certificate, `pair.crt` and `pair.key`, and both in `pair.pem`.
pub(crate) fn certificate(folder: &Path) {
    let [key, certificate] = ["pair.key", "pair.crt"].map(|name| folder.join(name));
    let output = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
        .args(["-days", "30", "-subj", "/CN=bench", "-addext", &format!("subjectAltName=DNS:{SECURE}")])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let both = [std::fs::read(&certificate).unwrap(), std::fs::read(&key).unwrap()].concat();
    std::fs::write(folder.join("pair.pem"), both).unwrap();
}

/// The backend: an nginx that answers by itself.
pub(crate) fn backend(folder: &Path) -> Vec<String> {
    let text = format!(
        "{}  server {{ listen {BACKEND} reuseport; location / {{ return 200 \"{BODY}\"; }} }}\n}}\n",
        nginx_head(folder)
    );
    nginx_line(folder, &text)
}

/// What an nginx begins with.
fn nginx_head(folder: &Path) -> String {
    let at = folder.display();
    format!(
        "daemon off;\nworker_processes 1;\npid {at}/pid;\nerror_log stderr error;\nuser root;\n\
         events {{ worker_connections 4096; }}\nhttp {{\n  access_log off;\n  keepalive_requests 100000000;\n  keepalive_timeout 75s;\n\
           client_body_temp_path {at}/b;\n  proxy_temp_path {at}/p;\n  fastcgi_temp_path {at}/f;\n  uwsgi_temp_path {at}/u;\n  scgi_temp_path {at}/s;\n"
    )
}

fn nginx_line(folder: &Path, text: &str) -> Vec<String> {
    let config = folder.join("nginx.conf");
    std::fs::write(&config, text).unwrap();
    let (config, prefix) = (config.display().to_string(), folder.display().to_string());
    ["nginx", "-c", &config, "-p", &prefix, "-e", "stderr"].map(String::from).into()
}

/// nginx as a proxy, with the fields that ingress-nginx sets.
pub(crate) fn nginx(folder: &Path, pair: &Path) -> Vec<String> {
    let pair = pair.display();
    let text = format!(
        "{}  upstream pods {{ server {BACKEND}; keepalive 320; keepalive_requests 100000000; }}\n\
         proxy_http_version 1.1;\n  proxy_set_header Connection \"\";\n  proxy_set_header Host $host;\n\
         proxy_set_header X-Request-ID $request_id;\n  proxy_set_header X-Real-IP $remote_addr;\n\
         proxy_set_header X-Forwarded-For $remote_addr;\n  proxy_set_header X-Forwarded-Host $http_host;\n\
         proxy_set_header X-Forwarded-Port $server_port;\n  proxy_set_header X-Forwarded-Proto $scheme;\n\
         ssl_session_cache shared:tls:10m;\n  ssl_session_tickets on;\n  ssl_protocols TLSv1.2 TLSv1.3;\n\
         server {{ listen {SERVER}:80 reuseport; server_name {PLAIN}; location / {{ proxy_pass http://pods; }} }}\n\
         server {{ listen {SERVER}:443 ssl http2 reuseport; server_name {SECURE};\n\
           ssl_certificate {pair}.crt; ssl_certificate_key {pair}.key;\n\
           location / {{ proxy_pass http://pods; }} }}\n}}\n",
        nginx_head(folder)
    );
    nginx_line(folder, &text)
}

/// HAProxy with one thread and the same fields.
pub(crate) fn haproxy(folder: &Path, pair: &Path) -> Vec<String> {
    let text = format!(
        "global\n  nbthread 1\n  maxconn 4096\n  ssl-default-bind-options ssl-min-ver TLSv1.2\n\
         defaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n  timeout http-keep-alive 75s\n\
         \x20 http-reuse always\n  unique-id-format %{{+X}}o%Ts%rt%pid%ci%cp\n  unique-id-header X-Request-ID\n\
         frontend web\n  bind {SERVER}:80\n  bind {SERVER}:443 ssl crt {}.pem alpn h2,http/1.1\n\
         \x20 http-request set-header X-Real-IP %[src]\n  http-request set-header X-Forwarded-For %[src]\n\
         \x20 http-request set-header X-Forwarded-Host %[req.hdr(host)]\n  http-request set-header X-Forwarded-Port %[dst_port]\n\
         \x20 http-request set-header X-Forwarded-Proto https if {{ ssl_fc }}\n\
         \x20 http-request set-header X-Forwarded-Proto http unless {{ ssl_fc }}\n\
         \x20 use_backend pods if {{ hdr(host) -i {PLAIN} {SECURE} }}\n\
         backend pods\n  server one {BACKEND} pool-max-conn 320\n",
        pair.display()
    );
    let config = folder.join("haproxy.cfg");
    std::fs::write(&config, text).unwrap();
    ["haproxy", "-db", "-f", &config.display().to_string()].map(String::from).into()
}

/// Sluice's configuration, and the objects that it serves.
pub(crate) fn sluice(folder: &Path, pair: &Path) -> String {
    let manifests = folder.join("manifests");
    std::fs::create_dir_all(&manifests).unwrap();
    let indented = |what: &str| {
        let text = std::fs::read_to_string(format!("{}.{what}", pair.display())).unwrap();
        text.lines().map(|line| format!("    {line}\n")).collect::<String>()
    };
    let rule = |name: &str, host: &str, tls: &str| {
        format!(
            "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{ name: {name}, namespace: default }}\n\
             spec:\n  ingressClassName: sluice\n{tls}  rules:\n  - host: {host}\n    http:\n      paths:\n\
             \x20     - {{ path: /, pathType: Prefix, backend: {{ service: {{ name: pods, port: {{ number: 80 }} }} }} }}\n"
        )
    };
    let text = format!(
        "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {{ name: sluice }}\nspec: {{ controller: sluice.dev/ingress }}\n\
         ---\napiVersion: v1\nkind: Service\nmetadata: {{ name: pods, namespace: default }}\n\
         spec: {{ clusterIP: 10.96.1.1, ports: [{{ name: http, port: 80 }}] }}\n\
         ---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
         metadata: {{ name: pods-1, namespace: default, labels: {{ kubernetes.io/service-name: pods }} }}\n\
         addressType: IPv4\nports: [{{ name: http, port: {} }}]\nendpoints:\n- {{ addresses: [{}] }}\n\
         ---\napiVersion: v1\nkind: Secret\nmetadata: {{ name: pair, namespace: default }}\ntype: kubernetes.io/tls\n\
         stringData:\n  tls.crt: |\n{}  tls.key: |\n{}{}{}",
        BACKEND.port(),
        BACKEND.ip(),
        indented("crt"),
        indented("key"),
        rule("plain", PLAIN, ""),
        rule("secure", SECURE, &format!("  tls: [{{ hosts: [{SECURE}], secretName: pair }}]\n")),
    );
    std::fs::write(manifests.join("all.yaml"), text).unwrap();
    let config = folder.join("sluice.yaml");
    let (run, manifests) = (folder.join("run"), manifests.display());
    let text = format!(
        "node: edge-1\nruntime_dir: {}\nlog: {{ level: warn }}\n\
         dataplane:\n  lcores: [1]\n  ports: [{{ name: uplink, device: \"net_null0\", addresses: [192.0.2.1/24] }}]\n\
         source: {{ manifests: {manifests} }}\n\
         services:\n  cluster_cidrs: [10.244.0.0/16]\n  service_cidrs: [10.96.0.0/12]\n\
         ingress:\n  addresses: [{SERVER}]\n  hsts: 0\n  limits: {{ drain: 1 }}\n",
        run.display()
    );
    std::fs::write(&config, text).unwrap();
    config.display().to_string()
}
