//! Says whether a signature was made by a key that is believed: OpenPGP, RFC 9580.
//!
//! The pgp crate checks the arithmetic of signatures and leaves their meaning to its user. Here is the meaning: which keys are
//! pinned, what they may be used for, since when and until when, and whether they were revoked. Where a certificate says
//! several things, the stricter one holds. Web of trust and revocation by others are left out: fingerprints are pinned. What is
//! signed, and in which form, is not known here.

use crate::fault::Fault;
use anyhow::{Context as _, Result};
use pgp::composed::{Deserializable as _, SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType};
use pgp::types::{KeyDetails, Tag, VerifyingKey};
use std::collections::BTreeSet;

/// Clocks of signers and of machines differ by so many seconds.
const SKEW: u64 = 24 * 3600;

/// Seconds since 1970. Only signatures and expiry dates are held against it; no output has it.
pub fn now() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "whether a signature has expired is a question of the wall clock")]
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

/// The certificates of the pinned signers; a fingerprint without a certificate is an error, one that is not pinned is left out.
pub fn certificates(armored: &str, signers: &[String]) -> Result<Vec<SignedPublicKey>> {
    let (keys, _) = SignedPublicKey::from_string_many(armored).context("reading the certificates")?;
    let mut missing: BTreeSet<String> = signers.iter().map(|signer| signer.to_ascii_lowercase()).collect();
    let mut found = Vec::new();
    for key in keys {
        let key = key.context("reading the certificates")?;
        if missing.remove(&fingerprint(&key)) {
            found.push(key);
        }
    }
    if let Some(signer) = missing.first() {
        return Err(Fault::usage(format!("signer {signer} has no certificate")).into());
    }
    Ok(found)
}

/// What a signature says.
pub enum Verdict {
    /// Made by this key.
    Good(String),
    /// Says nothing: by a key that is not known, or not valid.
    Useless(String),
    /// By a key that is known, and wrong.
    Bad(String),
}

/// Holds a signature over `text` against the certificates. `now` is in seconds since 1970; whether the key had expired is asked for
/// the moment `then`.
pub fn judge(signature: &Signature, text: &[u8], certificates: &[SignedPublicKey], now: u64, then: u64) -> Verdict {
    let clock = Clock { now, then };
    for certificate in certificates {
        let primary = &certificate.primary_key;
        if issued_by(signature, primary) {
            return weigh(signature, text, primary, now, || primary_may_sign(certificate, clock));
        }
        for subkey in &certificate.public_subkeys {
            if issued_by(signature, subkey) {
                return weigh(signature, text, subkey, now, || {
                    primary_validity(certificate, clock).and_then(|_| subkey_may_sign(certificate, subkey, clock))
                });
            }
        }
    }
    let issuers: Vec<String> = signature.issuer_fingerprint().iter().map(|print| format!("{print:x}")).collect();
    Verdict::Useless(format!("key {} is not known", issuers.first().map_or("without a fingerprint", String::as_str)))
}

#[derive(Clone, Copy)]
struct Clock {
    now: u64,
    /// When keys had to be in force.
    then: u64,
}

fn issued_by(signature: &Signature, key: &impl KeyDetails) -> bool {
    match signature.issuer_fingerprint()[..] {
        [] => signature.issuer_key_id().contains(&&key.legacy_key_id()),
        ref prints => prints.contains(&&key.fingerprint()),
    }
}

fn weigh(
    signature: &Signature,
    text: &[u8],
    key: &impl VerifyingKey,
    now: u64,
    validity: impl FnOnce() -> Result<(), String>,
) -> Verdict {
    let name = fingerprint(key);
    if !matches!(signature.typ(), Some(SignatureType::Text | SignatureType::Binary)) {
        return Verdict::Useless(format!("the signature of key {name} is not over a text"));
    }
    let young = |made| if made < u64::from(key.created_at().as_secs()) { Err(OLDER.to_owned()) } else { Ok(()) };
    if let Err(reason) = current(signature, now).and_then(young).and_then(|_| validity()) {
        return Verdict::Useless(format!("key {name}: {reason}"));
    }
    match signature.verify(key, text) {
        Ok(()) => Verdict::Good(name),
        Err(_) => Verdict::Bad(format!("the signature of key {name} is bad: the text is not what was signed")),
    }
}

const OLDER: &str = "a signature is older than the key";

