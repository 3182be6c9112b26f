//! Servers refuse to run as root: who they run as, and how.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;
use std::process::Command;

/// The users that packages make for servers, and one that every machine has.
const USERS: [&str; 2] = ["postgres", "nobody"];

/// Who servers run as.
#[derive(Debug, Clone)]
pub(crate) enum Owner {
    /// Whoever runs this.
    Myself,
    /// Another user, because whoever runs this is root.
    Other { user: u32, group: u32 },
}

impl Owner {
    /// Whoever runs this, or an unprivileged user if that is root.
    pub(crate) fn of_servers() -> Result<Self, String> {
        let own = std::fs::metadata("/proc/self").map_err(|error| format!("/proc cannot be read: {error}"))?;
        if own.uid() != 0 {
            return Ok(Self::Myself);
        }
        let file = File::open("/etc/passwd").map_err(|error| format!("/etc/passwd cannot be read: {error}"))?;
        let lines: Vec<String> = BufReader::new(file).lines().map_while(Result::ok).collect();
        let found = USERS.iter().find_map(|wanted| lines.iter().find_map(|line| read_user(line, wanted)));
        found.ok_or_else(|| format!("there is no user {} to run the server as", USERS.join(" or ")))
    }

    /// Gives a file or directory to the owner.
    pub(crate) fn give(&self, path: &Path) -> Result<(), String> {
        match self {
            Self::Myself => Ok(()),
            Self::Other { user, group } => chown(path, Some(*user), Some(*group))
                .map_err(|error| format!("{} cannot be given away: {error}", path.display())),
        }
    }

    /// A command that runs as the owner. The process that is started is the program itself, whose id is known.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = match self {
            Self::Myself => Command::new(program),
            Self::Other { user, group } => {
                let mut command = Command::new("setpriv");
                command.args([format!("--reuid={user}"), format!("--regid={group}")]);
                command.arg("--clear-groups").arg(program);
                command
            }
        };
        command.current_dir("/");
        command
    }
}

/// `name:password:uid:gid:…`
fn read_user(line: &str, wanted: &str) -> Option<Owner> {
    let mut fields = line.split(':');
    if fields.next() != Some(wanted) {
        return None;
    }
    let mut numbers = fields.skip(1).map(|field| field.parse().ok());
    Some(Owner::Other { user: numbers.next()??, group: numbers.next()?? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_read_from_its_line() {
        let line = "postgres:x:107:114:PostgreSQL administrator,,,:/var/lib/postgresql:/bin/bash";
        assert!(matches!(read_user(line, "postgres"), Some(Owner::Other { user: 107, group: 114 })));
        assert!(read_user(line, "nobody").is_none());
    }
}
