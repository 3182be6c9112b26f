//! Ctrl-C: running fetches are dropped, what was reported stays, nothing is half stored.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};

use crate::site::{Reply, Site};
use crate::support::{User, list, rss, text};

/// Opens once, for all who wait.
#[derive(Debug, Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    fn open(&self) {
        *self.0.0.lock().expect("nobody panicked") = true;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        let closed = self.0.0.lock().expect("nobody panicked");
        drop(self.0.1.wait_while(closed, |open| !*open).expect("nobody panicked"));
    }
}

#[test]
fn an_interrupted_collect_keeps_what_it_reported_and_ends_with_130() {
    let asked = Gate::default();
    let never = Gate::default();
    let site = Site::start({
        let asked = asked.clone();
        move |request| {
            if request.path == "/slow" {
                asked.open();
                never.pass();
            }
            Reply::ok(rss(&[("a", "One")]))
        }
    });
    let user = User::new();
    user.add("fast", &site.url("/fast"));
    user.add("slow", &site.url("/slow"));
    let mut child = user.command(&["collect"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let reported = lines.by_ref().map(Result::unwrap).find(|line| line.starts_with("fast")).unwrap();
    assert!(reported.contains("captured"), "{reported}");
    asked.pass();
    let interrupted = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert!(String::from_utf8_lossy(&output.stderr).contains("interrupted"), "{output:?}");

    let records = user.ask(&["list"]);
    assert_eq!(list(&records, "items").len(), 1);
    assert_eq!(text(&records, "items.0.namespace"), "fast");
}