/// Of a strong hash, made in the past and not expired.
fn current(signature: &Signature, now: u64) -> Result<u64, String> {
    use HashAlgorithm::{Sha3_256, Sha3_512, Sha256, Sha384, Sha512};
    match signature.hash_alg() {
        Some(Sha256 | Sha384 | Sha512 | Sha3_256 | Sha3_512) => {}
        Some(weak) => return Err(format!("a signature uses the weak hash {weak}")),
        None => return Err("a signature is of an unknown version".to_owned()),
    }
    let made = signature.created().ok_or("a signature has no date")?;
    let made = u64::from(made.as_secs());
    if made > now + SKEW {
        return Err("a signature was made in the future".to_owned());
    }
    let lasts = signature.signature_expiration_time().map_or(0, |time| u64::from(time.as_secs()));
    if lasts != 0 && made + lasts < now {
        return Err("a signature has expired".to_owned());
    }
    Ok(made)
}

fn primary_may_sign(certificate: &SignedPublicKey, clock: Clock) -> Result<(), String> {
    let statements = primary_validity(certificate, clock)?;
    // A certificate that names no use at all allows signing, as keys from before key flags did.
    let flags: Vec<_> = statements.iter().map(|signature| signature.key_flags()).collect();
    let silent = flags.iter().all(|flags| !flags.sign() && !flags.certify() && !flags.encrypt_comms());
    if silent || flags.iter().any(|flags| flags.sign()) {
        Ok(())
    } else {
        Err("the key is not meant for signing".to_owned())
    }
}

/// The newest valid statement of each kind that the primary key makes about itself, if it makes any and is neither revoked
/// nor expired.
fn primary_validity(certificate: &SignedPublicKey, clock: Clock) -> Result<Vec<&Signature>, String> {
    let (key, details) = (&certificate.primary_key, &certificate.details);
    if details.revocation_signatures.iter().any(|signature| signature.verify_key(key).is_ok()) {
        return Err("the key was revoked".to_owned());
    }
    let mut kinds = vec![newest(details.direct_signatures.iter().filter(|s| s.verify_key(key).is_ok()), clock.now)];
    for user in &details.users {
        let own = user.signatures.iter().filter(|s| s.verify_certification(key, Tag::UserId, &user.id).is_ok());
        kinds.push(newest(own, clock.now).filter(|signature| signature.typ() != Some(SignatureType::CertRevocation)));
    }
    let statements: Vec<&Signature> = kinds.into_iter().flatten().collect();
    if statements.is_empty() {
        return Err("the key has no valid self-signature".to_owned());
    }
    for statement in &statements {
        not_expired(key, statement, clock)?;
    }
    Ok(statements)
}

fn subkey_may_sign(certificate: &SignedPublicKey, subkey: &SignedPublicSubKey, clock: Clock) -> Result<(), String> {
    let key = &certificate.primary_key;
    let valid =
        || subkey.signatures.iter().filter(|signature| signature.verify_subkey_binding(key, &subkey.key).is_ok());
    if valid().any(|signature| signature.typ() == Some(SignatureType::SubkeyRevocation)) {
        return Err("the subkey was revoked".to_owned());
    }
    let binding = newest(valid(), clock.now).ok_or("the subkey is not bound to its primary key")?;
    not_expired(&subkey.key, binding, clock)?;
    // RFC 9580, 5.2.1.9: without it somebody else's subkey could be adopted.
    let back = binding.embedded_signature().filter(|back| back.verify_primary_key_binding(&subkey.key, key).is_ok());
    if !binding.key_flags().sign() || back.is_none() {
        return Err("the subkey is not meant for signing".to_owned());
    }
    Ok(())
}

fn newest<'a>(signatures: impl Iterator<Item = &'a Signature>, now: u64) -> Option<&'a Signature> {
    signatures.filter(|signature| current(signature, now).is_ok()).max_by_key(|signature| signature.created())
}

fn not_expired(key: &impl KeyDetails, statement: &Signature, clock: Clock) -> Result<(), String> {
    let made = u64::from(key.created_at().as_secs());
    let lasts = statement.key_expiration_time().map_or(0, |time| u64::from(time.as_secs()));
    match lasts != 0 && made + lasts < clock.then {
        true => Err("the key has expired".to_owned()),
        false => Ok(()),
    }
}

/// In lower case, as errors show it.
fn fingerprint(key: &impl KeyDetails) -> String {
    format!("{:x}", key.fingerprint())
}
