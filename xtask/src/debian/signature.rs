//! Says whether a clear-signed index is signed by a key that is believed; what makes a key believed stands in [`crate::openpgp`].

use crate::fault::Fault;
use crate::openpgp::{Verdict, judge};
use anyhow::Result;
use pgp::composed::{CleartextSignedMessage, SignedPublicKey};

/// The text that was signed, if one signature of a pinned, valid key is good and none of such a key is bad. `now` is in seconds
/// since 1970.
pub fn verify(message: &str, certificates: &[SignedPublicKey], now: u64) -> Result<String> {
    let (message, _) = CleartextSignedMessage::from_string(message)
        .map_err(|error| Fault::failed(format!("it is not a clear-signed message: {error}")))?;
    let text = message.signed_text();
    let mut good = false;
    let mut reasons = Vec::new();
    for signature in message.signatures() {
        match judge(signature, text.as_bytes(), certificates, now, now) {
            Verdict::Good(_) => good = true,
            Verdict::Useless(reason) => reasons.push(reason),
            Verdict::Bad(reason) => return Err(Fault::failed(reason).cure(CURE).into()),
        }
    }
    if !good {
        if reasons.is_empty() {
            reasons.push("there is no signature".to_owned());
        }
        return Err(Fault::failed(format!("no signature can be believed: {}", reasons.join("; "))).cure(CURE).into());
    }
    Ok(text.replace("\r\n", "\n"))
}

const CURE: &str = "ask another mirror with `--debian-mirror URL`; if Debian signs with a new key, add its certificate and \
    fingerprint to the toolchain after checking them";
