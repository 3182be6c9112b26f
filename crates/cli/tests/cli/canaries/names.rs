//! A name server for the tests: a name leads where a table says, and may lead elsewhere the next time.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};

/// What each name leads to, by its lookups one after the other; the last answer stays.
pub(crate) type Zone = HashMap<String, Vec<Vec<IpAddr>>>;

/// The types of addresses (RFC 1035 section 3.2.2, RFC 3596 section 2.1).
const A: u16 = 1;
const AAAA: u16 = 28;

/// The server. Its thread ends with the process.
#[derive(Debug)]
pub(crate) struct Names {
    /// How often each name was looked up, by type.
    asked: Arc<Mutex<HashMap<(String, u16), usize>>>,
}

impl Names {
    pub(crate) fn start(at: SocketAddr, zone: Zone) -> Self {
        let socket = UdpSocket::bind(at).expect("the address is free");
        let names = Self { asked: Arc::default() };
        let asked = Arc::clone(&names.asked);
        std::thread::spawn(move || {
            let mut packet = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut packet) {
                if let Some(answer) = answer(&packet[..length], &zone, &asked) {
                    // Who does not hear it asks again.
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        names
    }

    /// How often the IPv4 addresses of a name were looked up.
    pub(crate) fn lookups(&self, name: &str) -> usize {
        let asked = self.asked.lock().expect("no holder panics");
        asked.get(&(name.to_owned(), A)).copied().unwrap_or(0)
    }
}

/// The answer to a packet with one question; `None` where it is none.
fn answer(packet: &[u8], zone: &Zone, asked: &Mutex<HashMap<(String, u16), usize>>) -> Option<Vec<u8>> {
    const HEADER: usize = 12;
    let mut labels: Vec<String> = Vec::new();
    let mut at = HEADER;
    loop {
        let length = usize::from(*packet.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8(packet.get(at..at + length)?.to_vec()).ok()?.to_lowercase());
        at += length;
    }
    let question = packet.get(HEADER..at + 4)?;
    let kind = u16::from_be_bytes([packet[at], packet[at + 1]]);
    let name = labels.join(".");
    let answers = zone.get(&name);
    let number = {
        let mut asked = asked.lock().expect("no holder panics");
        let times = asked.entry((name, kind)).or_default();
        *times += 1;
        *times - 1
    };
    let addresses = answers.and_then(|answers| answers.get(number).or(answers.last()));
    let fitting = addresses.into_iter().flatten().filter(|address| kind == if address.is_ipv4() { A } else { AAAA });
    let fitting: Vec<&IpAddr> = fitting.collect();
    // An answer, recursion desired and available; or that there is no such name.
    let flags: [u8; 2] = if answers.is_some() { [0x81, 0x80] } else { [0x81, 0x83] };
    let count = u8::try_from(fitting.len()).ok()?;
    let mut told = [&packet[..2], &flags, &[0, 1, 0, count, 0, 0, 0, 0], question].concat();
    for address in fitting {
        let address = match address {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        };
        // The name of the question, its type, of the internet, for no time at all.
        told.extend([0xc0, 0x0c].into_iter().chain(kind.to_be_bytes()).chain([0, 1, 0, 0, 0, 0]));
        told.extend([0, u8::try_from(address.len()).ok()?]);
        told.extend(address);
    }
    Some(told)
}
