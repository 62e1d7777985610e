//! Entries for fuzzing: what a stranger's bytes reach.

/// Any bytes as a connection of HTTP/1: what hyper makes of them behind the filter is what the filter judged. The first octet
/// says in what parts they come.
///
/// # Panics
/// If the two understand them differently.
#[expect(clippy::panic, reason = "a fuzz target says by a panic what it has found")]
pub fn connection(data: &[u8]) {
    let Some((&step, bytes)) = data.split_first() else { return };
    if let Err(difference) = crate::head::judge(bytes, usize::from(step) + 1) {
        panic!("{difference}");
    }
}

/// Any bytes as a PROXY protocol header.
///
/// # Panics
/// If a header is longer than what there is of it, or another one with what comes behind it.
pub fn proxy(data: &[u8]) {
    crate::proxy_protocol::judge(data);
}
