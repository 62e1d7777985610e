//! Session affinity by cookie.

use sluice_model::http::{Affinity, SameSite};

use super::values::{Values, is_header_text, is_token};

/// ingress-nginx's name of the cookie.
const NAME: &str = "INGRESSCOOKIE";

pub(super) fn read(values: &mut Values<'_, '_>) -> Option<Affinity> {
    let enabled = values.read("affinity", |text| match text {
        "cookie" => Ok(()),
        _ => Err("the only affinity is by cookie"),
    });
    // A cookie names an endpoint here, so that none moves while its endpoint is there: what `persistent` promises holds
    // for `balanced` too.
    values.read("affinity-mode", |text| match text {
        "balanced" | "persistent" => Ok(()),
        _ => Err("neither balanced nor persistent"),
    });
    let plain = |text: &str| is_header_text(text) && !text.contains([';', ',']);
    let cookie = values
        .read("session-cookie-name", |text| is_token(text).then(|| text.into()).ok_or("no name of a cookie"));
    let path = values.read("session-cookie-path", |text| {
        (plain(text) && text.starts_with('/')).then(|| text.into()).ok_or("no path")
    });
    let domain =
        values.read("session-cookie-domain", |text| plain(text).then(|| text.into()).ok_or("no domain"));
    const MOST: u32 = 3_153_600_000;
    let expires = values.number("session-cookie-expires", 0..=MOST);
    let max_age = values.number("session-cookie-max-age", 0..=MOST).or(expires);
    let same_site = values.read("session-cookie-samesite", |text| match text {
        "Strict" => Ok(SameSite::Strict),
        "Lax" => Ok(SameSite::Lax),
        "None" => Ok(SameSite::None),
        _ => Err("none of None, Lax and Strict"),
    });
    let secure = values.flag("session-cookie-secure");
    let change_on_failure = values.flag("session-cookie-change-on-failure").unwrap_or(false);
    enabled.map(|()| Affinity {
        cookie: cookie.unwrap_or_else(|| NAME.into()),
        path,
        domain,
        max_age: max_age.map(u64::from),
        same_site,
        secure,
        change_on_failure,
    })
}
