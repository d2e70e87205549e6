//! Who may sign an index. Every case signs the same text and asks on the day after the key was made, unless it says otherwise.

use crate::support::key::{DAY, Key, MADE, config};
use pgp::packet::{SignatureType, Subpacket, SubpacketData};
use pgp::types::Duration;
use xtask::debian::signature::verify;
use xtask::openpgp::certificates;

/// With a line that clear-signing has to escape.
const TEXT: &str = "Suite: stable\n- dash\nDate: today\n";

const NOW: u64 = (MADE + DAY) as u64;

fn judged(message: &str, key: &Key) -> Result<String, String> {
    judged_at(message, key, NOW)
}

fn judged_at(message: &str, key: &Key, now: u64) -> Result<String, String> {
    let certificates = certificates(&key.armored(), &[key.fingerprint()]).unwrap();
    verify(message, &certificates, now).map_err(|error| error.to_string())
}

#[track_caller]
fn refused(outcome: Result<String, String>, reason: &str) {
    let message = outcome.expect_err("the signature was believed");
    assert!(message.contains(reason), "`{message}` does not say `{reason}`");
}

#[test]
fn a_good_signature_gives_back_what_was_signed() {
    let key = Key::new(MADE);
    assert_eq!(judged(&key.sign(TEXT, MADE), &key).unwrap(), TEXT);
    assert_eq!(judged(&key.sign_by_subkey(TEXT, MADE), &key).unwrap(), TEXT);
}

#[test]
fn text_around_the_signed_message_is_refused() {
    let key = Key::new(MADE);
    let message = key.sign(TEXT, MADE);
    refused(judged(&format!("{message}\nSuite: evil\n"), &key), "not a clear-signed message");
    refused(judged(&format!("Suite: evil\n\n{message}"), &key), "not a clear-signed message");
}

#[test]
fn a_changed_text_is_refused() {
    let key = Key::new(MADE);
    let message = key.sign(TEXT, MADE).replace("stable", "stabler");
    refused(judged(&message, &key), "is bad: the text is not what was signed");
}

#[test]
fn a_text_without_a_signature_is_refused() {
    refused(judged(TEXT, &Key::new(MADE)), "not a clear-signed message");
}

#[test]
fn an_unknown_key_is_refused_by_name() {
    let (key, stranger) = (Key::new(MADE), Key::new(MADE));
    let reason = format!("key {} is not known", stranger.fingerprint().to_lowercase());
    refused(judged(&stranger.sign(TEXT, MADE), &key), &reason);
}

#[test]
fn only_pinned_certificates_are_believed() {
    let (key, other) = (Key::new(MADE), Key::new(MADE));
    let error = certificates(&key.armored(), &[other.fingerprint()]).unwrap_err();
    assert_eq!(error.to_string(), format!("signer {} has no certificate", other.fingerprint().to_lowercase()));
    let found = certificates(&key.armored(), &[]).unwrap();
    assert!(found.is_empty());
}

#[test]
fn an_expired_key_is_refused() {
    let mut key = Key::new(MADE);
    key.state(MADE, Some(2 * DAY), true);
    assert!(judged(&key.sign(TEXT, MADE), &key).is_ok());
    refused(judged_at(&key.sign(TEXT, MADE), &key, NOW + 2 * u64::from(DAY)), "the key has expired");
    refused(judged_at(&key.sign_by_subkey(TEXT, MADE), &key, NOW + 2 * u64::from(DAY)), "the key has expired");
}

#[test]
fn an_expired_subkey_is_refused_and_its_primary_key_is_not() {
    let mut key = Key::new(MADE);
    key.bind(MADE, Some(DAY / 2));
    refused(judged(&key.sign_by_subkey(TEXT, MADE), &key), "the key has expired");
    assert!(judged(&key.sign(TEXT, MADE), &key).is_ok());
}

#[test]
fn a_revoked_key_is_refused() {
    let mut key = Key::new(MADE);
    key.revoke(MADE);
    refused(judged(&key.sign(TEXT, MADE), &key), "the key was revoked");
    refused(judged(&key.sign_by_subkey(TEXT, MADE), &key), "the key was revoked");
}

#[test]
fn a_key_that_is_not_for_signing_is_refused() {
    let mut key = Key::new(MADE);
    key.state(MADE, None, false);
    refused(judged(&key.sign(TEXT, MADE), &key), "not meant for signing");
}

#[test]
fn somebody_elses_subkey_cannot_be_adopted() {
    let (mut key, other) = (Key::new(MADE), Key::new(MADE));
    // The binding says all that the adopting key can say; what is missing is the subkey's own word.
    let mut subkey = other.secret.secret_subkeys[0].clone();
    let binding = config(SignatureType::SubkeyBinding, &key.secret.primary_key, MADE)
        .sign_subkey_binding(
            &key.secret.primary_key,
            key.secret.primary_key.public_key(),
            &pgp::types::Password::empty(),
            subkey.key.public_key(),
        )
        .unwrap();
    subkey.signatures = vec![binding];
    key.secret.secret_subkeys = vec![subkey];
    refused(judged(&other.sign_by_subkey(TEXT, MADE), &key), "not meant for signing");
}

#[test]
fn a_signature_of_the_future_or_past_its_end_is_refused() {
    let key = Key::new(MADE);
    refused(judged(&key.sign(TEXT, MADE + 3 * DAY), &key), "made in the future");
    let mut short = config(SignatureType::Text, &key.secret.primary_key, MADE);
    let lasts = SubpacketData::SignatureExpirationTime(Duration::from_secs(60));
    short.hashed_subpackets.push(Subpacket::regular(lasts).unwrap());
    refused(judged(&key.sign_with(TEXT, short), &key), "a signature has expired");
}

#[test]
fn a_weak_hash_is_refused() {
    let key = Key::new(MADE);
    refused(judged(&key.sign_weakly(TEXT, MADE), &key), "the weak hash SHA1");
}

#[test]
fn debians_certificates_are_whole() {
    let folder = crate::support::root().join("toolchains");
    for name in ["bookworm", "builder"] {
        let wanted = xtask::toolchain::Wanted::load(&crate::support::root(), name).unwrap();
        let armored = fs_err::read_to_string(folder.join(&wanted.certificates)).unwrap();
        assert_eq!(certificates(&armored, &wanted.signers).unwrap().len(), wanted.signers.len());
    }
}
