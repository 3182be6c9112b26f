//! The lists of EDGAR, collected from loopback by the real binary.

use crate::stories::{filings_of_four_lists, run, sec};
use crate::support::User;

#[test]
fn four_lists_give_one_record_a_filing_and_the_lag_between_them_is_in_its_sightings() {
    filings_of_four_lists(&User::new());
}

#[test]
fn who_does_not_say_who_asks_is_told_how_to() {
    let (user, site) = (User::new(), sec());
    let url = site.url("/submissions/CIK0009000007.json");
    assert_eq!(user.run(&["add", &url, "--name", "company", "--adapter", "edgar", "--allow-private"]).code, 0);
    let refused = user.run(&["collect"]);
    assert_eq!(refused.code, 3, "{refused:?}");
    let said = format!("{}{}", refused.stdout, refused.stderr);
    assert!(said.contains("the SEC wants to know who asks") && said.contains("fetch.user_agent"), "{refused:?}");
    let unsure = user.run(&["add", &site.url("/filings"), "--adapter", "edgar"]);
    assert!(unsure.code == 2 && unsure.stderr.contains("current, daily, index or submissions"), "{unsure:?}");
    assert_eq!(run(&user, &["collect"]).code, 0);
}
