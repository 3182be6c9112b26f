//! `feedspine warc`, through the real binary.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::replaying::reader;
use crate::support::{members, number};

#[test]
fn what_feeds_brought_is_written_as_warc_for_its_owner_alone_and_no_file_is_replaced_unasked() {
    let (_site, user) = reader();
    let file = user.home().join("all.warc.gz");
    let written = user.ask(&["warc", "all.warc.gz"]);
    assert_eq!(members(&written), "bytes error file records unread");
    assert_eq!((number(&written, "records"), number(&written, "unread")), (2, 0));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let before = fs::read(&file).unwrap();
    assert_eq!(before[..2], [0x1F, 0x8B]);
    let refused = user.run(&["warc", "all.warc.gz"]);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.stderr.contains("choose another name, or say --replace"), "{refused:?}");
    let replaced = user.run(&["warc", "all.warc.gz", "api", "--since", "2999-01-01", "--replace"]);
    assert!(replaced.stdout.contains("0 resources, 0 bytes"), "{replaced:?}");
    assert!(fs::read(&file).unwrap().len() < before.len());
    assert_eq!(user.run(&["warc", "none.warc.gz", "nobody"]).code, 5);
    assert!(!user.home().join("none.warc.gz").exists());
    let own = user.run(&["warc", ".local/share/feedspine/feedspine.db", "--replace"]);
    assert_eq!(own.code, 2, "{own:?}");
}
