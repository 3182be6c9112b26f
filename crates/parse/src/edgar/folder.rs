//! A folder of the daily indexes, as `index.json` lists it.

use feedspine_core::Json;

use super::words::day;
use crate::charset;
use crate::document::Input;
use crate::error::ParseError;
use crate::json_items::read_whole;
use crate::warning::Warnings;

/// The index of a day.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EdgarDay {
    /// The day, as `2024-11-01`.
    pub day: String,
    /// What its file is called in the folder.
    pub name: String,
    /// When it was changed last and how large it is, as they are written there.
    pub changed: String,
}

/// Reads which days a folder has an index of, the oldest first.
///
/// # Errors
/// It is something else.
pub fn read_edgar_days(input: &Input<'_>) -> Result<Vec<EdgarDay>, ParseError> {
    let decoded = charset::decode(input.bytes, input.content_type, &mut Warnings::default())?;
    let document = read_whole(decoded.text.trim_start_matches('\u{FEFF}'))?;
    let items = match document.get("directory").and_then(|directory| directory.get("item")) {
        Some(Json::Array(items)) => items.as_slice(),
        Some(one @ Json::Object(_)) => std::slice::from_ref(one),
        _ => {
            let found = "there is no directory.item in it".to_owned();
            return Err(ParseError::NotAList { wanted: "listing of a folder of EDGAR", found });
        }
    };
    let mut days: Vec<EdgarDay> = items.iter().filter_map(read_day).collect();
    days.sort();
    // Of a day that is there both packed and not, one says all.
    days.dedup_by(|later, earlier| later.day == earlier.day);
    Ok(days)
}

fn read_day(item: &Json) -> Option<EdgarDay> {
    let text = |name| item.get(name).and_then(Json::as_str).unwrap_or_default();
    let name = text("name");
    let rest = name.strip_prefix("master.")?;
    let (date, _) = rest.split_once(".idx").filter(|(_, packed)| matches!(*packed, "" | ".gz"))?;
    Some(EdgarDay {
        day: day(date)?,
        name: name.to_owned(),
        changed: format!("{} {}", text("last-modified"), text("size")).trim().to_owned(),
    })
}
