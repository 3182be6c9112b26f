//! What a request is for.

use hyper::Method;

/// What a request is for, and what may be asked so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route<'a> {
    /// How feeds are.
    Health,
    /// A hub wants to know whether we meant it.
    HubAsks { token: &'a str },
    /// A hub tells something.
    HubTells { token: &'a str },
    /// It is there, and may be asked by these methods alone.
    Method { allowed: &'static str },
    /// Nothing is there.
    Nothing,
}

/// Where callbacks are.
const CALLBACKS: &str = "/websub/";

/// Reads a path. `base` is that of the public address of this server: a proxy may have left it in front.
pub(crate) fn route<'a>(method: &Method, path: &'a str, base: &str) -> Route<'a> {
    let within = path.strip_prefix(base).filter(|rest| rest.starts_with('/')).unwrap_or(path);
    if within == "/health" {
        return match *method {
            Method::GET | Method::HEAD => Route::Health,
            _ => Route::Method { allowed: "GET, HEAD" },
        };
    }
    let Some(token) = within.strip_prefix(CALLBACKS).filter(|token| !token.is_empty() && !token.contains('/')) else {
        return Route::Nothing;
    };
    match *method {
        Method::GET => Route::HubAsks { token },
        Method::POST => Route::HubTells { token },
        _ => Route::Method { allowed: "GET, POST" },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_tells_what_a_request_is_for() {
        let (asks, tells) = (Route::HubAsks { token: "t" }, Route::HubTells { token: "t" });
        let (get, post) = (Method::GET, Method::POST);
        for (method, path, base, expected) in [
            (&get, "/health", "", Route::Health),
            (&Method::HEAD, "/health", "", Route::Health),
            (&post, "/health", "", Route::Method { allowed: "GET, HEAD" }),
            (&get, "/websub/t", "", asks),
            (&post, "/websub/t", "", tells),
            (&Method::PUT, "/websub/t", "", Route::Method { allowed: "GET, POST" }),
            (&post, "/base/websub/t", "/base", tells),
            (&post, "/websub/t", "/base", tells),
            (&get, "/base/health", "/base", Route::Health),
            (&get, "/basehealth", "/base", Route::Nothing),
            (&get, "/websub/", "", Route::Nothing),
            (&get, "/websub/t/x", "", Route::Nothing),
            (&get, "/other/websub/t", "/base", Route::Nothing),
            (&get, "/", "", Route::Nothing),
            (&get, "", "", Route::Nothing),
        ] {
            assert_eq!(route(method, path, base), expected, "{method} {path} {base}");
        }
    }
}
