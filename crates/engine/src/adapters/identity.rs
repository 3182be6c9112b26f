//! [`Identity`]: what the operator says of what makes an item that item, and of what of it is no news.

use feedspine_core::{HashRule, JsonPath, Namespace};
use feedspine_parse::{DateForm, ItemKey, ItemRules, JsonQuery, ORIGINAL};

use super::options::{Options, place};
use crate::OpError;

/// Members that an option of the same name takes from elsewhere in the item.
const MAPPED: [&str; 4] = ["title", "link", "published", "updated"];

/// How places in an item are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Naming {
    /// A query, or names with dots between.
    Paths,
    /// The very name of a column.
    Columns,
}

impl Naming {
    fn place(self, option: &str, text: &str) -> Result<JsonQuery, OpError> {
        match self {
            Self::Paths => place(option, text),
            Self::Columns => Ok(JsonQuery::member(text)),
        }
    }
}

/// The options `key`, `fold_case` and `volatile`, which every adapter has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    naming: Naming,
    pub(crate) key: Vec<String>,
    pub(crate) fold_case: bool,
    /// Which part of the content decides a version.
    pub(crate) hash_rule: HashRule,
}

impl Identity {
    pub(crate) fn read(options: &mut Options, naming: Naming) -> Result<Self, OpError> {
        Self::read_with(options, naming, Vec::new())
    }

    /// The same, with places that make no version whatever is said.
    pub(crate) fn read_with(options: &mut Options, naming: Naming, always: Vec<JsonPath>) -> Result<Self, OpError> {
        let volatile = options.texts("volatile")?;
        let paths = volatile.iter().map(|text| match naming {
            Naming::Columns => Ok(JsonPath::of([text])),
            Naming::Paths => JsonPath::parse(text)
                .map_err(|_| options.wrong("volatile", "is names with dots between, such as stats.views")),
        });
        let mut paths = paths.collect::<Result<Vec<_>, _>>()?;
        paths.extend(always);
        let hash_rule = HashRule::without(paths);
        Ok(Self { naming, key: options.texts("key")?, fold_case: options.flag("fold_case")?, hash_rule })
    }

    /// For a feed: the places of its items' contents that keys are made of; empty where a rule of feeds does it.
    pub(crate) fn places(&self) -> Result<Vec<JsonQuery>, OpError> {
        match self.key.as_slice() {
            [word] if matches!(word.as_str(), "id" | "link" | "content") => Ok(Vec::new()),
            places => self.read_places(places),
        }
    }

    /// The rules of an adapter whose items have members; reads the options that say where they are.
    pub(crate) fn item_rules(&self, namespace: &Namespace, options: &mut Options) -> Result<ItemRules, OpError> {
        let key = match self.key.as_slice() {
            [] => ItemKey::Unsaid,
            [word] if word == "content" => ItemKey::Content,
            places => ItemKey::Places(self.read_places(places)?),
        };
        let mut members = Vec::new();
        for name in MAPPED {
            if let Some(text) = options.text(name)? {
                members.push((name.to_owned(), self.naming.place(name, &text)?));
            }
        }
        for field in options.texts("field")? {
            let (name, from) = field
                .split_once('=')
                .filter(|(name, _)| !name.is_empty() && !MAPPED.contains(name))
                .ok_or_else(|| options.wrong("field", "is NAME=PLACE, such as author=$.user.login"))?;
            if name == ORIGINAL {
                return Err(options.wrong("field", "names no member original, which holds what gave way to the others"));
            }
            members.push((name.to_owned(), self.naming.place("field", from)?));
        }
        let meaning = format!("is {}", DateForm::WORDS);
        let dates = options.read("dates", &meaning, |text| DateForm::parse(text).ok())?.unwrap_or(DateForm::Text);
        Ok(ItemRules { namespace: namespace.clone(), key, fold_case: self.fold_case, members, dates })
    }

    fn read_places(&self, texts: &[String]) -> Result<Vec<JsonQuery>, OpError> {
        texts.iter().map(|text| self.naming.place("key", text)).collect()
    }
}
