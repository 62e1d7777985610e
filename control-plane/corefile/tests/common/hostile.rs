//! Any bytes as a Corefile: shared by the fuzz target, the test that replays its corpus, and property tests.

use sluice_corefile::{Base, MemoryFiles, Options, Pillars, parse, run as map};

/// Reads bytes; what is right is written so that it is read as the same, and comes to settings that obey their rules, or is
/// refused.
///
/// The first byte says where a second file, which the first may import, begins.
pub fn run(data: &[u8]) {
    let Some((at, data)) = data.split_first() else { return };
    let (text, imported) = data.split_at(data.len() * usize::from(*at) / 255);
    let files = MemoryFiles([("/c/import".to_owned(), imported.to_vec())].into());
    let pillars = Pillars::of_cluster("cluster.local", "169.254.20.10", "10.96.0.10");
    let options = Options { environment: [("A".to_owned(), "a b".to_owned())].into(), pillars };
    let read = match parse("/c/Corefile", text, &files, &options) {
        Ok(read) => read,
        Err(problems) => {
            assert!(problems.has_errors());
            return;
        }
    };
    assert!(!read.warnings.has_errors());
    let written = read.corefile.to_string();
    let again = parse("/c/Corefile", written.as_bytes(), &MemoryFiles::default(), &options);
    let again = again.unwrap_or_else(|problems| panic!("{problems}\n{written}"));
    assert_eq!(again.corefile, read.corefile, "{written}");
    assert_eq!(again.corefile.to_string(), written);
    let mut files = files;
    files.0.insert("/etc/resolv.conf".to_owned(), b"nameserver 192.0.2.53\n".to_vec());
    let mut base = Base::default();
    base.dns.listen.push(([192, 0, 2, 10], 53).into());
    match map(&read.corefile, &files, &base) {
        Ok(running) => {
            assert!(!running.told.has_errors());
            running.resolver.check().unwrap_or_else(|error| panic!("{error}\n{written}"));
            // The written form means the same to the gateway, too; only places differ.
            let again = map(&again.corefile, &files, &base)
                .unwrap_or_else(|problems| panic!("{problems}\n{written}"));
            assert_eq!(
                (again.dns, again.namespaces, again.resolver),
                (running.dns, running.namespaces, running.resolver)
            );
        }
        Err(problems) => assert!(problems.has_errors()),
    }
}
