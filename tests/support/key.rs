//! OpenPGP keys made for a test: as good or as bad as the case wants, since the pgp crate's builder makes only good ones.

use pgp::composed::{
    ArmorOptions, CleartextSignedMessage, DetachedSignature, KeyType, SecretKeyParamsBuilder, SignedPublicKey,
    SignedSecretKey,
};
use pgp::composed::{EncryptionCaps, SubkeyParamsBuilder};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{KeyFlags, Signature, SignatureConfig, SignatureType, Subpacket, SubpacketData};
use pgp::types::{Duration, KeyDetails, Password, SigningKey, Tag, Timestamp};

/// When keys are made unless a case says otherwise: 2025-07-14.
pub const MADE: u32 = 1_752_500_000;

pub const DAY: u32 = 24 * 3600;

pub struct Key {
    pub secret: SignedSecretKey,
}

impl Key {
    /// A primary key that signs, and a subkey that signs; made at `made`, in seconds since 1970.
    pub fn new(made: u32) -> Key {
        let subkey = SubkeyParamsBuilder::default()
            .key_type(KeyType::Ed25519Legacy)
            .can_sign(true)
            .can_encrypt(EncryptionCaps::None)
            .created_at(Timestamp::from_secs(made))
            .build()
            .unwrap();
        let parameters = SecretKeyParamsBuilder::default()
            .key_type(KeyType::Ed25519Legacy)
            .can_certify(true)
            .can_sign(true)
            .created_at(Timestamp::from_secs(made))
            .primary_user_id("archive <archive@example.org>".to_owned())
            .subkeys(vec![subkey])
            .build()
            .unwrap();
        let mut key = Key { secret: parameters.generate(rand::thread_rng()).unwrap() };
        // The builder dates statements with the wall clock.
        key.state(made, None, true);
        key.bind(made, None);
        key
    }

    pub fn fingerprint(&self) -> String {
        format!("{:X}", self.secret.fingerprint())
    }

    pub fn public(&self) -> SignedPublicKey {
        self.secret.clone().into()
    }

    pub fn armored(&self) -> String {
        self.public().to_armored_string(ArmorOptions::default()).unwrap()
    }

    /// Says anew what the primary key is for, and for how long.
    pub fn state(&mut self, at: u32, lasts: Option<u32>, signs: bool) {
        let mut flags = KeyFlags::default();
        flags.set_certify(true);
        flags.set_sign(signs);
        let primary = &self.secret.primary_key;
        let mut config = config(SignatureType::CertPositive, primary, at);
        config.hashed_subpackets.push(Subpacket::regular(SubpacketData::KeyFlags(flags)).unwrap());
        expire(&mut config, lasts);
        let user = &mut self.secret.details.users[0];
        let statement = config
            .sign_certification(primary, primary.public_key(), &Password::empty(), Tag::UserId, &user.id)
            .unwrap();
        user.signatures = vec![statement];
    }

    /// Binds the subkey anew, for how long.
    pub fn bind(&mut self, at: u32, lasts: Option<u32>) {
        let primary = &self.secret.primary_key;
        let subkey = &mut self.secret.secret_subkeys[0];
        let back = config(SignatureType::KeyBinding, &subkey.key, at)
            .sign_primary_key_binding(&subkey.key, subkey.key.public_key(), &Password::empty(), primary.public_key())
            .unwrap();
        let mut flags = KeyFlags::default();
        flags.set_sign(true);
        let mut config = config(SignatureType::SubkeyBinding, primary, at);
        for data in [SubpacketData::KeyFlags(flags), SubpacketData::EmbeddedSignature(Box::new(back))] {
            config.hashed_subpackets.push(Subpacket::regular(data).unwrap());
        }
        expire(&mut config, lasts);
        let binding = config
            .sign_subkey_binding(primary, primary.public_key(), &Password::empty(), subkey.key.public_key())
            .unwrap();
        subkey.signatures = vec![binding];
    }

    pub fn revoke(&mut self, at: u32) {
        let primary = &self.secret.primary_key;
        let revocation = config(SignatureType::KeyRevocation, primary, at)
            .sign_key(primary, &Password::empty(), primary.public_key())
            .unwrap();
        self.secret.details.revocation_signatures.push(revocation);
    }

    /// The text, clear-signed at `at` by the primary key.
    pub fn sign(&self, text: &str, at: u32) -> String {
        self.sign_with(text, config(SignatureType::Text, &self.secret.primary_key, at))
    }

    pub fn sign_with(&self, text: &str, config: SignatureConfig) -> String {
        clear_signed(text, |text| config.sign(&self.secret.primary_key, &Password::empty(), text).unwrap())
    }

    /// A signature that calls its hash SHA1; the pgp crate refuses to make a real one.
    pub fn sign_weakly(&self, text: &str, at: u32) -> String {
        let strong = config(SignatureType::Text, &self.secret.primary_key, at);
        clear_signed(text, |text| {
            let strong = strong.sign(&self.secret.primary_key, &Password::empty(), text).unwrap();
            let mut weak = strong.config().unwrap().clone();
            weak.hash_alg = HashAlgorithm::Sha1;
            Signature::from_config(weak, strong.signed_hash_value().unwrap(), strong.signature().unwrap().clone())
                .unwrap()
        })
    }

    /// A signature beside the bytes, made at `at` by the primary key.
    pub fn sign_beside(&self, bytes: &[u8], at: u32) -> String {
        let primary = &self.secret.primary_key;
        let config = config(SignatureType::Binary, primary, at);
        armored(config.sign(primary, &Password::empty(), bytes).unwrap())
    }

    /// The same by the subkey.
    pub fn sign_beside_by_subkey(&self, bytes: &[u8], at: u32) -> String {
        let subkey = &self.secret.secret_subkeys[0].key;
        let config = config(SignatureType::Binary, subkey, at);
        armored(config.sign(subkey, &Password::empty(), bytes).unwrap())
    }

    /// The text, clear-signed by the subkey.
    pub fn sign_by_subkey(&self, text: &str, at: u32) -> String {
        let subkey = &self.secret.secret_subkeys[0].key;
        let config = config(SignatureType::Text, subkey, at);
        clear_signed(text, |text| config.sign(subkey, &Password::empty(), text).unwrap())
    }
}

fn clear_signed(text: &str, sign: impl FnOnce(&[u8]) -> Signature) -> String {
    CleartextSignedMessage::new_many(text, |text| Ok(vec![sign(text.as_bytes())]))
        .unwrap()
        .to_armored_string(ArmorOptions::default())
        .unwrap()
}

fn armored(signature: Signature) -> String {
    DetachedSignature::new(signature).to_armored_string(ArmorOptions::default()).unwrap()
}

/// A signature to be, dated and with its issuer.
pub fn config(kind: SignatureType, key: &impl SigningKey, at: u32) -> SignatureConfig {
    let mut config = SignatureConfig::v4(kind, key.algorithm(), HashAlgorithm::Sha256);
    config.hashed_subpackets = [
        SubpacketData::SignatureCreationTime(Timestamp::from_secs(at)),
        SubpacketData::IssuerFingerprint(key.fingerprint()),
    ]
    .map(|data| Subpacket::regular(data).unwrap())
    .into();
    config
}

fn expire(config: &mut SignatureConfig, lasts: Option<u32>) {
    if let Some(lasts) = lasts {
        let data = SubpacketData::KeyExpirationTime(Duration::from_secs(lasts));
        config.hashed_subpackets.push(Subpacket::regular(data).unwrap());
    }
}
