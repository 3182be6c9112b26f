use feedspine_core::Json;

use super::*;

fn read(name: &str, options: &[&str]) -> Result<Adapter, OpError> {
    let choice = AdapterChoice::new(Some(name), options.iter().copied())?;
    Adapter::read(&choice, &"a".parse().unwrap())
}

#[test]
fn what_is_not_known_is_named_with_what_is_near_to_it() {
    for (name, options, message, hint) in [
        ("jsn", &[] as &[&str], "no adapter \"jsn\"", "did you mean json?"),
        ("gopher", &[], "no adapter \"gopher\"", "feed, json, csv, sitemap, manifest, edgar, files, command, push"),
        ("json", &["itemz=$.a"], "no option itemz", "did you mean items?"),
        ("feed", &["items=$.a"], "the adapter feed has no option items", "key, fold_case"),
        ("json", &["items=$.a["], "the option items is not a JSONPath", "data.items"),
        ("json", &["max_pages=0"], "max_pages is a whole number from 1", "adapters.md"),
        ("json", &["fold_case=maybe"], "fold_case is true or false", "adapters.md"),
        ("json", &["dates=iso"], "epoch_s", "adapters.md"),
        ("json", &["next=$.n", "page_param=p"], "next and page_param", "one way"),
        ("json", &["header=Authorization: Bearer abc"], "looks like a secret", "{env:NAME}"),
        ("json", &["field=original=$.o"], "field names no member original", "adapters.md"),
        ("csv", &["delimiter=ab"], "delimiter is tab or one character", "adapters.md"),
        ("csv", &["items=$.a"], "the adapter csv has no option items", "delimiter"),
        ("files", &["each=word"], "each is file, line or row", "adapters.md"),
        ("files", &["done=old"], "done goes with inbox=true", "adapters.md"),
        ("files", &["inbox=true", "done=../up"], "done is the name of a folder", "adapters.md"),
        ("files", &["inbox=true", "coverage=snapshot"], "coverage is delta for an inbox", "adapters.md"),
        ("files", &["delimiter=;"], "the adapter files has no option delimiter", "each"),
        ("command", &["singer=true", "coverage=snapshot"], "coverage is delta for a tap", "adapters.md"),
        ("command", &["dir=here"], "dir is the whole path of a folder", "adapters.md"),
        ("command", &["env=TOKEN"], "env is NAME=VALUE", "adapters.md"),
        ("command", &["timeout_s=0"], "timeout_s is a whole number from 1", "adapters.md"),
        ("edgar", &[], "does not tell which list", "current, daily, index or submissions"),
        ("edgar", &["list=quarterly"], "list is current, daily", "adapters.md"),
        ("edgar", &["list=index", "key=form"], "key cannot be said", "adapters.md"),
        ("edgar", &["list=daily", "coverage=snapshot"], "coverage is delta for the daily index", "adapters.md"),
        ("edgar", &["list=daily", "since=yesterday"], "since is a day", "adapters.md"),
        ("edgar", &["list=index", "since=2026-11-01"], "since goes with list=daily", "adapters.md"),
        ("edgar", &["list=current", "user_agent=me"], "user_agent names you and your e-mail", "adapters.md"),
        ("githubreleases", &[], "no adapter \"githubreleases\"", "did you mean github_releases?"),
        ("earnings", &["tickr=A"], "the adapter earnings has no option tickr", "items"),
        ("json", &["key"], "NAME=VALUE", "--option key=id"),
    ] {
        let error = read(name, options).expect_err(message);
        assert_eq!(error.kind(), crate::OpErrorKind::Usage);
        assert!(error.message().contains(message), "{error}");
        assert!(error.hint().is_some_and(|told| told.contains(hint)), "{error:?}");
    }
}

#[test]
fn a_key_that_was_said_is_the_rule_from_the_start() {
    for (name, options, rule) in [
        ("feed", &[] as &[&str], None),
        ("feed", &["key=id"], Some(KeyRule::Id)),
        ("feed", &["key=link"], Some(KeyRule::Link)),
        ("feed", &["key=content"], Some(KeyRule::Content)),
        ("feed", &["key=link", "key=published"], Some(KeyRule::Given)),
        ("json", &[], Some(KeyRule::Given)),
        ("json", &["key=content"], Some(KeyRule::Content)),
    ] {
        assert_eq!(read(name, options).unwrap().key_rule(), rule, "{name} {options:?}");
    }
}

#[test]
fn a_choice_comes_back_from_settings_as_it_was_given() {
    let choice = AdapterChoice::new(Some("json"), ["key=a=b", "key=c", "items=$.d[*]"]).unwrap();
    assert_eq!(
        Json::Object(choice.to_members()).to_canonical(),
        r#"{"adapter":"json","options":{"items":"$.d[*]","key":["a=b","c"]}}"#
    );
    assert_eq!(AdapterChoice::default().to_members().len(), 0);
    assert_eq!(AdapterChoice::default().fingerprint(), Json::Null);
}
